"""Mentor: a student that was taught is asked the train and validation questions, to teach others or itself.

In: examples, split, demonstrations, the student. Out: its completions, drawn as `mentors.NAME` says; never
of test questions. Sources: Mentor-KD (arXiv 2410.09037), where it is a larger student; RFT (arXiv 2308.01825)
and STaR (arXiv 2203.14465), where it is the student itself.
Differs: Mentor-KD's soft labels, the mentor's distribution over tokens, are not learned (difference 58).
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import typer

from stages import join, render
from stages.config.cli import run
from stages.config.kernels import fix_kernels
from stages.config.mentor import Mentor, read_mentor
from stages.config.method import read_method
from stages.corpus.filters import keep_correct
from stages.predict import place_of, predictions, student_asking, who_answers
from stages.records.completion import Completion, write_completions
from stages.records.example import LEARNED, Example, read_examples
from stages.text.formats import written


class Again(NamedTuple):
    """What a further round needs: a training begins anew."""

    base: Path
    corpus: Path  # the teacher's
    code: Path
    exam: Path


class Asked(NamedTuple):
    """Who is asked what, in each round alike."""

    mentor: str
    method: str
    settings: Mentor
    questions: list[Example]
    demonstrations: str


def learned_questions(examples: Path, split: Path) -> list[Example]:
    """Those of the train and validation parts. Raises ValueError where one of them is a test question too."""
    parts = json.loads(split.read_text(encoding="utf-8"))
    learned = {one for part in LEARNED for one in parts[part]}
    if both := learned.intersection(parts["test"]):
        raise ValueError(f"{split}: {len(both)} questions are learned and tested, first {min(both)!r}")
    return [example for example in read_examples(examples) if example.id in learned]


def ask(asked: Asked, questions: list[Example], folder: Path) -> list[Completion]:
    """The completions of the student in a folder, question by question."""
    method, own, reader = read_method(asked.method)
    place = place_of(folder)
    asking = student_asking(place, method, own, asked.demonstrations, asked.settings, reader)
    who = who_answers(place, asking, questions, asked.settings, f"ask {asked.mentor}")
    return predictions(asked.mentor, "mentor", questions, asking, who)


def with_hint(example: Example) -> Example:
    """The question with its answer. What is learned of what is said then is the question without it.

    Differs: STaR marks the right option of its few-shot prompt; a student that was trained has no such prompt
    (difference 59).
    """
    hint = f"Hint: the answer is {written(example, example.answer)}."
    return replace(example, question=f"{example.question.rstrip()}\n{hint}")


def missed(rows: Iterable[Completion], questions: list[Example]) -> list[Example]:
    """The questions to which none of these is right."""
    right = {row.example_id for row in keep_correct([*rows], {one.id: one for one in questions})}
    return [example for example in questions if example.id not in right]


def ask_all(asked: Asked, folder: Path) -> list[Completion]:
    """Every question's completions; where `hints` says so, then those to the missed ones, with a hint."""
    rows = ask(asked, asked.questions, folder)
    wrong = missed(rows, asked.questions) if asked.settings.hints else []
    hinted = ask(asked, [*map(with_hint, wrong)], folder) if wrong else []
    rows += [replace(row, sample=asked.settings.samples + row.sample, rationalised=True) for row in hinted]
    by_question: dict[str, list[Completion]] = defaultdict(list)
    for row in rows:
        by_question[row.example_id].append(row)
    return [row for example in asked.questions for row in by_question[example.id]]


def train(mentor: str, seed: int, method: str, sequences: Path, again: Again, folder: Path) -> Path:
    """A student from the base, as the stage `train` makes it, in a process of its own."""
    out = folder / "student"
    numbers = [str(folder / name) for name in ("loss.csv", "training.json")]
    words = [mentor, str(seed), str(again.base), str(sequences), str(again.code), str(out), *numbers]
    command = [sys.executable, "-m", "stages.train", *words, "--exam", method, str(again.exam)]
    if subprocess.run(command, check=False).returncode:
        raise ValueError(f"mentor {mentor!r}: the training of a further round failed, as said above")
    return out


def another_round(
    rows: list[Completion], asked: Asked, curation: str, seed: int, files: tuple[Path, Path], again: Again
) -> list[Completion]:
    """What a student says that was trained on what the one before it said, and on the teacher's corpus."""
    with TemporaryDirectory(prefix="mentor-") as name:
        folder = Path(name)
        said, corpus, sequences = (folder / f"{one}.jsonl" for one in ("said", "corpus", "sequences"))
        write_completions(said, rows)
        join.main(curation, asked.mentor, *files, said, again.corpus, corpus, folder / "funnel.json")
        render.main(asked.method, *files, sequences, folder / "rendered.json", corpus)
        return ask_all(asked, train(asked.mentor, seed, asked.method, sequences, again, folder))


def main(
    mentor: Annotated[str, typer.Argument(help="A student; `mentors.NAME` in params.yaml may say how.")],
    method: Annotated[str, typer.Argument(help="A block under `methods`, with which it was trained.")],
    curation: Annotated[str, typer.Argument(help="A block under `curations`, for further rounds.")],
    seed: Annotated[int, typer.Argument(help="Of the trainings of further rounds.")],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    demonstrations: Annotated[Path, typer.Argument(help="data/demonstrations/DATASET.txt")],
    student: Annotated[Path, typer.Argument(help="data/students/CELL")],
    out: Annotated[Path, typer.Argument(help="Where the completions go.")],
    again: Annotated[
        tuple[Path, Path, Path, Path],
        typer.Option(metavar="BASE CORPUS CODE EXAM", help="What trainings of further rounds start from."),
    ],
) -> None:
    """Ask a student the questions that others are trained on."""
    fix_kernels(student)
    shown = demonstrations.read_text(encoding="utf-8")
    asked = Asked(mentor, method, read_mentor(mentor), learned_questions(examples, split), shown)
    rows = ask_all(asked, student)
    for number in range(2, asked.settings.rounds + 1):
        typer.echo(f"{mentor}: round {number} of {asked.settings.rounds}", err=True)
        rows = another_round(rows, asked, curation, seed, (examples, split), Again(*again))
    write_completions(out, rows)


if __name__ == "__main__":
    run(main)
