"""Bands: questions by the share of their samples that is right, completions by how long they are."""

from collections.abc import Callable, Mapping

from stages.config.choosing import Length, pinned
from stages.corpus.filters import keep_correct, rationale_learned
from stages.records.completion import Completion, without_counterfactuals
from stages.records.example import Example

Measure = Callable[[Completion], int]


def right_share(rows: list[Completion], examples: Mapping[str, Example]) -> float | None:
    """Of one question's rows the share that is right; None where no row says anything of that.

    A row without an answer, or cut before one, is not right. A sample that failed left no row and counts in
    neither number; so do those whose teacher was told an answer, the gold one or a wrong one.
    """
    own = [row for row in without_counterfactuals(rows) if not row.rationalised]
    return len(keep_correct(own, examples)) / len(own) if own else None


def keep_rated(rows: list[Completion], examples: Mapping[str, Example]) -> list[Completion]:
    """One question's rows, or none of them where no share of right ones is known."""
    return [] if right_share(rows, examples) is None else rows


def keep_by_rate(
    rows: list[Completion], examples: Mapping[str, Example], least: float = 0.0, most: float = 1.0
) -> list[Completion]:
    """One question's rows, or none of them where the share of right ones is beyond `least` and `most`."""
    share = right_share(rows, examples)
    return rows if share is not None and least <= share <= most else []


def measure_of(length: Length, train_on: str, where: str) -> Measure:
    """How long a completion is, in the block's unit. `where`: the block. Raises ValueError for a tokenizer
    that is not there or is another.
    """
    if length.unit == "usage":
        return tokens_counted
    if length.tokenizer is None:
        return lambda row: len(rationale_learned(row, train_on).split())
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(pinned(length.tokenizer, f"{where}.tokenizer")))
    return lambda row: len(tokenizer.encode(rationale_learned(row, train_on), add_special_tokens=False).ids)


def tokens_counted(row: Completion) -> int:
    """Tokens that the teacher wrote, all steps together. Raises ValueError where its server told none."""
    if row.usage is None:
        raise ValueError(
            f"length in `usage`: {row.example_id} sample {row.sample} of {row.model!r} tells no tokens;"
            " wanted them of every completion: say `unit: words`, or `unit: tokens` with a tokenizer"
        )
    return row.usage["out"]


def keep_long(rows: list[Completion], measure: Measure, least: int) -> list[Completion]:
    return [row for row in rows if measure(row) >= least]


def keep_short(rows: list[Completion], measure: Measure, most: int | None) -> list[Completion]:
    return [row for row in rows if most is None or measure(row) <= most]
