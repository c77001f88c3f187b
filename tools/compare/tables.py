"""Tables: a comparison of two revisions, as Markdown for a pull request's comment."""

import re
from collections.abc import Sized
from itertools import accumulate

from stages.results import tables as plain
from stages.results.paired import interval_text, p_text, points_text
from stages.results.revisions import Files, data_table, params_table
from tools.compare.changes import Change, changes, scored_cells, verdicts

# Characters of a table: a comment at GitHub may have 65,536, and DVC's table of metrics follows.
LONGEST = 6000
NAMED = 20  # question ids listed of those gained, and of those lost
TAG = re.compile(r"<(?=[A-Za-z/!?])")  # no other one begins HTML: "p < 0.05" stays
Table = list[list[str]]  # header and rows


def cell_table(changed: list[Change]) -> Table:
    rows = []
    for change, (p, word) in zip(changed, verdicts(changed), strict=True):
        moved = points_text(change.after - change.before)
        interval = f"{interval_text(change.interval)} over {change.interval.over}"
        shares = [f"{100 * share:.1f}" for share in (change.before, change.after)]
        questions = f"+{len(change.gained)} -{len(change.lost)}"
        rows.append([change.cell, str(change.n), *shares, moved, interval, p_text(p), word, questions])
    return [["cell", "n", "before", "after", "points", "interval", "p", "verdict", "questions"], *rows]


def list_ids(ids: list[str]) -> str:
    return ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")


def tables(before: Files, after: Files) -> dict[str, Table]:
    """The whole comparison: title -> header and rows."""
    changed, same, refused = changes(before, after)
    old = scored_cells(before)
    new = scored_cells(after)
    alone = [[cell, "before"] for cell in old if cell not in new]
    alone += [[cell, "after"] for cell in new if cell not in old]
    questions = [[one.cell, list_ids(one.gained), list_ids(one.lost)] for one in changed]
    counts: dict[str, Sized] = {
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


def harmless(text: str) -> str:
    """What a pull request changed, as text in a table's cell: no HTML, no end of what is folded, nobody who
    is called by name.
    """
    named = TAG.sub("&lt;", text).replace("@", "@\N{ZERO WIDTH SPACE}")
    return named.replace("|", "\\|").replace("\n", " ")


def as_markdown(table: Table) -> str:
    """At most LONGEST characters, header and first row apart; says how many rows it leaves out."""
    safe = [[harmless(text) for text in row] for row in table]
    ends = accumulate(len(" | ".join(row)) + 5 for row in safe)
    fits = max(2, sum(end <= LONGEST for end in ends))
    more = len(table) - fits
    return plain.as_markdown(safe[:fits]) + (f"\nand {more} more rows\n" if more > 0 else "")
