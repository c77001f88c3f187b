"""Report: a paper's tables and figures with our numbers beside the printed ones, and what was not run.

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
from stages.reporting.figures import draw, figure_panels, short_title
from stages.reporting.lines import Line
from stages.reporting.page import Shown, html_page, item_status, markdown_page
from stages.reporting.pools import read_results
from stages.reporting.spec import Item, read_paper
from stages.reporting.tables import Panel, impossible_ours, item_panels

NUMBERS: dict[str, Any] = {
    **dict.fromkeys(("line", "column", "side"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "n": pl.Int64,
}
COLUMNS: dict[str, Any] = {"item": pl.String, "panel": pl.String, **NUMBERS}
PLOTTED: dict[str, Any] = {"panel": pl.String, "panel_place": pl.Int64, "column_place": pl.Int64, **NUMBERS}


def panel_numbers(panel: Panel) -> Iterator[tuple[Line, dict[str, Any]]]:
    """A panel's numbers, each with its line and as a row of CSV; percentages with 4 decimals."""
    for line in panel.lines:
        for column, one in zip(panel.columns, line.values, strict=True):
            if one:
                row: dict[str, Any] = {"line": line.title, "column": column}
                row["side"] = "ours" if line.ours else "published"
                for name, number in (("value", one.value), ("low", one.low), ("high", one.high)):
                    row[name] = None if number is None else round(number, 4)
                yield line, {**row, "n": one.n}


def long_table(shown: Shown) -> str:
    """Every number of the report as CSV, printed and ours."""
    rows = [
        {"item": item.title, "panel": panel.title, **row}
        for item, panels, _ in shown.values()
        for panel in panels
        for _, row in panel_numbers(panel)
    ]
    return pl.DataFrame(rows, schema=COLUMNS).write_csv()


def plot_table(item: Item, panels: list[Panel]) -> str:
    """One figure's numbers as CSV, lines by their short names (.dvc/plots/figure.json draws it).

    The places are the order of panels and columns.
    """
    rows = []
    for place, panel in enumerate(figure_panels(item, panels)):
        title = f"{item.title}: {panel.title}" if panel.title else item.title
        for line, row in panel_numbers(panel):
            places = {"panel_place": place, "column_place": panel.columns.index(row["column"])}
            rows.append({**row, **places, "panel": title, "line": short_title(line)})
    return pl.DataFrame(rows, schema=PLOTTED).write_csv()


def main(
    papers: Annotated[
        list[str],
        typer.Argument(metavar="PAPER", help="ft, scotd, ...: the files of stages/reporting/published."),
    ],
    metrics: Annotated[Path, typer.Option(help="Where the results are.")] = Path("metrics"),
    out: Annotated[Path, typer.Option(help="Where the reports go.")] = Path("metrics/report"),
) -> None:
    """Put our numbers next to the papers'."""
    if not metrics.is_dir():
        raise ValueError(f"{metrics}: no such folder, wanted the one that holds cells/, splits/ and the rest")
    pools = read_results(metrics, read_params())
    looked, wrong = impossible_ours(pools["cells"])
    names = f": {', '.join(wrong[:5])}" if wrong else ""
    ours = f"Of {looked} accuracies of ours {len(wrong)} do{names}."
    for name in papers:
        paper = read_paper(name)
        shown = {}
        for key, item in paper.items.items():
            panels = item_panels(item, pools)
            shown[key] = (item, panels, draw(f"{name}-{key}", item, panels, out / "figures"))
            if figure_panels(item, panels):
                write_text(out / "plots" / f"{name}-{key}.csv", plot_table(item, panels))
            typer.echo(f"{name} {item.title}: {item_status(item, panels)}")
        write_text(out / f"{name}.md", markdown_page(paper, name, shown, ours))
        write_text(out / f"{name}.html", html_page(paper, shown, ours))
        write_text(out / f"{name}.csv", long_table(shown))


if __name__ == "__main__":
    run(main)
