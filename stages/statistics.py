"""How sure a score is: an interval for one, an exact paired test for two, a correction for several tests."""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist


def wilson(successes: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for the rate successes/n (Wilson 1927), in closed form: scipy's takes whole successes only.

    `successes` may be fractional: the mean over several samples or seeds of the same n questions. The samples of one question are no
    independent trials, so they do not add to n. Raises ValueError unless 0 <= successes <= n and n >= 1.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"interval of {successes} successes in {n} trials: wanted 0 <= successes <= n and n >= 1")
    z = NormalDist().inv_cdf((1 + level) / 2)
    rate = successes / n
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * sqrt(rate * (1 - rate) / n + (z / (2 * n)) ** 2) / (1 + z**2 / n)
    return (0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def mcnemar(first: Sequence[int], second: Sequence[int]) -> float:
    """Two-sided p of McNemar's exact test that two students are equally good on the same examples (McNemar 1947).

    Entries are 0 or 1 per example; over several seeds they are counts, an example then speaks for whoever has more, and the test
    is the exact sign test. Raises ValueError for lists of different lengths.
    """
    if len(first) != len(second):
        raise ValueError(f"paired test: {len(first)} and {len(second)} examples, wanted the same ones")
    wins = sum(a > b for a, b in zip(first, second, strict=True))
    losses = sum(a < b for a, b in zip(first, second, strict=True))
    if wins == losses:
        return 1.0
    from scipy.stats import binomtest  # a second to import, and only the summary tests pairs

    return float(binomtest(wins, wins + losses).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, in the given order: the chance of any false alarm among them stays at the level (Holm 1979)."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
