"""Our numbers for a paper's tables: the results under metrics/, and those that match a pattern, averaged over seeds, with n and interval."""

import csv
import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from stages.config.run import axes
from stages.report_spec import Column, Item, Pattern, Row, options
from stages.statistics import spread, wilson

AXES = ("dataset", "split", "teacher", "curation", "method", "student", "target")
NAMES = {"splits": AXES[:2], "funnels": AXES[:4]}  # the axes in a file's name; of cells, `axes` reads them
TELLING = ("dataset", "split", "teacher", "curation", "method", "student", "target")  # what tells our lines apart unless the row says less
COUNTS = {  # a rate's field -> the field with the number of questions behind it
    **dict.fromkeys(("accuracy", "lenient_accuracy", "majority_accuracy", "accuracy_best_test_epoch", "completion_rate"), "n"),
    **{"teacher_accuracy": "teacher_n", "teacher_accuracy_whole": "teacher_n_whole"},
}
SHARES = {*COUNTS, "chance", "train_prior", "teacher_accuracy_train", "las", "consistency"}  # between 0 and 1 (-1 and 1): shown in %
Result = dict[str, Any]  # axes, and the numbers of a file


@dataclass(frozen=True)
class Value:
    """A number in the table's unit, with the ends of its 95 % interval and the number of questions where it has them."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    seeds: int = 1
    sd: float = 0.0


@dataclass(frozen=True)
class Line:
    """One line of a table: what is printed, or what is ours."""

    name: str
    ours: bool
    values: list[Value | None]
    deviations: str = ""  # from the paper's own setting, by axis


def placed(names: tuple[str, ...], stem: str) -> dict[str, str]:
    return dict.fromkeys(AXES, "") | dict(zip(names, stem.split("-"), strict=False))


def released(path: Path) -> list[Result]:
    """The cells of a summary that was kept (metrics/released), transfers too: accuracy, n and seeds alone."""
    found: list[Result] = []
    for place, labels in json.loads(path.read_text(encoding="utf-8")).items():
        dataset, _, split = place.removesuffix(", transfers").partition("-")
        if dataset == "average":
            continue
        for label, scores in labels.items():
            method, _, corpus = label.removesuffix(")").partition(" (")
            teacher, curation, student = ["", "", *corpus.split("/")][-3:]
            at = dict(zip(AXES, (dataset, split, teacher, curation, method, student, ""), strict=True)) | {"kept": path.stem}
            targets = (
                {name: one for name, one in scores.items() if name not in (dataset, "OOD", "AVERAGE")}
                if place.endswith(", transfers")
                else {"": scores}
            )
            found += [{**at, "target": target, **one} for target, one in targets.items() if target not in (dataset, "OOD", "AVERAGE")]
    return found


def dollars(path: Path) -> dict[str, float]:
    """What a cell's training data cost (cost_accuracy.csv), where that is known."""
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if path.exists() else []
    return {row["cell"]: float(row["dollars"]) for row in rows if row["dollars"]}


def read_results(metrics: Path) -> dict[str, list[Result]]:
    """Everything that tables are made of, by the kind that an item asks for. A kept summary counts only where no cell says the same."""
    pools: dict[str, list[Result]] = {}
    costs = dollars(metrics / "cost_accuracy.csv")
    for kind, names in NAMES.items():
        pools[kind] = [{**placed(names, path.stem), **json.loads(path.read_text())} for path in sorted((metrics / kind).glob("*.json"))]
    for kind, folders in (("cells", ("cells", "transfers")), ("las", ("las",))):
        paths = [path for folder in folders for path in sorted((metrics / folder).glob("*.json"))]
        pools[kind] = [{**json.loads(path.read_text()), **axes(path.stem), "dollars": costs.get(path.stem)} for path in paths]
    here = {tuple(one[axis] for axis in AXES) for one in pools["cells"]}
    for path in sorted((metrics / "released").glob("*.json")):
        kept = [one for one in released(path) if tuple(one[axis] for axis in AXES) not in here]
        pools["cells"] += kept
        here |= {tuple(one[axis] for axis in AXES) for one in kept}
    return pools


