"""Sequence: one text to train on, in segments; a segment with a task carries loss, one without is context."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.records.jsonl import numbered_rows, record, write_rows

END = "\N{SYMBOL FOR END OF TEXT}"  # in a prompt: the tokenizer's end-of-text token stands here


@dataclass(frozen=True)
class Segment:
    text: str
    task: str | None = None  # None: context, no loss; else "cot" | "rationale" | "answer" | ...
    weight: float = 1.0  # of this task's loss in the sum over tasks; the same in all segments of one task
    end: bool = False  # the end-of-text token follows: a label of this task, and read by what comes after


@dataclass(frozen=True)
class Sequence:
    """Context segments before the first task are what an encoder-decoder's encoder reads; the last segment
    always ends the text.
    """

    example_id: str
    segments: list[Segment]
    part: str = ""  # "train" | "validation"; render fills it in
    draw: bool = False  # of an example's sequences with draw, one is drawn per epoch
    unit: str = ""  # sequences of one example with the same unit are trained in the same step
    # not None: the context is a question to a chat model, under this system text ("": without one), which its
    # own template puts into words; the rest is its answer
    system: str | None = None


def read_sequences(path: Path) -> list[Sequence]:
    """Fields that a file from an earlier version does not have get their default. Raises ValueError for a row
    of another kind.
    """
    return list(iter_sequences(path))


def iter_sequences(path: Path) -> Iterator[Sequence]:
    """`read_sequences`, one after the other."""
    for number, row in numbered_rows(path):
        yield sequence(row, f"{path} line {number}")


def sequence(row: dict[str, Any], where: str) -> Sequence:
    segments = (
        {"segments": [record(Segment, segment, where) for segment in row["segments"]]}
        if "segments" in row
        else {}
    )
    return record(Sequence, row | segments, where)


def write_sequences(path: Path, sequences: Iterable[Sequence]) -> None:
    write_rows(path, map(sequence_row, sequences))


def sequence_row(sequence: Sequence) -> dict[str, Any]:
    """As it is written: of no conversation, a text is written as it was before there were any."""
    # not asdict, which copies every list
    row = vars(sequence) | {"segments": [vars(segment) for segment in sequence.segments]}
    if sequence.system is None:
        del row["system"]
    return row
