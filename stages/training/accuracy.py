"""Accuracy on the validation part: the second way to choose an epoch (`students.NAME.select: accuracy`).

After every epoch the student is saved as it would be, asked as `predict` asks, and read as `score` reads.
What is here is in the stamp of those students only (stages/checking/stamps.py): a new reading rule trains no
student anew that is chosen by its loss.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stages.config.decoding import Decoding
from stages.config.load import block
from stages.config.method import read_method
from stages.config.student import Student
from stages.predict import place_of, predictions, student_asking, who_answers
from stages.records.example import read_examples
from stages.results.metrics import grade, rates
from stages.students.save import save_trained


@dataclass(frozen=True)
class Exam:
    """What a student is asked, and how: a method of stages/methods, and three files."""

    method: str
    examples: Path
    split: Path
    demonstrations: Path


def examiner(exam: Exam, settings: Student, work: Path) -> Callable[[Path], float]:
    """The accuracy on the validation questions, from 0 to 1, of the student with the weights in a file.

    Raises ValueError for a split without such questions.
    """
    method, own, reader = read_method(exam.method)
    decoding = block("decoding", Decoding)
    ids = set(json.loads(exam.split.read_text(encoding="utf-8"))["validation"])
    questions = [example for example in read_examples(exam.examples) if example.id in ids]
    if not questions:
        raise ValueError(
            f"{exam.split}: no validation questions, so `select: accuracy` has nothing to choose an epoch by"
        )
    shown = exam.demonstrations.read_text(encoding="utf-8")
    by_id = {example.id: example for example in questions}

    def accuracy(weights: Path) -> float:
        student = work / "asked"
        save_trained(settings, weights, student)
        place = place_of(student)
        asking = student_asking(place, method, own, shown, decoding, reader)
        who = who_answers(place, asking, questions, decoding, "validation questions")
        said = predictions("student", "validation", questions, asking, who)
        shutil.rmtree(student)
        return rates(grade(said, by_id))["accuracy"]

    return accuracy
