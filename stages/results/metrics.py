"""Metrics: completions and their examples in, numbers out. Rates are shares of completions, from 0 to 1."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from stages.records.completion import Completion
from stages.records.example import Example
from stages.results.statistics import wilson
from stages.text.answer_types import rules_of
from stages.text.answers import is_correct, reading_of

GRADED = {
    "example_id": pl.String,
    "sample": pl.Int64,
    "strict": pl.String,
    "lenient": pl.String,
    "formatted": pl.Boolean,
    "correct": pl.Boolean,
    "lenient_correct": pl.Boolean,
    "completed": pl.Boolean,
    "words": pl.Int64,
    "characters": pl.Int64,
    "tokens": pl.Int64,  # as the model counts them; null where it does not tell
}


def grade(completions: Sequence[Completion], examples: Mapping[str, Example]) -> pl.DataFrame:
    """One row per completion, in the order given: its answer, whether it is right, its end and its length.

    Raises ValueError for a completion of no example.
    """
    rows = []
    for completion in completions:
        if completion.example_id not in examples:
            raise ValueError(
                f"completion of {completion.example_id!r} by {completion.model}: no such example"
            )
        example = examples[completion.example_id]
        reading = reading_of(completion, example)
        rows.append(
            {
                "example_id": completion.example_id,
                "sample": completion.sample,
                "strict": reading.strict,
                "lenient": reading.lenient,
                "formatted": reading.formatted,
                "correct": is_correct(reading.strict, example.answer, example.answer_type),
                "lenient_correct": is_correct(reading.lenient, example.answer, example.answer_type),
                "completed": completion.finished,
                "words": sum(len(text.split()) for text in completion.texts),
                "characters": sum(len(text.strip()) for text in completion.texts),
                "tokens": completion.usage and completion.usage["out"],
            }
        )
    return pl.DataFrame(rows, schema=GRADED)


def rates(graded: pl.DataFrame) -> dict[str, float]:
    """Accuracy by the strict and the lenient reading, and what stands between them.

    The completion rate is that of Fine-tune-CoT's appendix E.2, Table 5.
    """
    return graded.select(
        accuracy=pl.col("correct").mean(),
        lenient_accuracy=pl.col("lenient_correct").mean(),
        no_answer_rate=pl.col("strict").is_null().mean(),
        format_rate=pl.col("formatted").mean(),
        completion_rate=pl.col("completed").mean(),
        strict_lenient_disagreement=pl.col("strict").ne_missing(pl.col("lenient")).mean(),
    ).row(0, named=True)


def lengths(graded: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Mean, median and 90th percentile of words and characters over all steps (Fine-tune-CoT, Figure 7).

    Of tokens too where all completions tell them: hosted models do.
    """

    def spread(unit: str) -> dict[str, float]:
        values = pl.col(unit)
        numbers = {"mean": values.mean(), "median": values.median(), "p90": values.quantile(0.9, "linear")}
        return graded.select(**numbers).row(0, named=True)

    told = () if graded["tokens"].null_count() else ("tokens",)
    return {unit: spread(unit) for unit in ("words", "characters", *told)}


def by_subtask(graded: pl.DataFrame, test: list[Example]) -> dict[str, Any]:
    """n and accuracy of each of the dataset's tasks, and their mean, each task counting alike.

    {} for a dataset that is one task.
    """
    task_of = {example.id: example.subtask for example in test if example.subtask is not None}
    if not task_of:
        return {}
    subtask = pl.col("example_id").replace_strict(task_of, default=None)
    by_task = graded.with_columns(subtask=subtask).drop_nulls("subtask").group_by("subtask")
    scores = by_task.agg(n=pl.col("example_id").n_unique(), accuracy=pl.col("correct").mean()).sort("subtask")
    tasks = {row.pop("subtask"): row for row in scores.to_dicts()}
    average = sum(row["accuracy"] for row in tasks.values()) / len(tasks)
    return {"subtasks": tasks, "subtask_average": average}


def consistency(right: Mapping[str, bool], test: list[Example]) -> dict[str, float]:
    """The share of contrast sets that are answered right throughout (Gardner et al. 2020).

    By the majority answer where there are several samples. A set of which one question alone is in the test
    part says nothing about consistency and is left out; {} without contrast sets.
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


def chance(examples: Sequence[Example]) -> float:
    """Expected accuracy of a uniform guess: 1/choices, else that of the answer type (Table 1, "Random")."""
    return sum(
        1 / len(example.choices) if example.choices else rules_of(example.answer_type).chance
        for example in examples
    ) / len(examples)


def train_prior(train: Sequence[str], test: Sequence[str]) -> float:
    """Expected test accuracy of answers drawn from the train part's.

    The sum over answers of p_train * p_test ("Random" of Fine-tune-CoT's Tables 5 to 8).
    """
    seen = Counter(train)
    return sum(seen[answer] for answer in test) / (len(train) * len(test)) if train else 0.0


def most_frequent(train: Sequence[str], test: Sequence[str]) -> float:
    """Test accuracy of always giving the train part's most frequent answer, of equals the first in order."""
    seen = Counter(sorted(train)).most_common(1)
    return sum(answer == seen[0][0] for answer in test) / len(test) if seen else 0.0
