"""Metrics: completions and their examples in, numbers out. Rates are shares of completions between 0 and 1."""

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from stages.records.completion import Completion
from stages.records.example import Example
from stages.text.answers import is_correct, read

GRADED = {
    **{"example_id": pl.String, "sample": pl.Int64, "strict": pl.String, "lenient": pl.String},
    **{
        "formatted": pl.Boolean,
        "correct": pl.Boolean,
        "lenient_correct": pl.Boolean,
        "completed": pl.Boolean,
    },
    **{"words": pl.Int64, "characters": pl.Int64},
}


def grade(completions: Sequence[Completion], examples: Mapping[str, Example]) -> pl.DataFrame:
    """One row per completion, in the order given: what it answers, whether that is right, how it ended and
    how long it is.

    Raises ValueError for a completion of no example.
    """
    rows = []
    for completion in completions:
        if completion.example_id not in examples:
            raise ValueError(
                f"completion of {completion.example_id!r} by {completion.model}: no such example"
            )
        example = examples[completion.example_id]
        options = example.choices or []
        reading = read(
            completion.texts[-1], completion.answer_prefix, example.answer_type, len(options), options
        )
        rows.append(
            {
                "example_id": completion.example_id,
                "sample": completion.sample,
                "strict": reading.strict,
                "lenient": reading.lenient,
                "formatted": reading.formatted,
                "correct": is_correct(reading.strict, example.answer, example.answer_type),
                "lenient_correct": is_correct(reading.lenient, example.answer, example.answer_type),
                "completed": all(reason == "stop" for reason in completion.finish_reasons),
                "words": sum(len(text.split()) for text in completion.texts),
                "characters": sum(len(text.strip()) for text in completion.texts),
            }
        )
    return pl.DataFrame(rows, schema=GRADED)


def rates(graded: pl.DataFrame) -> dict[str, float]:
    """Accuracy by the strict and the lenient reading, and what stands between them. Completion rate: appendix
    E.2, Table 5.
    """
    return graded.select(
        accuracy=pl.col("correct").mean(),
        lenient_accuracy=pl.col("lenient_correct").mean(),
        no_answer_rate=pl.col("strict").is_null().mean(),
        format_rate=pl.col("formatted").mean(),
        completion_rate=pl.col("completed").mean(),
        strict_lenient_disagreement=pl.col("strict").ne_missing(pl.col("lenient")).mean(),
    ).row(0, named=True)


def length(graded: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Mean, median and 90th percentile of a completion's words and characters over all its
    steps (Figure 7).
    """
    column = {unit: pl.col(unit) for unit in ("words", "characters")}
    return {
        unit: (
            graded.select(mean=values.mean(), median=values.median(), p90=values.quantile(0.9, "linear")).row(
                0, named=True
            )
        )
        for unit, values in column.items()
    }


def votes(answers: Sequence[str | None], answer_type: str) -> Counter[str]:
    """How often each answer is given, in order of appearance; equal ones are counted together, under the
    first one's writing.
    """
    counts: Counter[str] = Counter()
    for answer in answers:
        if answer is not None:
            counts[next((other for other in counts if is_correct(answer, other, answer_type)), answer)] += 1
    return counts


def majority(answers: Sequence[str | None], answer_type: str) -> str | None:
    """The answer given most often, equal numbers counted together; the earliest wins a tie; abstentions do
    not vote.
    """
    counts = votes(answers, answer_type).most_common(1)
    return counts[0][0] if counts else None


def majority_correct(graded: pl.DataFrame, examples: Mapping[str, Example]) -> dict[str, bool]:
    """Per example, whether its samples' majority answer is right; with one sample, whether that one is."""
    samples = (
        graded.sort("sample", maintain_order=True).group_by("example_id", maintain_order=True).agg("strict")
    )
    return {
        question: is_correct(
            majority(answers, examples[question].answer_type),
            examples[question].answer,
            examples[question].answer_type,
        )
        for question, answers in samples.iter_rows()
    }


CHANCE = {"number": 0.0, "text": 0.0, "exact": 0.0, "date": 0.0, "latex": 0.0, "yes_no": 1 / 2}


def chance(examples: Sequence[Example]) -> float:
    """Expected accuracy of a uniform guess: 1/choices, 1/2 for yes or no, else 0 (Table 1, "Random")."""
    return sum(
        1 / len(example.choices) if example.choices else CHANCE[example.answer_type] for example in examples
    ) / len(examples)


def train_prior(train: Sequence[str], test: Sequence[str]) -> float:
    """Expected test accuracy of answers drawn from the train part's: sum over answers of p_train * p_test
    ("Random" of Tables 5-8).
    """
    seen = Counter(train)
    return sum(seen[answer] for answer in test) / (len(train) * len(test)) if train else 0.0


def most_frequent(train: Sequence[str], test: Sequence[str]) -> float:
    """Test accuracy of always giving the train part's most frequent answer (the alphabetically first of
    equally frequent ones).
    """
    seen = Counter(sorted(train)).most_common(1)
    return sum(answer == seen[0][0] for answer in test) / len(test) if seen else 0.0
