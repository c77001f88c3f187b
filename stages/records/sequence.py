"""Sequence: one text to train on, in segments; a segment with a task carries loss, one without is context."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.records.jsonl import numbered_rows, record, write_rows

END = "\N{SYMBOL FOR END OF TEXT}"  # in a prompt: the tokenizer's end-of-text token stands here


@dataclass(frozen=True)
class Run:
    """Characters of a segment's text, and what their tokens weigh. Which token that is of one on a border:
    stages/students/token_weights.py.
    """

    start: int  # the first
    stop: int  # one past the last
    weight: float = 1.0  # a factor of each token's loss, beside the task's; less than 0: unlearned


@dataclass(frozen=True)
class Segment:
    text: str
    task: str | None = None  # None: context, no loss; else "cot" | "rationale" | "answer" | ...
    weight: float = 1.0  # of this task's loss in the sum over tasks; the same in all segments of one task
    end: bool = False  # the end-of-text token follows: a label of this task, and read by what comes after
    # None: every token weighs 1. Else in the order of the text, none over another: what is in no run, and the
    # end of text, weighs 0; it is a label all the same, and counts wherever labels are counted
    runs: tuple[Run, ...] | None = None


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
    segments = {"segments": [segment_of(one, where) for one in row["segments"]]} if "segments" in row else {}
    return record(Sequence, row | segments, where)


def segment_of(row: dict[str, Any], where: str) -> Segment:
    if isinstance(runs := row.get("runs"), list):
        row = row | {"runs": tuple(record(Run, run, where) for run in runs)}
    return record(Segment, row, where)


def write_sequences(path: Path, sequences: Iterable[Sequence]) -> None:
    write_rows(path, map(sequence_row, sequences))


def sequence_row(sequence: Sequence) -> dict[str, Any]:
    """As it is written: a text of no conversation and without runs is written as before there were any."""
    # not asdict, which copies every list
    row = vars(sequence) | {"segments": [segment_row(segment) for segment in sequence.segments]}
    if sequence.system is None:
        del row["system"]
    return row


def segment_row(segment: Segment) -> dict[str, Any]:
    row = vars(segment) | {"runs": [vars(run) for run in segment.runs or ()]}
    if segment.runs is None:
        del row["runs"]
    return row
