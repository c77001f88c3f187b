"""Usage: the tokens of completions, each paid answer counted once."""

from stages.records.completion import Completion

TOKENS = ("in", "out", "cached")


def once(rows: list[Completion]) -> list[Completion]:
    """Rows without those that hold the very answers of another: two questions with the same text share
    answers that were paid once.
    """
    seen: set[tuple[tuple[str, int], ...]] = set()
    first = []
    for row in rows:
        answers = tuple((step.key, step.sample) for step in row.steps)
        if not answers or answers not in seen:
            first.append(row)
        seen.add(answers)
    return first


def tokens(rows: list[Completion]) -> dict[str, int | None]:
    """{"tokens_in", "tokens_out", "tokens_cached"} of the rows that report them; null if none does."""
    told = [row.usage for row in once(rows) if row.usage is not None]
    return {f"tokens_{name}": sum(usage.get(name, 0) for usage in told) if told else None for name in TOKENS}
