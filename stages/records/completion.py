"""Completion: what a teacher or a student said. A teacher's rationale and a student's prediction are the same
record.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stages.records.jsonl import read_records, write_rows


@dataclass(frozen=True)
class Completion:
    example_id: str
    sample: int  # 0 .. D-1
    prompts: list[str]  # one per step: two-step asking has two
    texts: list[str]  # what followed each prompt, stop mark cut off
    finish_reasons: list[str]  # per step "stop" | "length" | a failure's name
    model: str  # "text-davinci-002", "scripted", a student's name
    answer_prefix: str  # the mark before the answer in the last text; "": the last text is the answer
    origin: str = ""  # where the row comes from: a released file and record, a rule and its seed, a request
    key: str = ""  # content key of the request in the store
    usage: dict[str, int] | None = None  # tokens in and out
    logprob: float | None = None  # sum of token log-probabilities, when offered
    # as curate reads it, in the gold answer's writing where it is right; None: not read, or none there
    answer: str | None = None


def read_completions(path: Path) -> list[Completion]:
    return read_records(path, Completion)


def write_completions(path: Path, completions: Iterable[Completion]) -> None:
    # not asdict, which copies every list: a third of the time for 300,000 rows
    write_rows(path, map(vars, completions))
