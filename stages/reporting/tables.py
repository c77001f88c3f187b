"""A paper's items as tables: what is printed, ours under it, and the printed numbers that no count of
questions allows.
"""

from dataclasses import dataclass

from stages.reporting.granularity import fitting, nearest, possible
from stages.reporting.results import Line, Value, as_ours, our_lines
from stages.reporting.settings import Result
from stages.reporting.spec import Column, Item, Paper, Row, printed

TIGHT = "\N{NO-BREAK SPACE}"
GUESSES = ("chance", "train_prior")  # expected values, no counts


@dataclass(frozen=True)
class Panel:
    title: str  # "" for an item without panels
    columns: list[str]
    lines: list[Line]


def lines_of(name: str, row: Row, item: Item, panel: str, pools: dict[str, list[Result]]) -> list[Line]:
    """The printed line where there is one, then ours; where ours could stand and does not, an empty line that
    says so.
    """
    theirs = printed(row, panel)
    lines = [Line(name, False, [None if one is None else Value(one) for one in theirs])] if theirs else []
    found = our_lines(name, row, item, item.panels.get(panel, {}), pools)
    if row.ours is not None and not found:
        found = [Line(as_ours(name), True, [None] * len(item.columns), ("not run",))]
    return lines + found


def panels_of(item: Item, pools: dict[str, list[Result]]) -> list[Panel]:
    return [
        Panel(
            panel,
            list(item.columns),
            [line for name, row in item.rows.items() for line in lines_of(name, row, item, panel, pools)],
        )
        for panel in item.panels or ([""] if item.rows else [])
    ]


def filled(panels: list[Panel]) -> tuple[int, int]:
    """How many values are ours, and how many lines of ours have none."""
    ours = [line for panel in panels for line in panel.lines if line.ours]
    return sum(one is not None for line in ours for one in line.values), sum(
        not any(line.values) for line in ours
    )


def text(one: Value | None, line: Line, item: Item, column: Column) -> str:
    """A cell: printed numbers as printed; ours with half the 95 % interval, n, and what seeds make of it."""
    if one is None:
        return ""
    if not line.ours:
        # a mean may have a decimal more than its columns (CasCoD Table 2)
        finer = len(repr(one.value).partition(".")[2].rstrip("0"))
        return f"{one.value:,.{max(item.decimals, finer)}f}"
    half = "" if one.low is None or one.high is None else f"{TIGHT}±{(one.high - one.low) / 2:.1f}"
    other = f", paper {column.n:,}" if column.n and one.n and column.n != one.n else ""
    n = f" (n{TIGHT}{one.n:,}{other})" if one.n else ""
    return f"{one.value:,.{min(1, item.decimals)}f}{half}{n}{seeds(one)}"


def seeds(one: Value) -> str:
    """ ", 3 seeds, sd 2.1, 50.0-56.7", as far as it is known; nothing for one seed."""
    sd = "" if one.sd is None else f", sd {one.sd:.1f}"
    ends = "" if one.least is None or one.most is None else f", {one.least:.1f}-{one.most:.1f}"
    return f", {one.seeds} seeds{sd}{ends}" if one.seeds > 1 else ""


def cells(item: Item, line: Line) -> list[str]:
    return [
        text(one, line, item, column) for one, column in zip(line.values, item.columns.values(), strict=True)
    ]


def rates(item: Item) -> list[tuple[str, str, float]]:
    """(row, column, printed percentage) of everything that must be a share of the paper's n questions."""
    counted = {
        name: row
        for name, row in item.rows.items()
        if row.field not in GUESSES and item.unit == "accuracy in %"
    }
    columns = list(item.columns.items())
    return [
        (name, title, one)
        for name, row in counted.items()
        for panel in item.panels or [""]
        for (title, column), one in zip(columns, printed(row, panel), strict=False)
        if one is not None and column.n
    ]


def impossible(paper: Paper) -> tuple[int, list[list[str]]]:
    """The number of printed shares looked at, and a table of those that no whole number of the paper's n
    questions gives.
    """
    looked = 0
    rows = []
    for item in paper.items.values():
        found = rates(item)
        looked += len(found)
        wrong = [one for one in found if not possible(one[2], item.columns[one[1]].n or 0, item.decimals)]
        for row, title, percent in wrong:
            column = item.columns[title]
            n = column.n or 0
            method = row.split()[0]
            right, share = nearest(percent, n)
            fits = fitting(
                [one[2] for one in wrong if one[1] == title and one[0].split()[0] == method], n, item.decimals
            )[:3]
            if column.whole and possible(percent, column.whole, item.decimals):
                fits.append(column.whole)
            closest = f"{right:,} of {n:,} is {share:.{item.decimals + 1}f}"
            rows.append(
                [
                    item.title,
                    row,
                    title,
                    f"{percent:.{item.decimals}f}",
                    closest,
                    ", ".join(f"{one:,}" for one in fits),
                ]
            )
    return looked, [["item", "row", "column", "printed", "closest", "n that would do"], *rows]


def impossible_ours(results: list[Result]) -> tuple[int, list[str]]:
    """The number of our accuracies looked at, and the names of those that no whole number of right answers
    gives (4 decimals are kept).
    """
    looked = 0
    wrong = []
    for one in results:
        answers = int(one.get("n", 0)) * int(one.get("samples", 1)) * int(one.get("n_seeds", 1))
        if answers and "accuracy" in one:
            looked += 1
            # a mean of rounded shares is off by twice as much
            ends = (-0.005, 0.0, 0.005) if one.get("n_seeds", 1) > 1 else (0.0,)
            if not any(possible(100 * one["accuracy"] + end, answers, 2) for end in ends):
                wrong.append(
                    "-".join(
                        one[axis]
                        for axis in ("dataset", "split", "teacher", "curation", "method", "student", "target")
                        if one[axis]
                    )
                )
    return looked, wrong
