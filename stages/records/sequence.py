"""Sequence: one text to train on, in segments; a segment with a task carries loss, one without is context."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.records.jsonl import read_rows, write_rows


@dataclass(frozen=True)
class Segment:
    text: str
    task: str | None = None  # None: context, no loss; else "cot" | "rationale" | "answer" | ...


@dataclass(frozen=True)
class Sequence:
    """Context segments come first (an encoder-decoder's encoder reads them); the end-of-text token follows the last segment."""

    example_id: str
    part: str  # "train" | "validation"
    segments: list[Segment]


def read_sequences(path: Path) -> list[Sequence]:
    return [Sequence(row["example_id"], row["part"], [Segment(**segment) for segment in row["segments"]]) for row in read_rows(path)]


def write_sequences(path: Path, sequences: Iterable[Sequence]) -> None:
    write_rows(path, map(asdict, sequences))
