"""Voting: several samples of a question, their vote, and what k of the n are expected to achieve.

Exactly, over all subsets of k samples. avg@k is the same for every k: the mean accuracy. pass@k: at least
one of k is right (any-of-n at k = n). maj@k: the answer that most of k give is right (self-consistency over
n paths at k = n).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations
from math import comb
from typing import Any

import polars as pl

from stages.records.example import Example
from stages.text.answers import is_correct


def count_votes(answers: Sequence[str | None], answer_type: str) -> Counter[str]:
    """How often each answer is given, in order of appearance; abstentions do not vote.

    Equal answers are counted together, under the first one's writing. A writing that equals two answers which
    do not equal each other, as 50\\% does 50 and 0.5, is counted with the one that more have given, of as
    many with the earlier.
    """
    given = Counter(answer for answer in answers if answer is not None)
    equals = {answer: {answer} for answer in given}
    for one, two in combinations(given, 2):
        if equal_either_way(one, two, answer_type):
            equals[one].add(two)
            equals[two].add(one)
    between = [one for one in given if any(not equals[one] <= equals[two] for two in equals[one])]
    clear = [one for one in given if one not in between]
    votes = Counter({one: given[one] for one in clear})
    for one in clear:
        first = next(two for two in clear if two in equals[one])
        if first != one:
            votes[first] += votes.pop(one)
    settled = Counter(votes)
    for one in between:
        near = [two for two in settled if two in equals[one]]
        votes[max(near, key=settled.__getitem__, default=one)] += given[one]
    return Counter({one: votes[one] for one in given if one in votes})


def equal_either_way(first: str, second: str, answer_type: str) -> bool:
    return is_correct(first, second, answer_type) or is_correct(second, first, answer_type)


def majority(answers: Sequence[str | None], answer_type: str) -> str | None:
    """The answer given most often, of equally frequent ones the earliest; None where none is given."""
    winner = count_votes(answers, answer_type).most_common(1)
    return winner[0][0] if winner else None


def majority_correct(graded: pl.DataFrame, examples: Mapping[str, Example]) -> dict[str, bool]:
    """Per example, whether its samples' majority answer is right; with one sample, whether that one is."""
    in_order = graded.sort("sample", maintain_order=True)
    answers = in_order.group_by("example_id", maintain_order=True).agg("strict")

    def right(example: Example, given: list[str | None]) -> bool:
        return is_correct(majority(given, example.answer_type), example.answer, example.answer_type)

    return {question: right(examples[question], given) for question, given in answers.iter_rows()}


def reported_sizes(n: int) -> list[int]:
    """The k that are reported of n samples: powers of two up to n, and n."""
    return sorted({1 << power for power in range(n.bit_length())} | {n})


def pass_at(k: int, n: int, right: int) -> float:
    """1 - C(n - right, k) / C(n, k): the unbiased estimate of Chen et al. 2021 (equation 1).

    In whole numbers until the last division.
    """
    return 1 - comb(n - right, k) / comb(n, k)


@cache
def winning_odds(size: int, rivals: tuple[int, ...], silent: int) -> Any:
    """P(an answer wins the vote of k samples), for k = 0 .. n: an array of n + 1.

    `size` of the n samples give the answer, `rivals` each other answer (sorted, so that equal cases are
    counted once), `silent` none: they do not vote. A tie is decided by lot; that is the mean of "the
    earliest wins" over all orders of the samples.
    """
    import numpy

    others = sum(rivals) + silent
    n = size + others
    ways = numpy.zeros(n + 1)
    for won in range(1, size + 1):
        # [drawn, tied]: in how many ways the others cast `drawn` samples, none of them more often than `won`,
        # `tied` just as often
        count = numpy.zeros((others + 1, len(rivals) + 1))
        count[: silent + 1, 0] = [comb(silent, drawn) for drawn in range(silent + 1)]
        for rival in rivals:
            grown = numpy.zeros_like(count)
            for cast in range(min(rival, won) + 1):
                tied = int(cast == won)
                before = count[: others + 1 - cast, : len(rivals) + 1 - tied]
                grown[cast:, tied:] += comb(rival, cast) * before
            count = grown
        lots = numpy.arange(1, len(rivals) + 2)  # one winner among so many that are level
        ways[won : won + others + 1] += comb(size, won) * (count / lots).sum(axis=1)
    return ways / numpy.array([float(comb(n, k)) for k in range(n + 1)])


def majority_odds(answers: Sequence[str | None], example: Example) -> list[float]:
    """P(the majority of k samples is right), for k = 0 .. n."""
    votes = count_votes(answers, example.answer_type)
    silent = sum(answer is None for answer in answers)
    total = [0.0] * (len(answers) + 1)
    for answer, size in votes.items():
        if is_correct(answer, example.answer, example.answer_type):
            rivals = sorted(other for name, other in votes.items() if name != answer)
            odds = winning_odds(size, tuple(rivals), silent).tolist()
            total = [before + more for before, more in zip(total, odds, strict=True)]
    return total


def at_k(graded: pl.DataFrame, examples: Mapping[str, Example]) -> dict[str, dict[str, float]]:
    """{k: {"pass": rate, "majority": rate}}, means over the questions, each with as many samples."""
    by_question = graded.group_by("example_id", maintain_order=True)
    questions = by_question.agg("strict", right=pl.col("correct").sum(), n=pl.len()).to_dicts()
    n = questions[0]["n"]
    odds = [majority_odds(row["strict"], examples[row["example_id"]]) for row in questions]
    return {
        str(k): {
            "pass": sum(pass_at(k, n, row["right"]) for row in questions) / len(questions),
            "majority": sum(odd[k] for odd in odds) / len(questions),
        }
        for k in reported_sizes(n)
    }
