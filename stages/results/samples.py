"""Several samples of a question: what k of them are expected to achieve, exactly, over all subsets of k of
the n samples.

avg@k is the same for every k: the mean accuracy. pass@k: at least one of k is right (any-of-n at k = n).
maj@k: the answer that most of k give is right (self-consistency over n paths at k = n).
"""

from collections.abc import Mapping
from functools import cache
from math import comb
from typing import Any

import polars as pl

from stages.records.example import Example
from stages.results.metrics import votes
from stages.text.answers import is_correct


def sizes(n: int) -> list[int]:
    """The k that are reported: powers of two up to n, and n."""
    return sorted({1 << power for power in range(n.bit_length())} | {n})


def pass_at(k: int, n: int, right: int) -> float:
    """1 - C(n - right, k) / C(n, k), the unbiased estimate of Chen et al. 2021 (equation 1); whole numbers
    until the last division.
    """
    return 1 - comb(n - right, k) / comb(n, k)


@cache
def chosen(size: int, rivals: tuple[int, ...], silent: int) -> Any:
    """P(an answer wins the vote of k samples), for k = 0 .. n: an array of n + 1.

    `size` of the n samples give the answer, `rivals` each other answer (sorted, so that equal cases are
    counted once), `silent` none: they do not vote. A tie is decided by lot; that is the mean of "the earliest
    wins" over all orders of the samples.
    """
    import numpy

    n = size + sum(rivals) + silent
    others = sum(rivals) + silent
    ways = numpy.zeros(n + 1)
    for votes_for in range(1, size + 1):
        # [drawn, tied]: in how many ways the others cast `drawn` samples, none of them more often than
        # votes_for, `tied` just as often
        count = numpy.zeros((others + 1, len(rivals) + 1))
        count[: silent + 1, 0] = [comb(silent, drawn) for drawn in range(silent + 1)]
        for rival in rivals:
            grown = numpy.zeros_like(count)
            for cast in range(min(rival, votes_for) + 1):
                tied = int(cast == votes_for)
                grown[cast:, tied:] += (
                    comb(rival, cast) * count[: others + 1 - cast, : len(rivals) + 1 - tied]
                )
            count = grown
        ways[votes_for : votes_for + others + 1] += comb(size, votes_for) * (
            count / numpy.arange(1, len(rivals) + 2)
        ).sum(axis=1)
    return ways / numpy.array([float(comb(n, k)) for k in range(n + 1)])


def majority_at(answers: list[str | None], example: Example) -> list[float]:
    """P(the majority of k samples is right), for k = 0 .. n."""
    counts = votes(answers, example.answer_type)
    silent = sum(answer is None for answer in answers)
    total = [0.0] * (len(answers) + 1)
    for answer, size in counts.items():
        if is_correct(answer, example.answer, example.answer_type):
            rivals = sorted(other for name, other in counts.items() if name != answer)
            total = [
                before + odds
                for before, odds in zip(total, chosen(size, tuple(rivals), silent).tolist(), strict=True)
            ]
    return total


def at_k(graded: pl.DataFrame, examples: Mapping[str, Example]) -> dict[str, dict[str, float]]:
    """{k: {"pass": rate, "majority": rate}}, means over the questions, each with the same
    number of samples.
    """
    questions = (
        graded.group_by("example_id", maintain_order=True)
        .agg("strict", pl.col("correct").sum(), n=pl.len())
        .rows()
    )
    n = questions[0][3]
    odds = [majority_at(answers, examples[question]) for question, answers, _, _ in questions]
    return {
        str(k): {
            "pass": sum(pass_at(k, n, right) for _, _, right, _ in questions) / len(questions),
            "majority": sum(odd[k] for odd in odds) / len(questions),
        }
        for k in sizes(n)
    }
