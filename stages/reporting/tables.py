"""Tables: a paper's items with what is printed and ours under it, and the shares that cannot be.

A share of n questions is a multiple of 1/n: a printed percentage that is none was not counted on those n.
"""

from dataclasses import dataclass
from typing import NamedTuple

from stages.reporting.lines import Line, as_ours, our_lines
from stages.reporting.pools import LINE_AXES, Result
from stages.reporting.spec import Column, Item, Paper, PrintedRow, printed_numbers
from stages.reporting.values import Value

TIGHT = "\N{NO-BREAK SPACE}"
GUESSES = ("chance", "train_prior")  # expected values, no counts


@dataclass(frozen=True)
class Panel:
    title: str  # "" for an item without panels
    columns: list[str]
    lines: list[Line]


class Share(NamedTuple):
    """A printed percentage of the n questions of its column."""

    row: str
    column: str
    percent: float


def row_lines(
    name: str, row: PrintedRow, item: Item, panel: str, pools: dict[str, list[Result]]
) -> list[Line]:
    """The printed line where there is one, then ours; an empty one where ours could stand and does not."""
    printed = printed_numbers(row, panel)
    lines = [Line(name, False, [None if one is None else Value(one) for one in printed])] if printed else []
    ours = our_lines(name, row, item, item.panels.get(panel, {}), pools)
    if row.ours is not None and not ours:
        ours = [Line(as_ours(name), True, [None] * len(item.columns), ("not run",))]
    return lines + ours


def item_panels(item: Item, pools: dict[str, list[Result]]) -> list[Panel]:
    return [
        Panel(
            panel,
            list(item.columns),
            [line for name, row in item.rows.items() for line in row_lines(name, row, item, panel, pools)],
        )
        for panel in item.panels or ([""] if item.rows else [])
    ]


def count_ours(panels: list[Panel]) -> tuple[int, int]:
    """How many values are ours, and how many lines of ours have none."""
    ours = [line for panel in panels for line in panel.lines if line.ours]
    filled = sum(one is not None for line in ours for one in line.values)
    return filled, sum(not any(line.values) for line in ours)


def seeds_text(one: Value) -> str:
    """ ", 3 seeds, sd 2.1, 50.0-56.7", as far as it is known; nothing for one seed."""
    sd = "" if one.sd is None else f", sd {one.sd:.1f}"
    ends = "" if one.least is None or one.most is None else f", {one.least:.1f}-{one.most:.1f}"
    return f", {one.seeds} seeds{sd}{ends}" if one.seeds > 1 else ""


def printed_text(one: Value, item: Item) -> str:
    """As printed; a mean may have a decimal more than its columns (CasCoD Table 2)."""
    decimals = len(repr(one.value).partition(".")[2].rstrip("0"))
    return f"{one.value:,.{max(item.decimals, decimals)}f}"


def our_text(one: Value, item: Item, column: Column) -> str:
    """With half the 95 % interval, n, and what seeds make of it."""
    half = "" if one.low is None or one.high is None else f"{TIGHT}±{(one.high - one.low) / 2:.1f}"
    other = f", paper {column.n:,}" if column.n and one.n and column.n != one.n else ""
    n = f" (n{TIGHT}{one.n:,}{other})" if one.n else ""
    return f"{one.value:,.{min(1, item.decimals)}f}{half}{n}{seeds_text(one)}"


def line_texts(item: Item, line: Line) -> list[str]:
    """A line's cells; "" where it has no value."""
    columns = zip(line.values, item.columns.values(), strict=True)
    if line.ours:
        return [our_text(one, item, column) if one else "" for one, column in columns]
    return [printed_text(one, item) if one else "" for one, _ in columns]


def is_possible(percent: float, n: int, decimals: int) -> bool:
    """Whether some whole number of n questions is `percent` when printed with so many decimals.

    A tie may have been rounded to either side.
    """
    if n < 1:
        raise ValueError(f"a share of {n} questions: wanted at least one")
    _, closest = nearest_share(percent, n)
    return abs(closest - percent) <= 0.5 / float(10**decimals) + 1e-9


def nearest_share(percent: float, n: int) -> tuple[int, float]:
    """The whole number of n questions that comes closest, and its percentage."""
    right = round(percent * n / 100)
    return right, 100 * right / n


def fitting_counts(percents: list[float], n: int, decimals: int, lost: int = 10) -> list[int]:
    """The numbers of questions just below n that allow all of these percentages, at most `lost` fewer.

    So many rows may have gone missing.
    """
    return [
        fewer
        for fewer in range(n - 1, max(0, n - lost - 1), -1)
        if all(is_possible(one, fewer, decimals) for one in percents)
    ]


def printed_shares(item: Item) -> list[Share]:
    """Everything printed that must be a share of the paper's n questions."""
    if item.unit != "accuracy in %":
        return []
    return [
        Share(name, title, percent)
        for name, row in item.rows.items()
        if row.field not in GUESSES
        for panel in item.panels or [""]
        for (title, column), percent in zip(item.columns.items(), printed_numbers(row, panel), strict=False)
        if percent is not None and column.n
    ]


def impossible_row(share: Share, wrong: list[Share], item: Item) -> list[str]:
    """One of an item's `wrong` shares, what is closest, and what n allows all of its method's in a column."""
    column = item.columns[share.column]
    n = column.n or 0
    right, closest = nearest_share(share.percent, n)
    method = share.row.split()[0]
    alike = [one.percent for one in wrong if one.column == share.column and one.row.split()[0] == method]
    fits = fitting_counts(alike, n, item.decimals)[:3]
    if column.whole and is_possible(share.percent, column.whole, item.decimals):
        fits.append(column.whole)
    printed = f"{share.percent:.{item.decimals}f}"
    nearest = f"{right:,} of {n:,} is {closest:.{item.decimals + 1}f}"
    return [item.title, share.row, share.column, printed, nearest, ", ".join(f"{one:,}" for one in fits)]


def impossible_printed(paper: Paper) -> tuple[int, list[list[str]]]:
    """The number of printed shares looked at, and a table of those that no number of questions gives."""
    looked = 0
    table = [["item", "row", "column", "printed", "closest", "n that would do"]]
    for item in paper.items.values():
        shares = printed_shares(item)
        looked += len(shares)
        n_of = {title: column.n or 0 for title, column in item.columns.items()}
        wrong = [one for one in shares if not is_possible(one.percent, n_of[one.column], item.decimals)]
        table += [impossible_row(one, wrong, item) for one in wrong]
    return looked, table


def impossible_ours(results: list[Result]) -> tuple[int, list[str]]:
    """The number of our accuracies looked at, and the names of those that no number of right answers gives.

    Accuracies are kept with 4 decimals: a mean over seeds of such is off by twice as much.
    """
    looked = 0
    wrong = []
    for one in results:
        answers = int(one.get("n", 0)) * int(one.get("samples", 1)) * int(one.get("n_seeds", 1))
        if not answers or "accuracy" not in one:
            continue
        looked += 1
        ends = (-0.005, 0.0, 0.005) if one.get("n_seeds", 1) > 1 else (0.0,)
        if not any(is_possible(100 * one["accuracy"] + end, answers, 2) for end in ends):
            wrong.append("-".join(one[axis] for axis in LINE_AXES if one.get(axis)))
    return looked, wrong
