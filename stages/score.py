"""Score: read the answers of a student's predictions and count (Fine-tune-CoT section 4 and appendices C to
E).

In: examples, split, predictions of the test part, and optionally what the teacher says to the same questions.
Out: one cell of the results as JSON. Every test question must have its rows: a lost row would silently change
what is measured.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from stages.config.cli import run
from stages.config.run import AXES
from stages.records.completion import Completion, read_completions
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json
from stages.results.metrics import chance, grade, length, majority_correct, most_frequent, rates, train_prior
from stages.results.samples import at_k
from stages.results.statistics import wilson

# origin of rows by the checkpoint chosen on validation; "epoch <K>" are rows of a kept epoch
SELECTED = "selected"


def check_rows(rows: list[Completion], ids: list[str], what: str) -> None:
    """Raises ValueError unless every id has the same samples 0 .. D-1, once each, and nobody else has any."""
    samples: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        samples[row.example_id].append(row.sample)
    missing = [one for one in ids if one not in samples]
    extra = sorted(samples.keys() - set(ids))
    if missing or extra:
        raise ValueError(
            f"{what}: {len(missing)} test ids without rows {missing[:5]}, {len(extra)} ids that are no test"
            f" ids {extra[:5]}"
        )
    wanted = list(range(len(samples[ids[0]])))
    uneven = {one: samples[one] for one in ids if sorted(samples[one]) != wanted}
    if uneven:
        raise ValueError(
            f"{what}: samples {dict(list(uneven.items())[:5])}, wanted {wanted} for every test id"
        )


def by_origin(rows: list[Completion], ids: list[str], what: str) -> dict[str, list[Completion]]:
    """Rows under their origin, each origin complete. Raises ValueError for unknown origins and where nothing
    is selected.
    """
    groups: dict[str, list[Completion]] = {SELECTED: []}
    for row in rows:
        if row.origin != SELECTED and not re.fullmatch(r"epoch \d+", row.origin):
            raise ValueError(
                f"{what}: {row.example_id!r} has origin {row.origin!r}, wanted {SELECTED!r} or 'epoch"
                " <number>'"
            )
        groups.setdefault(row.origin, []).append(row)
    for origin, group in groups.items():
        check_rows(group, ids, f"{what}, rows {origin!r}")
    return groups


def best_on_test(groups: Mapping[str, list[Completion]], examples: Mapping[str, Example]) -> dict[str, float]:
    """The paper's protocol (appendix A, best test accuracy over epochs), where epochs were kept: optimistic,
    so it has its own name.
    """
    epochs = sorted(int(origin.split()[1]) for origin in groups if origin != SELECTED)
    accuracy = {epoch: rates(grade(groups[f"epoch {epoch}"], examples))["accuracy"] for epoch in epochs}
    if not accuracy:
        return {}
    best = max(accuracy, key=accuracy.__getitem__)
    return {"accuracy_best_test_epoch": accuracy[best], "best_test_epoch": best}


def teacher_accuracy(
    completions: list[Completion], examples: Mapping[str, Example], test: list[str]
) -> dict[str, float | None]:
    """The teacher's first sample on the test part and on all it was asked: the paper prints one number and
    means one of the two.
    """
    first = grade([row for row in completions if row.sample == 0], examples)
    tested = first.filter(pl.col("example_id").is_in(test))
    # null where the teacher was asked none of them
    here = {"teacher_accuracy": rates(tested)["accuracy"], "teacher_n": len(tested)}
    return {**here, "teacher_accuracy_whole": rates(first)["accuracy"], "teacher_n_whole": len(first)}


def by_subtask(graded: pl.DataFrame, test: list[Example]) -> dict[str, Any]:
    """n and accuracy of each of the dataset's tasks, and their mean, each task counting alike; {} for a
    dataset that is one task.
    """
    task_of = {example.id: example.subtask for example in test if example.subtask is not None}
    if not task_of:
        return {}
    tasks = graded.with_columns(
        subtask=pl.col("example_id").replace_strict(task_of, default=None)
    ).drop_nulls("subtask")
    scores = (
        tasks.group_by("subtask")
        .agg(n=pl.col("example_id").n_unique(), accuracy=pl.col("correct").mean())
        .sort("subtask")
    )
    each = {row.pop("subtask"): row for row in scores.to_dicts()}
    return {"subtasks": each, "subtask_average": sum(row["accuracy"] for row in each.values()) / len(each)}


def consistency(right: Mapping[str, bool], test: list[Example]) -> dict[str, float]:
    """The share of contrast sets that are answered right throughout (Gardner et al. 2020), by the majority
    answer where there are several samples.

    A set of which one question alone is in the test part says nothing about consistency and is left out; {}
    without contrast sets.
    """
    sets: dict[str, list[bool]] = defaultdict(list)
    for example in test:
        if example.pair is not None:
            sets[example.pair].append(right[example.id])
    whole = [marks for marks in sets.values() if len(marks) > 1]
    if not whole:
        return {}
    consistent = sum(map(all, whole))
    low, high = wilson(consistent, len(whole))
    return {
        "consistency": consistent / len(whole),
        "consistency_low": low,
        "consistency_high": high,
        "pairs": len(whole),
    }


def cell(
    groups: Mapping[str, list[Completion]], examples: Mapping[str, Example], split: Mapping[str, list[str]]
) -> dict[str, Any]:
    """All numbers of one cell. With several samples a question, accuracy is their mean (avg@n),
    `majority_accuracy` their vote's.
    """
    graded = grade(groups[SELECTED], examples)
    test, train = ([examples[one] for one in split[part]] for part in ("test", "train"))
    numbers: dict[str, Any] = rates(graded)
    low, high = wilson(numbers["accuracy"] * len(test), len(test))
    right = majority_correct(graded, examples)
    samples = len(graded) // len(test)
    if samples > 1:
        numbers |= {"majority_accuracy": sum(right.values()) / len(test), "at_k": at_k(graded, examples)}
    answers = [example.answer for example in train], [example.answer for example in test]
    return {
        **numbers,
        **{
            "accuracy_low": low,
            "accuracy_high": high,
            "n": len(test),
            "samples": samples,
            "n_train": len(train),
            "length": length(graded),
        },
        **{
            "chance": chance(test),
            "train_prior": train_prior(*answers),
            "train_most_frequent": most_frequent(*answers),
        },
        **best_on_test(groups, examples),
        **by_subtask(graded, test),
        **consistency(right, test),
        # in the order of the split's test ids, for paired tests
        "correct": "".join(str(int(right[one.id])) for one in test),
    }


def unseen(test: list[str], learned: Mapping[str, list[str]], what: str) -> int:
    """The number of train questions. Raises ValueError if a test question is one of them or chose the
    checkpoint, as in parts of a mixture.
    """
    known = {*learned["train"], *learned["validation"]}.intersection(test)
    if known:
        raise ValueError(
            f"{what}: the student was trained or chosen on {len(known)} of its {len(test)} test questions,"
            f" first {min(known)}"
        )
    return len(learned["train"])


def rounded(value: Any) -> Any:
    """Numbers to 4 decimals at any depth: diffs show changes, not noise."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def show(rows: list[Completion], examples: Mapping[str, Example], count: int) -> None:
    """Print mistakes, those first on which the strict and the lenient reading disagree."""
    graded = (
        grade(rows, examples)
        .with_row_index()
        .with_columns(differ=pl.col("strict").ne_missing(pl.col("lenient")))
    )
    worst = graded.filter(pl.col("differ") | ~pl.col("correct")).sort(
        "differ", descending=True, maintain_order=True
    )
    for row in worst.head(count).iter_rows(named=True):
        example = examples[row["example_id"]]
        completion = rows[row["index"]]
        name = f"{example.id} ({example.subtask})" if example.subtask else example.id
        typer.echo(
            f"--- {name} sample {row['sample']}: gold {example.answer!r}, strict {row['strict']!r}, lenient"
            f" {row['lenient']!r}"
        )
        typer.echo("\n".join([example.question, *completion.texts]))


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
    teacher: Annotated[str | None, typer.Option(help="None for a baseline.")] = None,
    curation: Annotated[str | None, typer.Option(help="None for a baseline.")] = None,
    target: Annotated[
        str | None, typer.Option(help="What it is asked, if it learned another dataset.")
    ] = None,
    teacher_completions: Annotated[
        Path | None, typer.Option(help="What the teacher says, for its accuracy on the same questions.")
    ] = None,
    learned: Annotated[
        Path | None,
        typer.Option(help="The split that the student learned from, if that is another dataset's."),
    ] = None,
    peek: Annotated[int, typer.Option("--show", help="Print this many mistakes instead of writing.")] = 0,
) -> None:
    """Score one cell of the grid."""
    by_id = {example.id: example for example in read_examples(examples_file)}
    parts = json.loads(split_file.read_text(encoding="utf-8") or "{}")
    if not parts.get("test"):
        raise ValueError(f"{split_file}: no test ids, nothing to score")
    groups = by_origin(read_completions(predictions), parts["test"], str(predictions))
    if peek:
        return show(groups[SELECTED], by_id, peek)
    scores = cell(groups, by_id, parts)
    if teacher_completions:
        scores |= teacher_accuracy(read_completions(teacher_completions), by_id, parts["test"])
    if learned:
        known = json.loads(learned.read_text(encoding="utf-8"))
        scores["n_train"] = unseen(parts["test"], known, str(split_file))
    axes = (dataset, split, teacher, curation, method, student, seed, target)
    write_json(out, rounded(scores) | dict(zip(AXES, axes, strict=True)))


if __name__ == "__main__":
    run(main)
