"""Lines: our numbers under a printed row, one line for each way in which they depart from the paper's."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from stages.config.decoding import GREEDY
from stages.reporting.pools import LINE_AXES, Result
from stages.reporting.spec import (
    Column,
    Item,
    Made,
    Pattern,
    PrintedRow,
    is_exact,
    is_wild,
    matches,
    pattern_names,
)
from stages.reporting.values import Value, mean_of_columns, mean_over_seeds

KEPT = "kept as "  # and the names of runs under metrics/kept
# of cells and their LAS, where an item says nothing else: on their own test part, asked greedily
USUAL: Pattern = {"target": "", "decoding": [GREEDY, "*"]}
Words = tuple[str, ...]  # what departs from the paper's own setting: axes, epochs, ...


@dataclass(frozen=True)
class Line:
    """One line of a table: what is printed, or what is ours."""

    name: str
    ours: bool
    values: list[Value | None]
    departs: Words = ()

    @property
    def deviations(self) -> str:
        return "; ".join(self.departs)

    @property
    def title(self) -> str:
        return f"{self.name} ({self.deviations})" if self.departs else self.name


def axis_departure(axis: str, pattern: str | list[str] | None, name: str) -> str:
    """How a result departs from the paper's name on an axis, in words; "" where it does not."""
    own = "*" if pattern is None else pattern_names(pattern)[0]
    if own == name or (not name and own == "*"):
        return ""
    words = f"{axis} {name or 'none'}"
    return words if is_wild(own) or own in ("", "-") else f"{words}, not {own}"


def setting_departures(result: Result, paper: Made, trained: bool, decoding: str = "") -> list[str]:
    """What of a result's settings departs from the paper's, in words; nothing where either is unknown.

    `trained`: whether its student counts, and with it how that was trained and asked. `decoding`: what a row
    names; but for greedy, its L_p is in its name.
    """
    settings = result["settings"]
    student = result["student"]
    learns = settings.get("learns_from", {}).get(result["method"]) != "nothing"
    block = settings.get("students", {}).get(student, {}) if trained and learns else {}
    steps = block.get("max_steps")
    epochs = None if steps else block.get("epochs")
    printed = paper.epochs.get(student, paper.epochs.get("*"))
    asked = settings.get("decodings", {}).get(result["decoding"], {})
    named = result["decoding"] == decoding != GREEDY
    longest = asked.get("max_new_tokens") if trained and student and not named else None
    tasks = settings.get("subtasks", {}).get(result["dataset"])
    compared = [
        ("{} of {} subtasks", tasks and len(tasks), paper.subtasks.get(result["dataset"])),
        ("{} of {} other data sets", result.get("n_datasets"), paper.unseen),
        ("{} epochs, not {}", epochs, printed),
        ("{} steps, not {} epochs", steps, printed),
        ("L_p {}, not {}", longest, paper.max_new_tokens),
    ]
    return [
        words.format(ours, theirs)
        for words, ours, theirs in compared
        if ours is not None and theirs is not None and ours != theirs
    ]


Rank = tuple[bool, bool, bool, str]


def rank(result: Result, presets: Collection[str]) -> Rank:
    """Least first: the tree's own, kept runs of the item's presets (any grid and size), others; by name. Last
    what another run left in the tree: nothing says what made it.
    """
    preset = result["settings"].get("preset", result.get("kept", ""))
    own = any(preset == one or preset.startswith(f"{one}_") for one in presets)
    kept = "kept" in result
    return not (kept or result["settings"]), kept, not own, result.get("kept", "")


def that_stand(results: Sequence[Result], presets: Collection[str]) -> list[Result]:
    """Of results on the same axes those that stand in an item: all of the tree's own, or one kept run's."""
    least: dict[Words, Rank] = {}
    places = [tuple(result[axis] for axis in LINE_AXES) for result in results]
    ranks = [rank(result, presets) for result in results]
    for place, its_rank in zip(places, ranks, strict=True):
        least[place] = min(least.get(place, its_rank), its_rank)
    return [
        result
        for result, place, its_rank in zip(results, places, ranks, strict=True)
        if its_rank == least[place]
    ]


