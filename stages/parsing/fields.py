"""What dataset files share: rows with their place, fields, numbers, option letters. Every error names file,
row, field, got and wanted.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from stages.records.jsonl import numbered_rows, parse_json, read_text, refuse_half_characters
from stages.records.types import shortened
from stages.text.gold import LETTERS

RawRow = dict[str, Any]
Kind = TypeVar("Kind")


def field(row: object, name: str, where: str, kind: type[Kind]) -> Kind:
    """row[name], of type `kind`. Raises ValueError if it is absent or something else."""
    if not isinstance(row, dict):
        raise ValueError(f"{where}: got {shortened(row)}, wanted an object with field {name!r}")
    if name not in row:
        raise ValueError(
            f"{where}: no field {name!r}, wanted {kind.__name__}; it has: {', '.join(map(str, row))}"
        )
    value = row[name]
    if not isinstance(value, kind):
        raise ValueError(f"{where}: {name} is {shortened(value)}, wanted {kind.__name__}")
    return value


def rows_with_place(path: Path, under: str | None = None) -> Iterator[tuple[str, RawRow]]:
    """(place, row) of JSON lines, or of a JSON array, which may lie `under` a key of an object. The first row
    is row 0.
    """
    if path.suffix.lower() == ".jsonl":
        for number, (_, row) in enumerate(numbered_rows(path)):
            yield f"{path} row {number}", row
        return
    text = read_text(path)
    rows: Any = parse_json(text, str(path))
    if under is not None:
        if not isinstance(rows, dict):
            raise ValueError(f"{path}: got {type(rows).__name__}, wanted an object with {under!r}")
        rows = field(rows, under, str(path), list)
    if not isinstance(rows, list):
        raise ValueError(f"{path}: got {type(rows).__name__}, wanted an array of rows")
    half = re.search(r"\\u[dD]", text)  # once: each row would look through the whole text
    for number, row in enumerate(rows):
        where = f"{path} row {number}"
        if not isinstance(row, dict):
            raise ValueError(f"{where}: got {shortened(row)}, wanted an object with named fields")
        if half:
            refuse_half_characters(row, half[0], where)
        yield where, row


def with_choices(question: str, choices: list[str]) -> str:
    """The question as it is asked: "... Answer Choices: (A) red (B) blue"."""
    return f"{question} Answer Choices: " + " ".join(
        f"({letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False)
    )


def with_options(question: str, choices: list[str]) -> str:
    """The question as BIG-Bench Hard and CasCoD's files ask it: options on lines of their own,
    "...\\nOptions:\\n(A) red\\n(B) blue".
    """
    return f"{question}\nOptions:\n" + "\n".join(
        f"({letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False)
    )


def stem_and_choices(source: RawRow, letters: str, where: str) -> tuple[str, list[str]]:
    """CommonsenseQA's and OpenBookQA's question as it is asked, and its options, under these `letters`."""
    asked = field(source, "question", where, dict)
    options = field(asked, "choices", where, list)
    if "".join(field(option, "label", where, str) for option in options) != letters:
        raise ValueError(
            f"{where}: choices is {options!r}, wanted the labels {letters[0]} to {letters[-1]} in order"
        )
    choices = [field(option, "text", where, str) for option in options]
    return with_choices(field(asked, "stem", where, str).strip(), choices).strip(), choices


def right_choice(scores: RawRow, choices: list[str], where: str) -> str:
    """The letter of the only choice with score 1 in BIG-bench's target_scores."""
    right = [letter for letter, choice in zip(LETTERS, choices, strict=False) if scores[choice] == 1]
    if len(right) != 1:
        raise ValueError(f"{where}: target_scores is {scores!r}, wanted exactly one score of 1")
    return right[0]
