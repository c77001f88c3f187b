"""Accuracy on the validation part: the second way to choose an epoch (`students.NAME.select: accuracy`).

After every epoch the student is saved as it would be, asked as `predict` asks (greedily, as
`decodings.greedy` says, whatever `run.decodings` lists), and read as `score` reads.
What is here is in the stamp of those students only (stages/checking/stamps.py): a new reading rule trains no
student anew that is chosen by its loss.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from stages.config.decoding import GREEDY, Decoding
from stages.config.load import block
from stages.config.method import read_method
from stages.config.student import Student
from stages.predict import place_of, predictions, student_asking, who_answers
from stages.records.exam import read_exam
from stages.results.metrics import grade, rates
from stages.students.save import save_trained


def examiner(asked_with: str, exam_file: Path, settings: Student, work: Path) -> Callable[[Path], float]:
    """The accuracy on an exam, from 0 to 1, of the student with the weights in a file. `asked_with`: a method
    of the run.
    """
    method, own, reader = read_method(asked_with)
    exam = read_exam(exam_file)
    decoding = block(f"decodings.{GREEDY}", Decoding)
    by_id = {example.id: example for example in exam.questions}

    def accuracy(weights: Path) -> float:
        student = work / "asked"
        save_trained(settings, weights, student)
        place = place_of(student)
        asking = student_asking(place, method, own, exam.demonstrations, decoding, reader)
        who = who_answers(place, asking, exam.questions, decoding, "validation questions")
        said = predictions("student", "validation", exam.questions, asking, who)
        shutil.rmtree(student)
        return rates(grade(said, by_id))["accuracy"]

    return accuracy