def first_named(group: list[Result], exact: Pattern) -> list[Result]:
    """Of results that a column's lists of names let in, those of the names that come first."""
    ranks = [[pattern_names(names).index(result[axis]) for axis, names in exact.items()] for result in group]
    return [result for result, its_rank in zip(group, ranks, strict=True) if its_rank == min(ranks)]


def of_teachers(pattern: Pattern) -> Pattern:
    """Where the appraisal of a teacher stands: it learned nothing, so what is asked is its data set."""
    asked = {"dataset": pattern.get("target") or pattern.get("dataset"), "teacher": pattern.get("teacher")}
    return {axis: names for axis, names in asked.items() if names}


def column_results(
    row: PrintedRow, item: Item, panel: Pattern, column: Column, pools: dict[str, list[Result]]
) -> dict[Words, list[Result]]:
    """A column's results of ours, by what departs from the paper: settings, and axes that are not given.

    An axis is given where panel or column says it in full.
    """
    kind = row.results or item.results
    usual: Pattern = USUAL if kind in ("cells", "las") else {}
    places = {**panel, **column.where}
    pattern = {**usual, **item.where, **panel, **(row.ours or {}), **column.where}
    if kind == "appraisals":
        places, pattern = of_teachers(places), of_teachers(pattern)
    named = pattern_names((row.ours or {}).get("decoding", ""))[0]
    given = {axis: names for axis, names in places.items() if is_exact(names)}
    telling = [
        axis
        for axis in LINE_AXES
        if axis not in given and (row.by is None or axis in row.by or axis in places)
    ]
    groups: dict[Words, list[Result]] = defaultdict(list)
    for result in that_stand([one for one in pools[kind] if matches(one, pattern)], item.presets):
        words = [axis_departure(axis, pattern.get(axis), result[axis]) for axis in telling]
        words += setting_departures(result, item.settings, trained=row.by is None, decoding=named)
        groups[tuple(filter(None, words))].append(result)
    return {words: first_named(group, given) for words, group in groups.items()}


def our_line(
    name: str, row: PrintedRow, item: Item, departs: Words, columns: dict[str, list[Result]]
) -> Line:
    """The line of the results that depart alike; `columns` has some of the item's columns."""
    values = {
        title: mean_over_seeds(
            columns.get(title, []), row.field or column.field or item.field, alike=row.by is not None
        )
        for title, column in item.columns.items()
    }
    means = {
        title: mean_of_columns([values[one] for one in column.mean_of])
        for title, column in item.columns.items()
        if column.mean_of
    }
    if row.by is None:
        results = [result for group in columns.values() for result in group]
        kept = sorted({result["kept"] for result in results if "kept" in result})
        departs += (KEPT + ", ".join(kept),) if kept else ()
    return Line(as_ours(name), True, [*{**values, **means}.values()], departs)


def our_lines(
    name: str, row: PrintedRow, item: Item, panel: Pattern, pools: dict[str, list[Result]]
) -> list[Line]:
    """Our lines under a printed one: one for each setting that matches and has a number."""
    if row.ours is None:
        return []
    by_words: dict[Words, dict[str, list[Result]]] = defaultdict(dict)
    for title, column in item.columns.items():
        if not column.mean_of:
            for words, results in column_results(row, item, panel, column, pools).items():
                by_words[words][title] = results
    lines = [our_line(name, row, item, words, columns) for words, columns in by_words.items()]
    return [line for line in lines if any(line.values)]


def as_ours(name: str) -> str:
    """A row's name for our line of it; some say already that they are ours alone."""
    return name if name.endswith("(ours)") else f"{name}, ours"
