"""Verdicts: what a verifier of yours made of each completion, one row each in a file of JSON lines or CSV."""

import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stages.config.choosing import Verdicts, pinned
from stages.records.completion import Completion
from stages.records.csv_rows import read_csv
from stages.records.jsonl import numbered_rows

WORDS = {"true": 1.0, "false": 0.0}  # of a CSV, in small letters


class Verdict(NamedTuple):
    score: float
    model: str | None  # whose completion it is about, where the file says so


Found = Mapping[tuple[str, int], Verdict]  # by question and sample


def rows_of(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file and line or row, what stands there) of a .csv with a header, else of JSON lines."""
    if path.suffix == ".csv":
        yield from read_csv(path)
    else:
        yield from ((f"{path} line {number}", row) for number, row in numbered_rows(path))


def score_of(value: Any, where: str) -> float:
    """A number, or true (1) and false (0). Raises ValueError for anything else."""
    if isinstance(value, str):
        value = WORDS.get(value.strip().casefold(), value)
    try:
        score = float(value)
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise ValueError(f"{where} is {value!r}, wanted a number, true or false")
    return score


def read_verdicts(block: Verdicts, where: str, questions: Collection[str]) -> Found:
    """Those about these questions; a file may serve several data sets. Raises ValueError with file and line
    for a row without its columns or with a verdict that is none, and for two about one completion.
    """
    path = pinned(block, where)
    found: dict[tuple[str, int], Verdict] = {}
    for place, row in rows_of(path):
        if missing := [name for name in ("example_id", "sample", block.column) if row.get(name) is None]:
            raise ValueError(f"{place}: no {', '.join(missing)}; it has {', '.join(map(str, row))}")
        if str(row["example_id"]) not in questions:
            continue
        try:
            about = (str(row["example_id"]), int(row["sample"]))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{place}: sample is {row['sample']!r}, wanted a whole number") from error
        if about in found:
            raise ValueError(f"{place}: a second verdict about sample {about[1]} of {about[0]!r}")
        found[about] = Verdict(
            score_of(row[block.column], f"{place}: {block.column}"), row.get("model") or None
        )
    return found


def verdict_on(row: Completion, verdicts: Found) -> float | None:
    """None where there is none. Raises ValueError where it is about what another model said."""
    found = verdicts.get((row.example_id, row.sample))
    if found and found.model not in (None, row.model):
        raise ValueError(
            f"verdicts: that about sample {row.sample} of {row.example_id!r} is of {found.model!r}, the"
            f" completion of {row.model!r}: wanted verdicts about these completions"
        )
    return found.score if found else None


def keep_verified(rows: list[Completion], verdicts: Found, allow_missing: bool) -> list[Completion]:
    """Those with a verdict. Raises ValueError where one has none and that is not allowed."""
    without = [row for row in rows if verdict_on(row, verdicts) is None]
    if without and not allow_missing:
        raise ValueError(
            f"verdicts: none about sample {without[0].sample} of {without[0].example_id!r}; wanted one about"
            " every completion that passed the filters before, or `allow_missing: true`, which drops and"
            " counts those without"
        )
    return [row for row in rows if row not in without]


def keep_scored(rows: list[Completion], verdicts: Found, least: float) -> list[Completion]:
    """Those whose verdict is at least that; of these rows each has one."""
    return [row for row in rows if (score := verdict_on(row, verdicts)) is not None and score >= least]
