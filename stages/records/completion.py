"""Completion: what a teacher or a student said. A teacher's rationale and a student's prediction are the same
record.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from stages.records.jsonl import numbered_rows, record, row_of, write_rows

# How an answer is read: by the published rule, behind the method's own mark, as today's models state it
# (stages/text/answers.py)
Reader = Literal["kojima", "marked", "stated"]
# Fields that a row names only where they are not at their default
UNSAID: dict[str, Any] = {
    "reader": "kojima",
    "reasoning": (),
    "rationale": None,
    "rationalised": False,
    "prompt_cut": False,
    "given": None,
    "apart": False,
}
# in a line as this project writes it; a quote within a text has a backslash before it
QUESTION = re.compile(rb'"example_id": "([^"\\]*)"')
UNKNOWN = "unknown"  # the finish reason of a text of which nobody told why it ended


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
    finish_reasons: list[str]  # per step "stop" | "length" | UNKNOWN | a failure's name
    model: str  # "text-davinci-002", "scripted", a student's name
    answer_prefix: str  # the mark before the answer in the last text; "": the last text is the answer
    origin: str = ""  # where the row comes from, for people: a released file and record, a rule and its seed
    paid: bool = False  # an endpoint bills its tokens
    steps: tuple[Step, ...] = ()  # one per text; none of what is in no store
    usage: dict[str, int] | None = None  # tokens "in", "out" and, where told, "cached" (part of "in")
    logprob: float | None = None  # sum of token log-probabilities, when offered
    # as curate reads it, in the gold answer's writing where it is right; None: not read, or none there
    answer: str | None = None
    reader: Reader = "kojima"  # how the answer in the last text is read; the method that asked says so
    reasoning: tuple[str, ...] = ()  # per text what a reasoning model thought before it; (): nothing
    # what is learned before the answer, as curate chose it; None: what stands before the answer prefix
    rationale: str | None = None
    # the teacher had been shown the gold answer: that the row states it proves nothing about the rationale
    rationalised: bool = False
    # the wrong answer that the teacher was told to argue for: the row is a counterfactual, as SCOTT's
    given: str | None = None
    # a wrong one that curate kept beside right ones: methods that learn from both see it, no others
    apart: bool = False
    prompt_cut: bool = False  # a prompt was longer than the student's `max_prompt_tokens`, and lost its end

    @property
    def finished(self) -> bool:
        """Whether no step is known to be cut at the length limit, refused or lost."""
        return all(reason in ("stop", UNKNOWN) for reason in self.finish_reasons)


def read_completion(row: dict[str, Any], where: str) -> Completion:
    """Raises ValueError with `where` for a row of another kind."""
    if isinstance(steps := row.get("steps"), list):
        row = row | {"steps": tuple(record(Step, step, where) for step in steps)}
    if isinstance(reasoning := row.get("reasoning"), list):
        row = row | {"reasoning": tuple(reasoning)}
    return record(Completion, row, where)


def iter_completions(path: Path) -> Iterator[Completion]:
    """Raises ValueError with file and line for a row of another kind."""
    for number, row in numbered_rows(path):
        yield read_completion(row, f"{path} line {number}")


def read_completions(path: Path) -> list[Completion]:
    """Raises ValueError with file and line for a row of another kind."""
    return list(iter_completions(path))


def iter_questions(path: Path) -> Iterator[list[Completion]]:
    """The completions of one question after the other, as `teach` writes them. Raises ValueError for a
    question whose rows do not stand together.
    """
    seen = set()
    for question, rows in groupby(iter_completions(path), key=attrgetter("example_id")):
        if question in seen:
            raise ValueError(
                f"{path}: the completions of {question!r} stand in several places, wanted them one after the"
                " other"
            )
        seen.add(question)
        yield list(rows)


class CompletionsByQuestion(Mapping[str, list[Completion]]):
    """A file's completions, read when they are asked for: what stays in memory is where they stand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places: dict[str, list[int]] = {}  # of each question its rows' first bytes
        place = 0
        self.file = path.open("rb")
        for line in self.file:
            if line.strip():
                self.places.setdefault(question_of(line, f"{path} byte {place}"), []).append(place)
            place += len(line)

    def __getitem__(self, question: str) -> list[Completion]:
        rows = []
        for place in self.places[question]:
            self.file.seek(place)
            where = f"{self.path} byte {place}"
            rows.append(read_completion(row_of(self.file.readline().decode("utf-8-sig"), where), where))
        return rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def sizes(self) -> dict[str, int]:
        """How many completions each question has."""
        return {question: len(places) for question, places in self.places.items()}


def question_of(line: bytes, where: str) -> str:
    """The example of a row, without reading the rest of it where that can be avoided. Raises ValueError."""
    if found := QUESTION.search(line):
        return found[1].decode()
    question: str = read_completion(row_of(line.decode("utf-8-sig"), where), where).example_id
    return question


def write_completions(path: Path, completions: Iterable[Completion]) -> None:
    write_rows(path, map(as_row, completions))


def as_row(completion: Completion) -> dict[str, Any]:
    """What a line of JSON holds."""
    # not asdict, which copies every list: a third of the time for 300,000 rows
    row = vars(completion) | {"steps": [vars(step) for step in completion.steps]}
    return {name: value for name, value in row.items() if name not in UNSAID or value != UNSAID[name]}


def without_counterfactuals(completions: Iterable[Completion]) -> list[Completion]:
    """What was said for an answer of its own."""
    return [row for row in completions if row.given is None]


def readers_of(completions: Iterable[Completion]) -> str:
    """The readers that some rows name, for a file of counts: "kojima"; of two both, in alphabetical order."""
    return ", ".join(sorted({row.reader for row in completions}))
