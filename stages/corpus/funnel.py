"""The funnel of a corpus: how many completions went in, what removed how many of them, and what came out."""

from collections import Counter
from collections.abc import Mapping
from statistics import fmean, median, quantiles

from stages.records.completion import UNKNOWN, Completion
from stages.records.example import Example

# The histogram of words: the width of a bar, and where the last one starts (512 tokens are about 400 words).
BAR = 20
LAST_BAR = 400
TOKENS = ("in", "out", "cached")


def row_counts(
    listed: int, before: list[Completion], after: list[Completion], removed: dict[str, int]
) -> dict[str, object]:
    """Rows and questions in and out; `removed` adds up to rows_in - rows_out.

    Unfinished: cut at the teacher's length limit, refused or lost.
    """
    return {
        "rows_in": len(before),
        "rows_in_unfinished": count_unfinished(before),
        "rows_out": len(after),
        "removed": removed,
        "questions_listed": listed,
        "questions_in": len({row.example_id for row in before}),
        "questions_out": len({row.example_id for row in after}),
    }


def count_unfinished(rows: list[Completion]) -> int | None:
    """None where no row tells why it ended: released files do not."""
    untold = rows and all(reason == UNKNOWN for row in rows for reason in row.finish_reasons)
    return None if untold else sum(not row.finished for row in rows)


def questions_below_budget(
    completions: list[Completion], questions: set[str], key: str, budget: int | None
) -> int:
    """How many questions have fewer completions than the budget, the curation's `key`, asks for.

    Raises ValueError if all have: the budget would be a wrong label.
    """
    each = Counter(row.example_id for row in completions)
    short = sum(each[question] < (budget or 0) for question in questions)
    if short and short == len(questions):
        most = max(each.values(), default=0)
        raise ValueError(f"{key} is {budget}, but the teacher gave at most {most} completions a question")
    return short


def paid_once(rows: list[Completion]) -> list[Completion]:
    """Rows without those that hold the very answers of another.

    Two questions with the same text share answers that were paid once.
    """
    seen: set[tuple[tuple[str, int], ...]] = set()
    first = []
    for row in rows:
        answers = tuple((step.key, step.sample) for step in row.steps)
        if not answers or answers not in seen:
            first.append(row)
        seen.add(answers)
    return first


def token_counts(rows: list[Completion]) -> dict[str, int | None]:
    """{"tokens_in", "tokens_out", "tokens_cached"} of the rows that report them, each paid answer once.

    None if no row reports any.
    """
    usages = [row.usage for row in paid_once(rows) if row.usage is not None]
    return {
        f"tokens_{kind}": sum(usage.get(kind, 0) for usage in usages) if usages else None for kind in TOKENS
    }


def length_summary(values: list[int]) -> dict[str, float]:
    """Mean, median and 90th percentile (interpolated between neighbours), of one value at least."""
    last = quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]
    return {"mean": round(fmean(values), 4), "median": median(values), "p90": round(last, 4)}


def corpus_lengths(rows: list[Completion]) -> dict[str, object]:
    """Words and characters of a completion over all its steps (Fine-tune-CoT Figure 7).

    They are measured as a student's are (stages/results/metrics.py). `words_from` is a histogram in steps
    of 20 words, without its empty ones: so many rows have so many words or up to 19 more; "400" is open.
    """
    if not rows:
        return {}
    words = [sum(len(text.split()) for text in row.texts) for row in rows]
    characters = [sum(len(text.strip()) for text in row.texts) for row in rows]
    bars = Counter(min(number // BAR * BAR, LAST_BAR) for number in words)
    return {
        "words": length_summary(words),
        "characters": length_summary(characters),
        "words_from": {f"{start:03}": bars[start] for start in sorted(bars)},
    }


def corpus_counts(rows: list[Completion], examples: Mapping[str, Example]) -> dict[str, object]:
    """What a curated part holds: completions a question, how many are right, and how long they are.

    SCOTT wants wrong ones too, and `label: teacher` trains on none that is without an answer.
    """
    each = Counter(row.example_id for row in rows).values()
    right = sum(row.answer == examples[row.example_id].answer for row in rows)
    unanswered = sum(row.answer is None for row in rows)
    per_question = {"mean": round(fmean(each), 4), "fewest": min(each), "most": max(each)} if each else None
    return {
        "completions_per_question": per_question,
        "right": right,
        "wrong": len(rows) - right - unanswered,
        "without_answer": unanswered,
        "unfinished": count_unfinished(rows),
        "length": corpus_lengths(rows),
        **rationalised_counts(rows),
    }


def rationalised_counts(rows: list[Completion]) -> dict[str, int]:
    """Rows whose teacher had been shown the gold answer; {} where none had."""
    count = sum(row.rationalised for row in rows)
    return {"rationalised": count} if count else {}