def matches(result: Result, pattern: Pattern) -> bool:
    """Whether every axis has a name that the pattern lets in. "*" is any name; having none, as a baseline has no teacher, is written ""."""
    return all(any(fnmatchcase(result[axis], one) and bool(result[axis]) == bool(one) for one in options(wanted)) for axis, wanted in pattern.items())


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
    found = number(result, re.sub(r"accuracy$", "n", field) if field.endswith(".accuracy") else COUNTS.get(field, "-"))
    return None if found is None else int(found)


def value(group: list[Result], field: str, once: bool) -> Value | None:
    """The mean of a field over a group's seeds (`once`: the first one's, where all say the same), in the unit shown."""
    found = [one for result in group if (one := number(result, field)) is not None]
    if not found:
        return None
    found = found[:1] if once else found
    share = field in SHARES or field.endswith(".accuracy")
    over, n, scale = spread(found), count(group[0], field), 100 if share else 1
    ends = [number(group[0], f"{field}_{end}") for end in ("low", "high")] if len(found) == 1 else [None, None]
    low, high = wilson(over["mean"] * n, n) if n else ends
    seeds = max(len(found), *(int(result.get("n_seeds", 1)) for result in group))
    first, last = (None if end is None else scale * end for end in (low, high))
    kept_sd = group[0].get("sd", 0.0) if field == "accuracy" else 0.0  # a kept summary has its seeds' mean alone
    return Value(scale * over["mean"], first, last, n, 1 if once else seeds, scale * (over["sd"] if len(found) > 1 else kept_sd))


def deviation(axis: str, pattern: str | list[str] | None, name: str) -> str:
    """How a line's axis departs from the paper's: "" where it does not."""
    own = options(pattern)[0] if pattern is not None else "*"
    if own == name or (not name and own == "*"):
        return ""
    return f"{axis} {name or 'none'}" if any(sign in own for sign in "*?") or own in ("", "-") else f"{axis} {name or 'none'}, not {own}"


def our_lines(name: str, row: Row, item: Item, panel: Pattern, pools: dict[str, list[Result]]) -> list[Line]:
    """Our lines under a printed one: one for each setting that matches, told apart by what neither row nor column fixes."""
    if row.ours is None:
        return []
    fixed = {axis for column in item.columns.values() for axis in column.where} | panel.keys()
    telling = [axis for axis in (TELLING if row.by is None else row.by) if axis not in fixed]
    patterns = {**item.where, **panel, **row.ours}
    groups: dict[tuple[str, ...], dict[str, list[Result]]] = {}
    for title, column in item.columns.items():
        if column.mean_of:
            continue
        kind = row.results or item.results
        pattern = {**({"target": ""} if kind == "cells" else {}), **patterns, **column.where}
        for result in (one for one in pools[kind] if matches(one, pattern)):
            groups.setdefault(tuple(result[axis] for axis in telling), {}).setdefault(title, []).append(result)
    lines = []
    for key, columns in groups.items():
        values = {title: cell(item, row, column, first(columns.get(title, []), {**panel, **column.where})) for title, column in item.columns.items()}
        means = {title: mean_of([values[one] for one in column.mean_of]) for title, column in item.columns.items() if column.mean_of}
        kept = sorted({f"kept as {one['kept']}" for group in columns.values() for one in group if "kept" in one and row.by is None})
        named = [text for axis, at in zip(telling, key, strict=True) if (text := deviation(axis, patterns.get(axis), at))]
        if any(values.values()):
            lines.append(Line(f"{name}, ours", True, list({**values, **means}.values()), "; ".join([*named, *kept])))
    return lines


def cell(item: Item, row: Row, column: Column, group: list[Result]) -> Value | None:
    return value(group, row.field or column.field or item.field, row.by is not None)


def mean_of(values: list[Value | None]) -> Value | None:
    """The unweighted mean of several columns, without interval; None where one is missing."""
    known = [one.value for one in values if one]
    return Value(sum(known) / len(known)) if known and len(known) == len(values) else None
