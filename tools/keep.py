"""Keep: a run's results under a name, with their settings; the next run's results then stand beside them.

In: metrics/summary.json, table.md and transfers.md, and params.yaml as it stands. Out: NAME.json and NAME.md.
The report reads what is kept.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.config.load import read_params
from stages.records.jsonl import write_json, write_text
from stages.reporting.settings import settings_of
from tools.terminal import checkout

NEEDED = ("summary.json", "table.md", "transfers.md")


def check_name(name: str, out: Path, force: bool) -> None:
    """Raises ValueError for a name that is no file's, or is taken."""
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ValueError(f"name {name!r}: wanted a-z, 0-9 and _ only, it becomes the files' name")
    there = [str(path) for end in (".json", ".md") if (path := out / f"{name}{end}").exists()]
    if there and not force:
        raise ValueError(f"{', '.join(there)}: there already; take another name, or --force to write over it")


def check_summary(summary: dict[str, Any], declared: dict[str, Any], path: Path) -> None:
    """Raises ValueError for a summary of other data sets or splits than those declared: its settings would
    not be those of params.yaml.
    """
    wanted = {f"{dataset}-{split}" for dataset in declared["datasets"] for split in declared["splits"]}
    found = {
        place for place in summary if not place.startswith("average-") and not place.endswith(", transfers")
    }
    if found != wanted:
        raise ValueError(
            f"{path} is of {', '.join(sorted(found))}, params.yaml declares {', '.join(sorted(wanted))}: `dvc"
            " repro` first"
        )


def main(
    name: Annotated[str, typer.Argument(help="Of a-z, 0-9 and _, such as cascod_alpha_0_5.")],
    metrics: Annotated[Path, typer.Option(help="Where the results are.")] = Path("metrics"),
    out: Annotated[Path, typer.Option(help="Where they are kept.")] = Path("metrics/released"),
    force: Annotated[bool, typer.Option("--force", help="Write over what is kept under this name.")] = False,
) -> None:
    """Keep this run's summary and tables under a name, with the settings of params.yaml, for the report."""
    checkout()
    check_name(name, out, force)
    missing = [file for file in NEEDED if not (metrics / file).is_file()]
    if missing:
        raise ValueError(f"{metrics}: no {', '.join(missing)}: `dvc repro` makes them")
    params = read_params()
    summary = json.loads((metrics / "summary.json").read_text(encoding="utf-8"))
    check_summary(summary, params["run"], metrics / "summary.json")
    tables = [(metrics / file).read_text(encoding="utf-8") for file in NEEDED[1:]]
    write_json(out / f"{name}.json", {"settings": settings_of(params), **summary})
    write_text(out / f"{name}.md", "\n".join(tables))
    typer.echo(f"kept as {out / name}.json and .md: `cot report` reads it")
