"""Compare: what moved between two Git revisions, cell by cell, and whether a test supports it (for pull
requests).

In: params.yaml and metrics/ as they stand at a revision, and at another one or in the working tree; no data,
no cache. Out: tables, in the terminal or as Markdown. A cell is compared question by question: the test ids
are in metrics/splits, in the order of the cell's `correct`.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from stages.config.cli import run
from stages.config.run import axes
from stages.results.cells import label
from stages.results.paired import RESAMPLED, Questions, by_question, p_text, points, questions, reach
from stages.results.revisions import Files, at_revision, data_table, folder, in_working_tree, params_table
from stages.results.statistics import Interval, holm, mcnemar, paired, paired_interval
from stages.summarize import markdown

LEVEL = 0.05  # of the corrected p below which a difference has a word
# characters of a table: a comment at GitHub may have 65,536, and DVC's table of metrics follows
LONGEST = 6000
FOLDED = ("Questions", "Parameters")  # in a comment: opened by a click
NAMED = 20  # question ids listed of those gained, and of those lost
NOTE = f"""Points of test questions answered right (with several samples, by their majority). Interval: 95 %, from 10,000 paired
bootstrap resamples.
{RESAMPLED}
p: McNemar's exact test on the questions that changed, Holm-corrected over the datasets, targets and seeds of a line of the grid; cells without
a changed question are no tests. A word only below {LEVEL}: "no difference shown" is not "no difference".
"""


@dataclass(frozen=True)
class Change:
    """One cell of which some question changed sides."""

    cell: str
    family: tuple[str, str]  # split and label: what is corrected together
    before: float  # shares of the n questions answered right
    after: float
    n: int
    interval: Interval  # of after - before
    p: float  # uncorrected
    gained: list[str]  # ids
    lost: list[str]


def scored(files: Files) -> dict[str, dict[str, Any]]:
    """Cells and transfers by their name: a student on its own test part, and on another dataset's."""
    return folder(files, "cells") | folder(files, "transfers")


def asked(cell: str, files: Files) -> Questions:
    """The test questions of a cell, or of a transfer's target, at a revision; none where it has no ids for
    them.
    """
    at = axes(cell)
    return questions(folder(files, "splits"), f"{at['target'] or at['dataset']}-{at['split']}")


def change(
    cell: str, before: Mapping[str, int], after: Mapping[str, int], clusters: list[str] | None
) -> Change:
    """Both sides of a cell on the same questions; `clusters` in the order of `after`. Raises ValueError where
    they are not the same.
    """
    first, second = paired(after, before)
    sides = {one: (then, after[one]) for one, then in before.items()}
    at = axes(cell)
    return Change(
        cell,
        (at["split"], label(at)),
        sum(second) / len(second),
        sum(first) / len(first),
        len(first),
        paired_interval(first, second, clusters),
        mcnemar(first, second),
        [one for one, pair in sides.items() if pair == (0, 1)],
        [one for one, pair in sides.items() if pair == (1, 0)],
    )


def changes(before: Files, after: Files) -> tuple[list[Change], list[str], dict[str, str]]:
    """The cells that changed, those in which no question did, and those that cannot be compared with the
    reason.
    """
    old = scored(before)
    new = scored(after)
    changed = []
    same = []
    refused = {}
    for cell in (name for name in new if name in old):
        try:
            then = asked(cell, before)
            now = asked(cell, after)
            found = change(
                cell,
                by_question(then, old[cell]["correct"]),
                by_question(now, new[cell]["correct"]),
                now.clusters,
            )
        except ValueError as error:
            refused[cell] = str(error)
            continue
        if found.gained or found.lost:
            changed.append(found)
        else:
            same.append(cell)
    return changed, same, refused


