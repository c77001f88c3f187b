"""Values: a field of our results as a number of a table, averaged over seeds, with n and interval."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from stages.reporting.pools import Result
from stages.results.statistics import spread, wilson

COUNTS = {  # a rate's field -> the field with the number of questions behind it
    "accuracy": "n",
    "lenient_accuracy": "n",
    "majority_accuracy": "n",
    "accuracy_best_test_epoch": "n",
    "completion_rate": "n",
    "teacher_accuracy": "teacher_n",
    "teacher_accuracy_whole": "teacher_n_whole",
    "consistency": "pairs",
}
# between 0 and 1 (-1 and 1): shown in %
SHARES = {*COUNTS, "chance", "train_prior", "teacher_accuracy_train", "las"}


@dataclass(frozen=True)
class Value:
    """A number in the table's unit.

    Where it has them, the ends of its 95 % interval, the number of questions, and its spread over seeds.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    seeds: int = 1
    sd: float | None = None
    least: float | None = None
    most: float | None = None


def count_field(field: str) -> str:
    """Where the number of questions behind a rate stands; "" for what is no rate."""
    return re.sub(r"\.accuracy$", ".n", field) if field.endswith(".accuracy") else COUNTS.get(field, "")


def printed_fields(field: str) -> list[str]:
    """What a number of the report is made of: the field, or those it adds up, and what stands beside it."""
    return [*field.split("+"), count_field(field), f"{field}_low", f"{field}_high"]


def number_at(result: Result, field: str) -> float | None:
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


def question_count(result: Result, field: str) -> int | None:
    """The number of questions behind a rate, None for what is none."""
    found = number_at(result, count_field(field))
    return None if found is None else int(found)


def interval_ends(result: Result, field: str, mean: float, seeds: int) -> tuple[float | None, float | None]:
    """Of a mean over seeds: Wilson's for a rate, else what the lone result says itself."""
    if n := question_count(result, field):
        return wilson(mean * n, n)
    if seeds > 1:
        return None, None
    return number_at(result, f"{field}_low"), number_at(result, f"{field}_high")


def mean_over_seeds(group: list[Result], field: str, alike: bool) -> Value | None:
    """The mean of a field over a group's results, in the unit shown; None where none has it.

    `alike`: all say the same, as a teacher's accuracy stands in the cells of all its students; one is enough.
    """
    known = [(result, number) for result in group if (number := number_at(result, field)) is not None]
    if not known:
        return None
    if alike:
        known = known[:1]
    first = known[0][0]
    numbers = [number for _, number in known]
    mean = fmean(numbers)
    low, high = interval_ends(first, field, mean, len(numbers))
    seeds = 1 if alike else max(len(numbers), *(int(result.get("n_seeds", 1)) for result, _ in known))
    over: Mapping[str, float] = spread(numbers) if len(numbers) > 1 else {}
    if not over and seeds > 1 and field == "accuracy":
        over = first  # a run that was kept has its seeds' spread, and no seeds one by one
    unit = 100 if field in SHARES or field.endswith(".accuracy") else 1

    def shown(number: float | None) -> float | None:
        return None if number is None else unit * number

    return Value(
        unit * mean,
        shown(low),
        shown(high),
        question_count(first, field),
        seeds,
        shown(over.get("sd")),
        shown(over.get("min")),
        shown(over.get("max")),
    )


def mean_of_columns(values: list[Value | None]) -> Value | None:
    """The unweighted mean of several columns, without interval; None where one is missing."""
    known = [one.value for one in values if one]
    return Value(sum(known) / len(known)) if known and len(known) == len(values) else None
