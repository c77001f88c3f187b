"""Report: a paper's tables and figures with our numbers beside the printed ones, and what of them was not run.

In: the results under metrics/ and stages/published. Out, per paper: NAME.md, NAME.html (one file, figures in it), NAME.csv for plots, and figures/.
"""

from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from stages.cli import run
from stages.records.jsonl import write_text
from stages.report_figures import draw
from stages.report_page import Shown, as_html, as_markdown, status
from stages.report_results import read_results
from stages.report_spec import read_paper
from stages.report_tables import impossible_ours, panels_of

COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("item", "panel", "line", "column", "side"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "n": pl.Int64,
}


def long_table(shown: Shown) -> str:
    """Every number of the report as CSV, printed and ours."""
    rows = [
        {
            **{"item": item.title, "panel": panel.title, "line": f"{line.name} ({line.deviations})" if line.deviations else line.name},
            **{"column": column, "side": "ours" if line.ours else "published", "value": round(one.value, 4), "n": one.n},
            **{end: None if at is None else round(at, 4) for end, at in (("low", one.low), ("high", one.high))},
        }
        for item, panels, _ in shown.values()
        for panel in panels
        for line in panel.lines
        for column, one in zip(panel.columns, line.values, strict=True)
        if one
    ]
    return pl.DataFrame(rows, schema=COLUMNS).write_csv()


def main(
    papers: Annotated[list[str], typer.Argument(metavar="PAPER", help="ft, scotd, cascod: the files of stages/published.")],
    metrics: Annotated[Path, typer.Option(help="Where the results are.")] = Path("metrics"),
    out: Annotated[Path, typer.Option(help="Where the reports go.")] = Path("metrics/report"),
) -> None:
    """Put our numbers next to the papers'."""
    if not metrics.is_dir():
        raise ValueError(f"{metrics}: no such folder, wanted the one that holds cells/, splits/ and the other results")
    pools = read_results(metrics)
    looked, wrong = impossible_ours(pools["cells"])
    ours = f"Of {looked} accuracies of ours {len(wrong)} do{': ' + ', '.join(wrong[:5]) if wrong else ''}."
    for name in papers:
        paper, shown = read_paper(name), {}
        for key, item in paper.items.items():
            panels = panels_of(item, pools)
            shown[key] = (item, panels, draw(f"{name}-{key}", item, panels, out / "figures"))
            typer.echo(f"{name} {item.title}: {status(item, panels)}")
        write_text(out / f"{name}.md", as_markdown(paper, name, shown, ours))
        write_text(out / f"{name}.html", as_html(paper, shown, ours))
        write_text(out / f"{name}.csv", long_table(shown))


if __name__ == "__main__":
    run(main)
