"""Completion: what a teacher or a student said. A teacher's rationale and a student's prediction are the same
record.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.records.jsonl import numbered_rows, record, write_rows


@dataclass(frozen=True)
class Step:
    """Which answer of the store one text of a completion is, and what the row does not say of that answer:
    enough to give it back to a store.
    """

    key: str  # of its request
    sample: int  # of that request
    model: str  # as the server names it, else as it was asked for
    source: str  # "live" | "batch" | "local" | "import FILE"
    reasoning: int = 0  # so many characters of the text, and a line break, are what a reasoning model thought
    usage: dict[str, int] | None = None  # as the completion's
    logprob: float | None = None  # as the completion's


@dataclass(frozen=True)
class Completion:
    example_id: str
    sample: int  # 0 .. D-1
    prompts: list[str]  # one per step: two-step asking has two
    texts: list[str]  # what followed each prompt, stop mark cut off
    finish_reasons: list[str]  # per step "stop" | "length" | a failure's name
    model: str  # "text-davinci-002", "scripted", a student's name
    answer_prefix: str  # the mark before the answer in the last text; "": the last text is the answer
    origin: str = ""  # where the row comes from, for people: a released file and record, a rule and its seed
    paid: bool = False  # an endpoint bills its tokens
    steps: tuple[Step, ...] = ()  # one per text; none of what is in no store
    usage: dict[str, int] | None = None  # tokens "in", "out" and, where told, "cached" (part of "in")
    logprob: float | None = None  # sum of token log-probabilities, when offered
    # as curate reads it, in the gold answer's writing where it is right; None: not read, or none there
    answer: str | None = None

    @property
    def finished(self) -> bool:
        """Whether no step was cut at the length limit, refused or lost."""
        return all(reason == "stop" for reason in self.finish_reasons)


def read_completion(row: dict[str, Any], where: str) -> Completion:
    """Raises ValueError with `where` for a row of another kind."""
    completion = record(Completion, row, where)
    return replace(completion, steps=tuple(record(Step, step, where) for step in row.get("steps", ())))


def read_completions(path: Path) -> list[Completion]:
    """Raises ValueError with file and line for a row of another kind."""
    return [read_completion(row, f"{path} line {number}") for number, row in numbered_rows(path)]


def write_completions(path: Path, completions: Iterable[Completion]) -> None:
    # not asdict, which copies every list: a third of the time for 300,000 rows
    write_rows(path, (vars(row) | {"steps": [vars(step) for step in row.steps]} for row in completions))
