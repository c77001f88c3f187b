"""Example: one question with its gold answer, as every dataset's parser writes it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from stages.records.jsonl import read_records, write_rows

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
LEARNED: tuple[str, ...] = PARTS[:2]  # what is trained on, and what chooses the epoch


@dataclass(frozen=True)
class Example:
    id: str  # "<dataset>-<row>", row as the published split files number it
    dataset: str
    question: str  # the whole text that is asked, answer choices included
    answer: str  # as its type writes it: "39", "A", "yes", "yajo", "] )", "05/01/2021", "$2n-2$"
    answer_type: str  # "number", "choice", ...: stages/text/answer_types.py has them
    # option texts in the order of their letters (A), (B), ...; exact: the few legal answers, if they are few
    choices: list[str] | None = None
    template: str | None = None  # the template the source states (or the generator used); None: mine it
    source_split: str | None = None  # one of PARTS, where the source has them
    rationale: str | None = None  # a human's, where the source has one
    # one of several tasks in the dataset (BIG-Bench Hard's 27): has a score and demonstrations of its own
    subtask: str | None = None
    # questions with the same one count as consistent only if all are right (contrast sets)
    pair: str | None = None


def read_examples(path: Path) -> list[Example]:
    return read_records(path, Example)


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    write_rows(path, map(vars, examples))
