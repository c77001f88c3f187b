"""Our numbers for a paper's tables: the results that match a pattern, averaged over seeds, with n and
interval.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from stages.reporting.settings import AXES, Result, departures, standing
from stages.reporting.spec import Column, Item, Pattern, Row, exact, options, several
from stages.results.statistics import spread, wilson

COUNTS = {  # a rate's field -> the field with the number of questions behind it
    **dict.fromkeys(
        ("accuracy", "lenient_accuracy", "majority_accuracy", "accuracy_best_test_epoch", "completion_rate"),
        "n",
    ),
    **{"teacher_accuracy": "teacher_n", "teacher_accuracy_whole": "teacher_n_whole", "consistency": "pairs"},
}
# between 0 and 1 (-1 and 1): shown in %
SHARES = {*COUNTS, "chance", "train_prior", "teacher_accuracy_train", "las"}
KEPT = "kept as "  # and the names of summaries under metrics/released


@dataclass(frozen=True)
class Value:
    """A number in the table's unit, with the ends of its 95 % interval and the number of questions where it
    has them, and its spread over seeds.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    seeds: int = 1
    sd: float | None = None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Line:
    """One line of a table: what is printed, or what is ours."""

    name: str
    ours: bool
    values: list[Value | None]
    departs: tuple[str, ...] = ()  # from the paper's own setting: axes, epochs, ...

    @property
    def deviations(self) -> str:
        return "; ".join(self.departs)

    @property
    def title(self) -> str:
        return f"{self.name} ({self.deviations})" if self.departs else self.name


def lets_in(names: str | list[str], name: str) -> bool:
    """Whether a pattern lets a name in. "*" is any name; having none, as a baseline has no teacher, is
    written ""; "!NAME" shuts one out.
    """
    wanted = options(names)
    return f"!{name}" not in wanted and any(
        fnmatchcase(name, one) and bool(name) == bool(one) for one in wanted
    )


def matches(result: Result, pattern: Pattern) -> bool:
    return all(lets_in(names, result[axis]) for axis, names in pattern.items())


def first(group: list[Result], where: Pattern) -> list[Result]:
    """Of results that a column's lists of names let in, those of the names that come first."""
    ranks = [[options(names).index(result[axis]) for axis, names in where.items()] for result in group]
    return [result for result, rank in zip(group, ranks, strict=True) if rank == min(ranks)]


def number(result: Result, field: str) -> float | None:
    """A field by its path, the sum of several joined by +; None where a part is absent."""
    total = 0.0
    for path in field.split("+"):
        value: Any = result
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            return None
        total += value
    return total


def count(result: Result, field: str) -> int | None:
    """The number of questions behind a rate, None for what is none."""
    found = number(
        result, re.sub(r"accuracy$", "n", field) if field.endswith(".accuracy") else COUNTS.get(field, "-")
    )
    return None if found is None else int(found)


def value(group: list[Result], field: str, once: bool) -> Value | None:
    """The mean of a field over a group's seeds (`once`: the first one's, where all say the same), in the unit
    shown.
    """
    found = [one for result in group if (one := number(result, field)) is not None]
    if not found:
        return None
    found = found[:1] if once else found
    over = spread(found)
    n = count(group[0], field)
    scale = 100 if field in SHARES or field.endswith(".accuracy") else 1
    ends = (
        [number(group[0], f"{field}_{end}") for end in ("low", "high")] if len(found) == 1 else [None, None]
    )
    low, high = wilson(over["mean"] * n, n) if n else ends
    seeds = 1 if once else max(len(found), *(int(result.get("n_seeds", 1)) for result in group))
    # a kept summary has its seeds' spread alone
    several_seeds = over if len(found) > 1 else group[0] if seeds > 1 and field == "accuracy" else {}
    shown = [low, high, *(several_seeds.get(name) for name in ("sd", "min", "max"))]
    first, last, sd, least, most = (None if one is None else scale * one for one in shown)
    return Value(scale * over["mean"], first, last, n, seeds, sd, least, most)


def deviation(axis: str, pattern: str | list[str] | None, name: str) -> str:
    """How a line's axis departs from the paper's: "" where it does not."""
    own = options(pattern)[0] if pattern is not None else "*"
    if own == name or (not name and own == "*"):
        return ""
    return (
        f"{axis} {name or 'none'}"
        if several(own) or own in ("", "-")
        else f"{axis} {name or 'none'}, not {own}"
    )


def told(
    row: Row, item: Item, panel: Pattern, column: Column, pools: dict[str, list[Result]]
) -> dict[tuple[str, ...], list[Result]]:
    """A column's results of ours, by what departs from the paper, in words: what neither panel nor column
    says in full, and the settings.
    """
    kind = row.results or item.results
    places = {**panel, **column.where}
    patterns = {
        **({"target": ""} if kind == "cells" else {}),
        **item.where,
        **panel,
        **(row.ours or {}),
        **column.where,
    }
    fixed = {axis: names for axis, names in places.items() if exact(names)}
    telling = [
        axis for axis in AXES if axis not in fixed and (row.by is None or axis in row.by or axis in places)
    ]
    groups: dict[tuple[str, ...], list[Result]] = {}
    for one in standing([result for result in pools[kind] if matches(result, patterns)], item.presets):
        words = [deviation(axis, patterns.get(axis), one[axis]) for axis in telling] + departures(
            one, item.settings, row.by is None
        )
        groups.setdefault(tuple(filter(None, words)), []).append(one)
    return {words: first(group, fixed) for words, group in groups.items()}


def our_lines(name: str, row: Row, item: Item, panel: Pattern, pools: dict[str, list[Result]]) -> list[Line]:
    """Our lines under a printed one: one for each setting that matches, told apart by what departs from the
    paper.
    """
    groups: dict[tuple[str, ...], dict[str, list[Result]]] = {}
    for title, column in item.columns.items() if row.ours is not None else ():
        for words, results in () if column.mean_of else told(row, item, panel, column, pools).items():
            groups.setdefault(words, {})[title] = results
    lines = []
    for words, columns in groups.items():
        values = {
            title: cell(item, row, column, columns.get(title, [])) for title, column in item.columns.items()
        }
        means = {
            title: mean_of([values[one] for one in column.mean_of])
            for title, column in item.columns.items()
            if column.mean_of
        }
        kept = sorted(
            {one["kept"] for group in columns.values() for one in group if "kept" in one and row.by is None}
        )
        if any(values.values()):
            lines.append(
                Line(
                    as_ours(name),
                    True,
                    list({**values, **means}.values()),
                    (*words, *([f"{KEPT}{', '.join(kept)}"] if kept else [])),
                )
            )
    return lines


def as_ours(name: str) -> str:
    """A row's name for our line of it; some say already that they are ours alone."""
    return name if name.endswith("(ours)") else f"{name}, ours"


def cell(item: Item, row: Row, column: Column, group: list[Result]) -> Value | None:
    return value(group, row.field or column.field or item.field, row.by is not None)


def mean_of(values: list[Value | None]) -> Value | None:
    """The unweighted mean of several columns, without interval; None where one is missing."""
    known = [one.value for one in values if one]
    return Value(sum(known) / len(known)) if known and len(known) == len(values) else None
