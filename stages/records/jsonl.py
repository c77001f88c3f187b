"""Rows as JSON lines with stable bytes: sorted keys, UTF-8, one `\\n` per row, written to a temporary file
and renamed.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from stages.records.types import checks_of, shortened

Record = TypeVar("Record")
ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)  # once: `json.dumps` makes one a row


def read_text(path: Path) -> str:
    """A text file, with the mark before it that some editors and spreadsheets write, or without. Raises
    ValueError, with the file, for what is not UTF-8.
    """
    return "".join(lines_of(path))


def lines_of(path: Path) -> Iterator[str]:
    """The lines of `read_text`, one after the other: they need not fit into memory."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text in UTF-8 ({error})") from error


def numbered_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and row of each line that is not blank. Raises ValueError with file and line for text that
    is no JSON object.
    """
    for number, line in enumerate(lines_of(path), 1):
        if line.strip():
            yield number, row_of(line.rstrip("\n"), f"{path} line {number}")


def row_of(line: str, where: str) -> dict[str, Any]:
    """The object that a line holds. Raises ValueError with the place for anything else."""
    row = parse_json(line, where)
    if not isinstance(row, dict):
        raise ValueError(f"{where}: got {type(row).__name__}, wanted an object with named fields")
    refuse_half_characters(row, line, where)
    return row


def parse_json(text: str, where: str) -> Any:
    """Raises ValueError with the place for what is no JSON, is nested too deep to be read, or holds a number
    of thousands of digits.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: not JSON ({error}): {text[:80]!r}") from error


def read_object(path: Path) -> dict[str, Any]:
    """The object of a JSON file. Raises ValueError, with the file, for anything else."""
    value = parse_json(read_text(path), str(path))
    if not isinstance(value, dict):
        raise ValueError(f"{path}: got {type(value).__name__}, wanted an object with named fields")
    return value


def refuse_half_characters(row: dict[str, Any], text: str, where: str) -> None:
    """Raises ValueError, with the field, for half a character, which JSON can spell and no file can hold.
    `text` is the JSON that holds the row.
    """
    if "\\ud" not in text and "\\uD" not in text:
        return
    for name, value in row.items():
        try:
            json.dumps({name: value}, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise ValueError(f"{where}: {name[:80]!a} holds half a character, {half!a}") from error


def read_rows(path: Path) -> list[dict[str, Any]]:
    """All rows of a JSON lines file. Raises ValueError with file and line for text that is no JSON object."""
    return [row for _, row in numbered_rows(path)]


def record(kind: type[Record], row: dict[str, Any], where: str) -> Record:
    """`row` as the dataclass `kind`; fields it does not have get their default. Raises ValueError with the
    fields it lacks and does not know.
    """
    try:
        made = kind(**row)
    except TypeError as error:
        known = fields(kind)  # type: ignore[arg-type]  # a dataclass
        lacks = [field.name for field in known if field.default is MISSING and field.name not in row]
        strange = sorted(row.keys() - {field.name for field in known})
        raise ValueError(
            f"{where}: not a row of {kind.__name__}; it lacks {lacks} and has {strange}, which"
            f" {kind.__name__} does not know"
        ) from error
    for name, (fits, wanted) in checks_of(kind).items():  # type: ignore[arg-type]  # a class
        if name in row and not fits(row[name]):
            raise ValueError(f"{where}: {name} is {shortened(row[name])}, wanted {wanted}")
    return made


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """All rows as dataclasses. Raises ValueError with file and line for a row of another kind."""
    return [record(kind, row, f"{path} line {number}") for number, row in numbered_rows(path)]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write `lines` completely or not at all, one after the other: they need not fit into memory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(lines)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` completely or not at all."""
    write_lines(path, [text])


def line_of(row: dict[str, Any]) -> str:
    return ENCODER.encode(row) + "\n"


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    write_lines(path, map(line_of, rows))


def write_json(path: Path, value: Any) -> None:
    """One indented JSON value, for numbers that people diff."""
    write_text(path, json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n")