def verdicts(changed: list[Change]) -> list[tuple[float, str]]:
    """Per change its corrected p, and a word for it that the test supports."""
    families: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, one in enumerate(changed):
        families[one.family].append(place)
    corrected = [1.0] * len(changed)
    for places in families.values():
        for place, p in zip(places, holm([changed[place].p for place in places]), strict=True):
            corrected[place] = p
    words = [
        ("better" if one.after > one.before else "worse") if p < LEVEL else "no difference shown"
        for one, p in zip(changed, corrected, strict=True)
    ]
    return list(zip(corrected, words, strict=True))


def cell_table(changed: list[Change]) -> list[list[str]]:
    rows = []
    for one, (p, word) in zip(changed, verdicts(changed), strict=True):
        moved = points(one.after - one.before)
        interval = f"{reach(one.interval)} over {one.interval.over}"
        numbers = [f"{100 * one.before:.1f}", f"{100 * one.after:.1f}", moved, interval, p_text(p), word]
        rows.append([one.cell, str(one.n), *numbers, f"+{len(one.gained)} -{len(one.lost)}"])
    return [["cell", "n", "before", "after", "points", "interval", "p", "verdict", "questions"], *rows]


def named(ids: list[str]) -> str:
    return ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")


def tables(before: Files, after: Files) -> dict[str, list[list[str]]]:
    """The whole comparison: title -> header and rows."""
    changed, same, refused = changes(before, after)
    old = scored(before)
    new = scored(after)
    alone = [
        [cell, side]
        for side, here, there in (("before", old, new), ("after", new, old))
        for cell in here
        if cell not in there
    ]
    questions = [[one.cell, named(one.gained), named(one.lost)] for one in changed]
    counts: dict[str, Collection[object]] = {
        "changed": changed,
        "same right answers": same,
        "only on one side": alone,
        "not compared": refused,
    }
    return {
        "Cells": [[*counts], [str(len(some)) for some in counts.values()]],
        "Accuracy of the changed cells": cell_table(changed),
        "Questions": [["cell", "gained", "lost"], *questions],
        "Cells on one side": [["cell", "only"], *alone],
        "Cells not compared": [["cell", "because"], *([cell, reason] for cell, reason in refused.items())],
        "Data and costs": data_table(before, after),
        "Parameters": params_table(before, after),
    }


def shown(table: list[list[str]]) -> str:
    """A Markdown table of at most LONGEST characters, its header and first row apart, that says how many rows
    it leaves out.
    """
    safe = [[text.replace("|", "\\|").replace("\n", " ") for text in row] for row in table]
    ends = accumulate(len(" | ".join(row)) + 5 for row in safe)
    fits = max(2, sum(end <= LONGEST for end in ends))
    more = len(table) - fits
    return markdown(safe[:fits]) + (f"\nand {more} more rows\n" if more > 0 else "")


def show(title: str, table: list[list[str]]) -> None:
    """Print it without lines; the name of a cell is what tells rows apart and is never cut."""
    first, *others = table[0]
    columns = (
        Column(first, overflow="fold", min_width=18),
        *(Column(name, overflow="fold") for name in others),
    )
    printed = Table(*columns, title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for row in table[1:]:
        printed.add_row(*map(escape, row))
    Console().print(printed, "")


def main(
    before: Annotated[
        str, typer.Argument(metavar="REV", help="A Git revision: HEAD~1, main, origin/main, ...")
    ],
    after: Annotated[
        str | None, typer.Argument(metavar="REV", help="Another one; the working tree if left out.")
    ] = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a pull request's comment.")
    ] = False,
) -> None:
    """Say what moved between two revisions, and whether a test supports it."""
    found = tables(at_revision(before), at_revision(after) if after else in_working_tree())
    if as_markdown:
        typer.echo(f"### {before} against {after or 'the working tree'}\n")
    for title, table in found.items():
        if len(table) == 1:  # nothing moved
            continue
        if as_markdown and title in FOLDED:
            typer.echo(f"<details><summary>{title}</summary>\n\n{shown(table)}\n</details>\n")
        elif as_markdown:
            typer.echo(f"#### {title}\n\n{shown(table)}")
        else:
            show(title, table)
    typer.echo(NOTE)


if __name__ == "__main__":
    run(main)
