"""Compare: what moved between two Git revisions, cell by cell, and whether a test supports it.

In: params.yaml and metrics/ as they stand at a revision, and at another one or in the working tree; no data,
no cache. Out: tables, in the terminal or as Markdown for a pull request. Cells are compared question by
question.
"""

from typing import Annotated

import typer
from rich.table import Column
from rich.table import Table as RichTable

from stages.results.paired import RESAMPLED
from stages.results.revisions import at_revision, in_working_tree
from tools.compare.changes import LEVEL
from tools.compare.tables import Table, as_markdown, tables
from tools.tables import console

FOLDED = ("Questions", "Parameters")  # in a comment: opened by a click
NOTE = f"""Points of test questions answered right (with several samples, by their majority). Interval: 95 %,
from 10,000 paired bootstrap resamples.
{RESAMPLED}
p: McNemar's exact test on the questions that changed, Holm-corrected over the datasets, targets and seeds of
a line of the grid; cells without a changed question are no tests. A word only below {LEVEL}: "no difference
shown" is not "no difference".
"""


def print_table(title: str, table: Table) -> None:
    """Without lines; the name of a cell is what tells rows apart and is never cut."""
    first, *others = table[0]
    columns = [
        Column(first, overflow="fold", min_width=18),
        *(Column(name, overflow="fold") for name in others),
    ]
    printed = RichTable(*columns, title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for row in table[1:]:
        printed.add_row(*row)
    console().print(printed, "")


def main(
    before: Annotated[
        str, typer.Argument(metavar="REV", help="A Git revision: HEAD~1, main, origin/main, ...")
    ],
    after: Annotated[
        str | None, typer.Argument(metavar="REV", help="Another one; the working tree if left out.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a pull request's comment.")
    ] = False,
) -> None:
    """Say what moved between two revisions, and whether a test supports it."""
    found = tables(at_revision(before), at_revision(after) if after else in_working_tree())
    if markdown:
        typer.echo(f"### {before} against {after or 'the working tree'}\n")
    for title, table in found.items():
        if len(table) == 1:  # nothing moved
            continue
        if markdown and title in FOLDED:
            typer.echo(f"<details><summary>{title}</summary>\n\n{as_markdown(table)}\n</details>\n")
        elif markdown:
            typer.echo(f"#### {title}\n\n{as_markdown(table)}")
        else:
            print_table(title, table)
    typer.echo(NOTE)
