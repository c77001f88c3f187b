"""Report: the stage of that name (stages/report.py), for papers of your choice and results kept elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from stages import report
from stages.reporting.spec import FOLDER as PUBLISHED
from tools.terminal import checkout


def main(
    papers: Annotated[
        list[str] | None,
        typer.Argument(metavar="PAPER", help="ft, scotd, cascod, competition; all by default."),
    ] = None,
    metrics: Annotated[Path, typer.Option(help="Where the results are.")] = Path("metrics"),
    out: Annotated[Path, typer.Option(help="Where the reports go.")] = Path("metrics/report"),
) -> None:
    """Put our numbers beside the papers', table by table and figure by figure."""
    checkout()
    report.main(papers or sorted(path.stem for path in PUBLISHED.glob("*.yaml")), metrics, out)
