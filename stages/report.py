"""Report: a paper's tables and figures with our numbers beside the printed ones, and what of them was not
run.

In: the results under metrics/, params.yaml for what the tree's own were made with, and
stages/reporting/published. Out, per paper: NAME.md, NAME.html (one file, figures in it), NAME.csv, and for
each figure with numbers figures/NAME-ITEM.png and .svg, and plots/NAME-ITEM.csv for `dvc plots`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from stages.config.cli import run
from stages.config.load import read_params
from stages.records.jsonl import write_text
from stages.reporting.figures import draw, drawn, short
from stages.reporting.page import Shown, as_html, as_markdown, status
from stages.reporting.pools import read_results
from stages.reporting.results import Line
from stages.reporting.spec import Item, read_paper
from stages.reporting.tables import Panel, impossible_ours, panels_of

NUMBERS: dict[str, Any] = {
    **dict.fromkeys(("line", "column", "side"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "n": pl.Int64,
}
COLUMNS: dict[str, Any] = {"item": pl.String, "panel": pl.String, **NUMBERS}
PLOTTED: dict[str, Any] = {"panel": pl.String, "panel_place": pl.Int64, "column_place": pl.Int64, **NUMBERS}


def numbers(panel: Panel) -> Iterator[tuple[Line, dict[str, Any]]]:
    """A panel's numbers, each with its line and as a row of CSV; percentages with 4 decimals."""
    for line in panel.lines:
        for column, one in zip(panel.columns, line.values, strict=True):
            if one:
                values = {
                    name: None if at is None else round(at, 4)
                    for name, at in (("value", one.value), ("low", one.low), ("high", one.high))
                }
                yield (
                    line,
                    {
                        "line": line.title,
                        "column": column,
                        "side": "ours" if line.ours else "published",
                        **values,
                        "n": one.n,
                    },
                )


def long_table(shown: Shown) -> str:
    """Every number of the report as CSV, printed and ours."""
    rows = [
        {"item": item.title, "panel": panel.title, **row}
        for item, panels, _ in shown.values()
        for panel in panels
        for _, row in numbers(panel)
    ]
    return pl.DataFrame(rows, schema=COLUMNS).write_csv()


def plot_table(item: Item, panels: list[Panel]) -> str:
    """One figure's numbers as CSV, lines by their short names; the places are the order of panels and columns
    (.dvc/plots/figure.json draws it).
    """
    rows = [
        {"panel": f"{item.title}: {panel.title}" if panel.title else item.title, "panel_place": place}
        | {**row, "line": short(line), "column_place": panel.columns.index(row["column"])}
        for place, panel in enumerate(drawn(item, panels))
        for line, row in numbers(panel)
    ]
    return pl.DataFrame(rows, schema=PLOTTED).write_csv()


def main(
    papers: Annotated[
        list[str],
        typer.Argument(metavar="PAPER", help="ft, scotd, cascod: the files of stages/reporting/published."),
    ],
    metrics: Annotated[Path, typer.Option(help="Where the results are.")] = Path("metrics"),
    out: Annotated[Path, typer.Option(help="Where the reports go.")] = Path("metrics/report"),
) -> None:
    """Put our numbers next to the papers'."""
    if not metrics.is_dir():
        raise ValueError(
            f"{metrics}: no such folder, wanted the one that holds cells/, splits/ and the other results"
        )
    pools = read_results(metrics, read_params())
    looked, wrong = impossible_ours(pools["cells"])
    ours = f"Of {looked} accuracies of ours {len(wrong)} do{': ' + ', '.join(wrong[:5]) if wrong else ''}."
    for name in papers:
        paper = read_paper(name)
        shown = {}
        for key, item in paper.items.items():
            panels = panels_of(item, pools)
            shown[key] = (item, panels, draw(f"{name}-{key}", item, panels, out / "figures"))
            if drawn(item, panels):
                write_text(out / "plots" / f"{name}-{key}.csv", plot_table(item, panels))
            typer.echo(f"{name} {item.title}: {status(item, panels)}")
        write_text(out / f"{name}.md", as_markdown(paper, name, shown, ours))
        write_text(out / f"{name}.html", as_html(paper, shown, ours))
        write_text(out / f"{name}.csv", long_table(shown))


if __name__ == "__main__":
    run(main)
