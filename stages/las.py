"""LAS: does a student's rationale help another model to foresee the student's answer? (CasCoD section 4.6,
equation 8, Table 2)

LAS = Acc(q, r' -> a') - Acc(q -> a'), over the test questions that the student answered: a' is its answer,
right or wrong, r' its rationale without the answer. In: examples, split, demonstrations (for the task's
description), predictions. Out: both accuracies and their difference as JSON.
Differs: Hase et al. (2020), who named it, average over rationales that leak the answer and those that do not;
CasCoD's equation, and this, do not (difference 42).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from stages.config.cli import run
from stages.config.run import Axes, as_fields
from stages.corpus.leakage import cluster_label
from stages.judging.simulate import simulate
from stages.records.completion import Completion, read_completions
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json
from stages.results.predictions import SELECTED, by_origin
from stages.results.statistics import paired_interval, rounded
from stages.text.answers import is_correct, read_answer, reading_of
from stages.text.rationale import judged_rationale


class Answered(NamedTuple):
    """A question that the student answered."""

    example: Example
    answer: str  # a', as it is scored
    rationale: str  # r'; "" where the student gave none


def answered(rows: list[Completion], examples: Mapping[str, Example]) -> list[Answered]:
    """The first samples with an answer: there is nothing to foresee where the student gave none."""
    first = [(examples[row.example_id], row) for row in rows if row.sample == 0]
    return [
        Answered(example, answer, judged_rationale(row))
        for example, row in first
        if (answer := reading_of(row, example).strict) is not None
    ]


def foreseen(reply: str | None, row: Answered) -> bool:
    """Whether a simulator's words, read as a person would, name the student's answer."""
    reading = read_answer(reply or "", "", row.example.answer_type, row.example.choices or [])
    return is_correct(reading.lenient, row.answer, row.example.answer_type)


def las_numbers(
    rows: list[Answered],
    alone: list[str | None],
    aided: list[str | None],
    questions: int,
    labels: list[str] | None = None,
) -> dict[str, Any]:
    """Counts, both accuracies, LAS and its paired-bootstrap interval, as shares between -1 and 1; null
    without any rationale.

    `las_over` says what was resampled: the questions, or the groups that `labels`, one for each row, name
    (statistics.paired_interval). `alone` has what the simulator said to each question, `aided` what it said
    to each question with a rationale, in the same order. A question without a rationale counts with its
    answer to the question alone, twice: no rationale is no help.
    """
    counts = {"n": len(rows), "unanswered": questions - len(rows), "with_rationale": len(aided)}
    if not aided:
        return {
            **counts,
            "accuracy_question": None,
            "accuracy_rationale": None,
            "las": None,
            "las_low": None,
            "las_high": None,
            "las_over": None,
        }
    without = [foreseen(reply, row) for reply, row in zip(alone, rows, strict=True)]
    helped = iter(aided)
    given = [
        foreseen(next(helped), row) if row.rationale else same
        for row, same in zip(rows, without, strict=True)
    ]
    interval = paired_interval(given, without, labels)._asdict()
    first = sum(given) / len(rows)
    second = sum(without) / len(rows)
    accuracies = {"accuracy_question": second, "accuracy_rationale": first, "las": first - second}
    return {**counts, **accuracies, **{f"las_{name}": found for name, found in interval.items()}}


def read_answered(examples: Path, split: Path, predictions: Path) -> tuple[list[Answered], dict[str, Any]]:
    """What a student answered of the test questions, and the split.

    Raises ValueError for a split of other examples.
    """
    parts = json.loads(split.read_text(encoding="utf-8"))
    by_id = {example.id: example for example in read_examples(examples)}
    test = parts["test"]
    if unknown := [one for one in test if one not in by_id]:
        raise ValueError(
            f"{split}: {len(unknown)} of {len(test)} test ids are not in {examples}, first {unknown[0]!r}"
        )
    return answered(by_origin(read_completions(predictions), test, str(predictions))[SELECTED], by_id), parts


def questions_to_ask(rows: list[Answered]) -> list[tuple[Example, str]]:
    """Every question alone, then with its rationale where there is one. A student that never reasons needs no
    simulator: nothing.
    """
    reasoned = [(row.example, row.rationale) for row in rows if row.rationale]
    return [*((row.example, "") for row in rows), *reasoned] if reasoned else []


def main(
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split_file: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    demonstrations: Annotated[Path, typer.Argument(help="data/demonstrations/DATASET.txt")],
    predictions: Annotated[Path, typer.Argument(help="Completions of the test questions.")],
    out: Annotated[Path, typer.Argument(help="Where the numbers go (JSON).")],
    dataset: Annotated[str, typer.Option(help="What the student learned; this and all axes go to OUT.")],
    split: Annotated[str, typer.Option()],
    teacher: Annotated[str, typer.Option()],
    curation: Annotated[str, typer.Option()],
    method: Annotated[str, typer.Option()],
    student: Annotated[str, typer.Option()],
    seed: Annotated[int, typer.Option()],
    decoding: Annotated[str, typer.Option()],
    simulator: Annotated[str, typer.Option(help="A block under `simulators` in params.yaml.")],
) -> None:
    """How faithful a student's rationales are to its answers."""
    rows, parts = read_answered(examples, split_file, predictions)
    replies = simulate(simulator, questions_to_ask(rows), demonstrations.read_text(encoding="utf-8"))
    alone = replies[: len(rows)]
    aided = replies[len(rows) :]
    labels = [cluster_label(row.example, parts["templates"][row.example.id]) for row in rows]
    axes: Axes = {
        "dataset": dataset,
        "split": split,
        "teacher": teacher,
        "curation": curation,
        "method": method,
    }
    axes |= {"student": student, "seed": seed, "decoding": decoding}
    found = rounded(las_numbers(rows, alone, aided, len(parts["test"]), labels))
    write_json(out, {**found, **as_fields(axes), "simulator": simulator})


if __name__ == "__main__":
    run(main)
