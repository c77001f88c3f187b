"""Examples from JSON lines, CSV or JSON by a map of columns: what a data set of one's own needs instead of a
parser.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from stages.config.dataset import Columns
from stages.parsing.fields import (
    LETTERS,
    RawRow,
    canonical_date,
    canonical_number,
    field,
    rows_with_place,
    with_choices,
)
from stages.records.example import Example

PARTS = ("train", "validation", "test")


def read_table(path: Path, under: str | None = None) -> Iterator[tuple[str, RawRow]]:
    """(place, row) of a .jsonl, .csv or .json file; a CSV has a header, and its first row below that is
    row 0. `under`: the key of a JSON object that its rows stand under.
    """
    if path.suffix in (".jsonl", ".json"):
        yield from rows_with_place(path, under)
    elif path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.DictReader(file)):
                if None in row:
                    raise ValueError(
                        f"{path} row {number}: more cells than the header names, left over {row[None]!r}"
                    )
                yield f"{path} row {number}", dict(row)
    else:
        raise ValueError(f"{path}: got {path.suffix!r}, wanted .jsonl, .csv or .json")


def read_choices(row: RawRow, name: str, where: str) -> list[str]:
    """The option texts: a list, or text that holds a list as JSON. Raises ValueError for anything else."""
    value = row.get(name)
    try:
        choices = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        choices = None
    if (
        not isinstance(choices, list)
        or not 2 <= len(choices) <= len(LETTERS)
        or not all(isinstance(choice, str) for choice in choices)
    ):
        raise ValueError(f"{where}: {name} is {value!r}, wanted a list of 2 to {len(LETTERS)} texts")
    return choices


def canonical_answer(value: object, answer_type: str, choices: list[str], where: str) -> str:
    """The canonical answer. A choice may be given by its letter or by its text, yes_no also as true or
    false.
    """
    if answer_type == "number":
        return canonical_number(value, where)
    if answer_type == "yes_no":
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value).strip().lower()
        if text not in ("yes", "no"):
            raise ValueError(f"{where}: answer is {value!r}, wanted yes or no")
        return text
    if answer_type == "date":
        return canonical_date(value, where)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: answer is {value!r}, wanted a text that is not empty")
    letters = LETTERS[: len(choices)]
    is_letter = len(value.strip()) == 1 and value.strip() in letters
    if answer_type in ("text", "exact", "latex") or is_letter:
        return value.strip()
    if choices.count(value) != 1:
        raise ValueError(
            f"{where}: answer is {value!r}, wanted a letter of {letters!r} or one of {choices!r}"
        )
    return LETTERS[choices.index(value)]


def optional_text(row: RawRow, name: str | None, where: str) -> str | None:
    """The text of a column that was named; None where no column was named or the cell is empty."""
    if name is None or row.get(name, "absent") in (None, ""):
        return None
    return field(row, name, where, str)


def parse_columns(raw: Path, name: str, columns: Columns, files: list[str]) -> list[Example]:
    """Examples of the data set `name`, numbered through all `files` in order. Raises ValueError with file,
    row, field, got and wanted.
    """
    examples: list[Example] = []
    for file in files:
        part = Path(file).stem if Path(file).stem in PARTS else None
        for where, row in read_table(raw / file, columns.under):
            question = field(row, columns.question, where, str).strip()
            choices = read_choices(row, columns.choices, where) if columns.choices else []
            answer = field(row, columns.answer, where, object)
            split = optional_text(row, columns.source_split, where) if columns.source_split else part
            examples.append(
                Example(
                    id=f"{name}-{len(examples)}",
                    dataset=name,
                    question=with_choices(question, choices) if choices else question,
                    answer=canonical_answer(answer, columns.answer_type, choices, where),
                    answer_type=columns.answer_type,
                    choices=choices or None,
                    template=optional_text(row, columns.template, where),
                    source_split=split,
                    rationale=optional_text(row, columns.rationale, where),
                )
            )
    return examples
