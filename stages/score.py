"""Score: read the answers of a student's predictions and count.

In: examples, split, predictions of the test part, and optionally what the teacher says to the same questions.
Out: one cell of the results as JSON. Every test question must have its rows: a lost row would silently change
what is measured. Source: Fine-tune-CoT section 4 and appendices C to E.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from stages.config.cli import run
from stages.config.run import Axes, as_fields
from stages.config.visible import visible
from stages.records.completion import Completion, read_completions, readers_of, without_counterfactuals
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json
from stages.results.metrics import (
    by_subtask,
    chance,
    consistency,
    grade,
    lengths,
    most_frequent,
    rates,
    train_prior,
)
from stages.results.predictions import SELECTED, by_origin
from stages.results.statistics import rounded, wilson
from stages.results.voting import at_k, majority_correct

CONTAMINATION = ("equal_rows", "ngram_rows")  # what a transfer says of its test questions


def best_on_test(groups: Mapping[str, list[Completion]], examples: Mapping[str, Example]) -> dict[str, Any]:
    """The paper's protocol, where epochs were kept: best test accuracy over epochs (appendix A), and each.

    Optimistic, so it has its own name; {} where no epoch was kept.
    """
    epochs = sorted(int(origin.split()[1]) for origin in groups if origin != SELECTED)
    accuracy = {epoch: rates(grade(groups[f"epoch {epoch}"], examples))["accuracy"] for epoch in epochs}
    if not accuracy:
        return {}
    best = max(accuracy, key=accuracy.__getitem__)
    return {
        "accuracy_best_test_epoch": accuracy[best],
        "best_test_epoch": best,
        "epochs": {
            str(epoch): {"accuracy": value, "n": len({row.example_id for row in groups[f"epoch {epoch}"]})}
            for epoch, value in accuracy.items()
        },
    }


def teacher_accuracy(
    completions: list[Completion], examples: Mapping[str, Example], test: list[str]
) -> dict[str, float | None]:
    """The teacher's first sample on the test part and on all it was asked; None where it was asked nothing.

    The paper prints one number and means one of the two.
    """
    first = grade([row for row in completions if row.sample == 0], examples)
    tested = first.filter(pl.col("example_id").is_in(test))
    return {
        "teacher_accuracy": rates(tested)["accuracy"],
        "teacher_n": len(tested),
        "teacher_accuracy_whole": rates(first)["accuracy"],
        "teacher_n_whole": len(first),
    }


def voted(graded: pl.DataFrame, right: Mapping[str, bool], examples: Mapping[str, Example]) -> dict[str, Any]:
    """The majority's accuracy and what k of the samples achieve; {} for one sample a question."""
    if len(graded) == len(right):
        return {}
    return {"majority_accuracy": sum(right.values()) / len(right), "at_k": at_k(graded, examples)}


def score_cell(
    groups: Mapping[str, list[Completion]], examples: Mapping[str, Example], split: Mapping[str, list[str]]
) -> dict[str, Any]:
    """All numbers of one cell. With several samples a question, accuracy is their mean (avg@n)."""
    test = [examples[one] for one in split["test"]]
    train_answers = [examples[one].answer for one in split["train"]]
    test_answers = [example.answer for example in test]
    graded = grade(groups[SELECTED], examples)
    right = majority_correct(graded, examples)
    shares = rates(graded)
    cut = sum(row.prompt_cut for row in groups[SELECTED])
    low, high = wilson(shares["accuracy"] * len(test), len(test))
    return {
        "reader": readers_of(groups[SELECTED]),
        **shares,
        "accuracy_low": low,
        "accuracy_high": high,
        "n": len(test),
        "samples": len(graded) // len(test),
        "n_train": len(train_answers),
        "length": lengths(graded),
        "chance": chance(test),
        "train_prior": train_prior(train_answers, test_answers),
        "train_most_frequent": most_frequent(train_answers, test_answers),
        **voted(graded, right, examples),
        **best_on_test(groups, examples),
        **by_subtask(graded, test),
        **consistency(right, test),
        **({"completions_with_prompt_cut": cut} if cut else {}),
        # in the order of the split's test ids, for paired tests
        "correct": "".join(str(int(right[one.id])) for one in test),
    }


def count_learned(test: list[str], learned: Mapping[str, list[str]], what: str) -> int:
    """The number of train questions.

    Raises ValueError if a test question is one of them or chose the checkpoint, as in parts of a mixture.
    """
    known = {*learned["train"], *learned["validation"]}.intersection(test)
    if known:
        raise ValueError(
            f"{what}: the student was trained or chosen on {len(known)} of its {len(test)} test questions,"
            f" first {min(known)}"
        )
    return len(learned["train"])


