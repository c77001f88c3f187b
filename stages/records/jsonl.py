"""Rows as JSON lines with stable bytes: sorted keys, UTF-8, one `\\n` per row, written to a temporary file and renamed."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def read_rows(path: Path) -> list[dict[str, Any]]:
    """All rows of a JSON lines file. Raises ValueError with file and line for text that is no JSON object."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} line {number}: not JSON ({error}): {line[:80]!r}") from error
        if not isinstance(row, dict):
            raise ValueError(f"{path} line {number}: got {type(row).__name__}, wanted an object with named fields")
        rows.append(row)
    return rows


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


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    write_lines(path, (json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows))


def write_json(path: Path, value: Any) -> None:
    """One indented JSON value, for numbers that people diff."""
    write_text(path, json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n")
