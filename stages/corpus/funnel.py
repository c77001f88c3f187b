"""The funnel of a corpus: how many completions went in, what removed how many of them, and what came out."""

from collections import Counter
from collections.abc import Mapping
from statistics import fmean, median, quantiles

from stages.corpus.filters import finished
from stages.records.completion import Completion
from stages.records.example import Example

BIN, LAST = 20, 400  # words; a rationale of 512 tokens has about 400


def counts(
    listed: int, before: list[Completion], after: list[Completion], removed: dict[str, int]
) -> dict[str, object]:
    """Rows and questions in and out; `removed` adds up to rows_in - rows_out. Unfinished: cut at the
    teacher's length limit, refused or lost.
    """
    questions_in, questions_out = ({row.example_id for row in rows} for rows in (before, after))
    rows = {
        "rows_in": len(before),
        "rows_in_unfinished": len(before) - len(finished(before)),
        "rows_out": len(after),
        "removed": removed,
    }
    return {
        **rows,
        "questions_listed": listed,
        "questions_in": len(questions_in),
        "questions_out": len(questions_out),
    }


def below_budget(completions: list[Completion], questions: set[str], what: str, budget: int | None) -> int:
    """How many questions have fewer completions than the budget asks for. Raises ValueError if all have: D
    would be a wrong label.
    """
    asked = Counter(row.example_id for row in completions)
    short = sum(asked[question] < (budget or 0) for question in questions)
    if short and short == len(questions):
        raise ValueError(
            f"{what} is {budget}, but the teacher gave at most {max(asked.values(), default=0)} completions a"
            " question"
        )
    return short


def spread(values: list[int]) -> dict[str, float]:
    """Mean, median and 90th percentile (interpolated between neighbours), of one value at least."""
    last = quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]
    return {"mean": round(fmean(values), 4), "median": median(values), "p90": round(last, 4)}


def lengths(rows: list[Completion]) -> dict[str, object]:
    """Words and characters of a completion over all its steps, as stages/results/metrics.py measures a
    student's (Fine-tune-CoT Figure 7).

    `words_from` is a histogram in steps of 20 words, without its empty ones: so many rows have so many words
    or up to 19 more; "400" is open.
    """
    if not rows:
        return {}
    words = [sum(len(text.split()) for text in row.texts) for row in rows]
    bins = Counter(min(number // BIN * BIN, LAST) for number in words)
    histogram = {f"{start:03}": bins[start] for start in sorted(bins)}
    return {
        "words": spread(words),
        "characters": spread([sum(len(text.strip()) for text in row.texts) for row in rows]),
        "words_from": histogram,
    }


def corpus(rows: list[Completion], examples: Mapping[str, Example]) -> dict[str, object]:
    """What a curated part holds: how many completions a question, how many of them are right, and how long
    they are.

    SCOTT wants wrong ones too, and `label: teacher` trains on none that is without an answer.
    """
    each = Counter(row.example_id for row in rows).values()
    right = sum(row.answer == examples[row.example_id].answer for row in rows)
    unanswered = sum(row.answer is None for row in rows)
    return {
        "completions_per_question": (
            {"mean": round(fmean(each), 4), "fewest": min(each), "most": max(each)} if each else None
        ),
        **{
            "right": right,
            "wrong": len(rows) - right - unanswered,
            "without_answer": unanswered,
            "unfinished": len(rows) - len(finished(rows)),
        },
        "length": lengths(rows),
    }
