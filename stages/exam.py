"""Exam: what a student is asked between epochs, where its answers choose the epoch (`select: accuracy`).

In: examples, a split, demonstrations, a student's block. Out: the validation questions and what is shown
before them; nothing for a student that is chosen by its loss. Its trainings depend on this file, so that an
edit of a question or a demonstration trains no other student anew.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from stages.config.cli import run
from stages.config.student import Student, read_student
from stages.records.exam import Exam, write_exam
from stages.records.example import Example, read_examples

NOTHING = Exam(questions=[], demonstrations="")


def exam_of(examples: list[Example], split: Path, demonstrations: str) -> Exam:
    """The validation questions, in the order of the examples. Raises ValueError for a split without any."""
    ids = set(json.loads(split.read_text(encoding="utf-8"))["validation"])
    questions = [example for example in examples if example.id in ids]
    if not questions:
        raise ValueError(
            f"{split}: no validation questions, so `select: accuracy` has nothing to choose an epoch by"
        )
    return Exam(questions, demonstrations)


def main(
    student: Annotated[str, typer.Argument(help="A block under `students` in params.yaml.")],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    demonstrations: Annotated[Path, typer.Argument(help="data/demonstrations/DATASET.txt")],
    out: Annotated[Path, typer.Argument(help="Where the questions go (JSON).")],
) -> None:
    """Find the questions that choose a student's epoch, if it is chosen by what it answers."""
    settings = read_student(student)
    if isinstance(settings, Student) and settings.select == "accuracy":
        shown = demonstrations.read_text(encoding="utf-8")
        write_exam(out, exam_of(read_examples(examples), split, shown))
    else:
        write_exam(out, NOTHING)


if __name__ == "__main__":
    run(main)
