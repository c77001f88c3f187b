"""Logits: what a larger model says at every label of a cell's texts, for a student with `distil`; nothing for
others.

In: sequences, a student's block and its base, the hashes of the code. Out: the `top_k` likeliest tokens of
each label with their log-probabilities (stages/training/distil.py). It depends on no seed, and of the blocks
on what decides it alone: students that differ in `alpha` or `lr` have the same, which is computed once.
"""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from stages.config.base import read_pointer
from stages.config.cli import run
from stages.config.kernels import fix_kernels
from stages.config.student import Student, read_student
from stages.records.files import locked
from stages.records.jsonl import write_text
from stages.records.sequence import iter_sequences
from stages.training.kept import file_hash, token_home

NOTHING = "nothing\n"  # DVC warns of an empty file


def is_kept(settings: Student) -> bool:
    """On policy the teacher is asked while the student is trained."""
    return settings.distil is not None and settings.distil.on_policy is None


def logits_key(sequences: Path, code: Path, arithmetic: str) -> str:
    """All that decides them: the stamp of the code has the blocks' part."""
    key = hashlib.sha256(f"logits {arithmetic}".encode())
    for path in (sequences, code):
        key.update(file_hash(path))
    return key.hexdigest()[:32]


def write_logits(settings: Student, base: Path, sequences: Path, code: Path, out: Path) -> None:
    """The soft labels of both parts' texts, from a folder of finished ones where it has them."""
    if settings.precision == "float32":
        fix_kernels()  # before torch comes
    from stages.students.device import choose_arithmetic, device  # torch takes seconds

    arithmetic, _ = choose_arithmetic(settings.precision, device())
    folder = token_home() / logits_key(sequences, code, arithmetic)
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            from stages.training.teacher import ask_teacher

            settings = settings.model_copy(update={"base": read_pointer(base)[0], "precision": arithmetic})
            ask_teacher(settings, sequences, code, part / "logits.arrow")
            part.replace(folder)
        os.utime(folder)  # it is in use: stages/training/kept.py
        shutil.copyfile(folder / "logits.arrow", out)


def main(
    name: Annotated[str, typer.Argument(metavar="STUDENT", help="A block under `students` in params.yaml.")],
    base: Annotated[Path, typer.Argument(help="data/bases/STUDENT")],
    sequences: Annotated[Path, typer.Argument(help="data/sequences/CELL.jsonl")],
    code: Annotated[Path, typer.Argument(help="data/code/logits-STUDENT: hashes of the code, by check.")],
    out: Annotated[Path, typer.Argument(help="Where the teacher's log-probabilities go (Arrow).")],
) -> None:
    """Ask the model that teaches a student with `distil` what it says at every label."""
    settings = read_student(name)
    some = next(iter_sequences(sequences), None) is not None
    if some and isinstance(settings, Student) and is_kept(settings):
        write_logits(settings, base, sequences, code, out)
    else:
        write_text(out, NOTHING)


if __name__ == "__main__":
    run(main)
