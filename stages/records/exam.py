"""Exam: what a student is asked between epochs: questions, and what few-shot methods show before each."""

from dataclasses import asdict, dataclass
from pathlib import Path

from stages.records.example import Example
from stages.records.jsonl import read_object, write_json


@dataclass(frozen=True)
class Exam:
    questions: list[Example]  # none: nothing is asked
    demonstrations: str


def read_exam(path: Path) -> Exam:
    row = read_object(path)
    return Exam([Example(**question) for question in row["questions"]], row["demonstrations"])


def write_exam(path: Path, exam: Exam) -> None:
    write_json(path, asdict(exam))