def print_mistakes(rows: list[Completion], examples: Mapping[str, Example], count: int) -> None:
    """Print mistakes, those first on which the strict and the lenient reading disagree."""
    differ = pl.col("strict").ne_missing(pl.col("lenient"))
    graded = grade(rows, examples).with_row_index().with_columns(differ=differ)
    mistakes = graded.filter(pl.col("differ") | ~pl.col("correct"))
    worst = mistakes.sort("differ", descending=True, maintain_order=True)
    for row in worst.head(count).iter_rows(named=True):
        example = examples[row["example_id"]]
        name = f"{example.id} ({example.subtask})" if example.subtask else example.id
        readings = f"strict {row['strict']!r}, lenient {row['lenient']!r}"
        typer.echo(f"--- {name} sample {row['sample']}: gold {example.answer!r}, {readings}")
        typer.echo(visible("\n".join([example.question, *rows[row["index"]].texts])))


def read_inputs(
    examples: Path, split: Path, predictions: Path
) -> tuple[dict[str, list[Completion]], dict[str, Example], dict[str, list[str]]]:
    """What `score_cell` takes, in its order. Raises ValueError for a split without test ids."""
    parts = json.loads(split.read_text(encoding="utf-8") or "{}")
    if not parts.get("test"):
        raise ValueError(f"{split}: no test ids, nothing to score")
    groups = by_origin(read_completions(predictions), parts["test"], str(predictions))
    return groups, {example.id: example for example in read_examples(examples)}, parts


def show_mistakes(examples: Path, split: Path, predictions: Path, count: int) -> None:
    """Print `count` mistakes of a student."""
    groups, by_id, _ = read_inputs(examples, split, predictions)
    print_mistakes(groups[SELECTED], by_id, count)


def main(
    examples_file: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split_file: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    predictions: Annotated[Path, typer.Argument(help="Completions of the test questions.")],
    out: Annotated[Path, typer.Argument(help="Where the cell's numbers go (JSON).")],
    dataset: Annotated[str, typer.Option(help="What the student learned; this and all axes go to OUT.")],
    split: Annotated[str, typer.Option()],
    method: Annotated[str, typer.Option()],
    student: Annotated[str, typer.Option()],
    seed: Annotated[int, typer.Option()],
    decoding: Annotated[str, typer.Option()],
    teacher: Annotated[str | None, typer.Option(help="None for a baseline.")] = None,
    curation: Annotated[str | None, typer.Option(help="None for a baseline.")] = None,
    target: Annotated[
        str | None, typer.Option(help="What it is asked, if it learned another dataset.")
    ] = None,
    mentor: Annotated[str | None, typer.Option(help="Whose rationales joined the teacher's.")] = None,
    first: Annotated[str | None, typer.Option(help="The method of the training before this one.")] = None,
    teacher_completions: Annotated[
        Path | None, typer.Option(help="What the teacher says, for its accuracy on the same questions.")
    ] = None,
    learned: Annotated[
        Path | None,
        typer.Option(help="The split that the student learned from, if that is another dataset's."),
    ] = None,
    contamination: Annotated[
        Path | None,
        typer.Option(help="metrics/contamination/..., what it had read of the target's questions."),
    ] = None,
) -> None:
    """Score one cell of the grid."""
    groups, by_id, parts = read_inputs(examples_file, split_file, predictions)
    scores = score_cell(groups, by_id, parts)
    if teacher_completions:
        said = without_counterfactuals(read_completions(teacher_completions))
        scores |= teacher_accuracy(said, by_id, parts["test"])
        scores["teacher_reader"] = readers_of(said)
        if shown := sum(row.rationalised for row in said):
            scores["teacher_rationalised"] = shown / len(said)
    if learned:
        own_parts = json.loads(learned.read_text(encoding="utf-8"))
        scores["n_train"] = count_learned(parts["test"], own_parts, str(split_file))
    if contamination:
        facts = json.loads(contamination.read_text(encoding="utf-8"))
        scores["contamination"] = {name: facts[name] for name in CONTAMINATION}
    axes: Axes = {
        "dataset": dataset,
        "split": split,
        "teacher": teacher,
        "curation": curation,
        "method": method,
    }
    axes |= {"student": student, "seed": seed, "mentor": mentor, "first": first, "decoding": decoding}
    write_json(out, rounded(scores) | as_fields({**axes, "target": target}))


if __name__ == "__main__":
    run(main)
