"""How sure a score is: an interval for one, a paired interval and test for two, a correction for several.

Intervals are of level 0.95 unless said otherwise. Two sides are compared on the same examples only: `paired`
lines them up by id.
"""

from collections.abc import Hashable, Mapping, Sequence
from math import sqrt
from statistics import NormalDist, fmean, stdev
from typing import Any, NamedTuple

# with fewer, intervals from resampled clusters are too narrow (Cameron, Gelbach and Miller 2008)
FEWEST_CLUSTERS = 10


def wilson(successes: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for the rate successes/n (Wilson 1927).

    `successes` may be fractional: the mean over several samples or seeds of the same n questions. The samples
    of one question are no independent trials, so they do not add to n. In closed form, as scipy's takes whole
    successes only. Raises ValueError unless 0 <= successes <= n and n >= 1.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(
            f"interval of {successes} successes in {n} trials: wanted 0 <= successes <= n and n >= 1"
        )
    z = NormalDist().inv_cdf((1 + level) / 2)
    rate = successes / n
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * sqrt(rate * (1 - rate) / n + (z / (2 * n)) ** 2) / (1 + z**2 / n)
    # the ends are exact where nothing or everything succeeds: rounding would leave them at -0.0 or 0.9999
    return (0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def mcnemar(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p of McNemar's exact test that two students are equally good on the same examples (1947).

    Entries are 0 or 1 per example, over several seeds the share of them that is right: an example then speaks
    for whoever has more, and the test is the exact sign test. Raises ValueError for lists of different
    lengths.
    """
    if len(first) != len(second):
        raise ValueError(f"paired test: {len(first)} and {len(second)} examples, wanted the same ones")
    wins = sum(a > b for a, b in zip(first, second, strict=True))
    losses = sum(a < b for a, b in zip(first, second, strict=True))
    return binomial(wins, wins + losses)


def binomial(successes: int, n: int, rate: float = 0.5) -> float:
    """Two-sided p of the exact binomial test that the success rate is `rate` (Clopper and Pearson 1934).

    1 where nothing was tried.
    """
    if n == 0 or (rate == 0.5 and 2 * successes == n):
        return 1.0
    from scipy.stats import binomtest  # a second to import, and only comparisons test

    return float(binomtest(successes, n, rate).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, in the given order (Holm 1979).

    The chance of any false alarm among them stays at the level: an adjusted p is the smallest level at
    which the stepwise rule rejects that test. Own lines: scipy has no Holm, and statsmodels would be
    installed for these five alone.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def paired(first: Mapping[str, float], second: Mapping[str, float]) -> tuple[list[float], list[float]]:
    """The scores of both sides in the order of the first one's ids.

    Raises ValueError unless both have the same ids.
    """
    only_first = sorted(first.keys() - second.keys())
    only_second = sorted(second.keys() - first.keys())
    if only_first or only_second:
        raise ValueError(
            f"paired comparison: {len(only_first)} ids on the first side only {only_first[:5]}, "
            f"{len(only_second)} on the second only {only_second[:5]}, wanted the same ids"
        )
    return list(first.values()), [second[one] for one in first]


def paired_bootstrap(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile interval of mean(first) - mean(second) on the same examples (Efron 1979).

    In the units of the scores. Examples are drawn with replacement, both sides of one together. With
    `clusters`, one label per example (its template, its subtask), whole clusters are drawn, as the examples
    of one are not independent; the mean is over the examples drawn. Equal units are interchangeable, so
    what is drawn is how often each distinct one occurs: the bootstrap's own distribution, without a table
    of draws x examples. The ends are estimates from `draws` resamples; the same seed repeats them. Raises
    ValueError for no examples and for lists of different lengths.
    """
    if not len(first) == len(second) == len(first if clusters is None else clusters) or not len(first):
        raise ValueError(
            f"paired bootstrap: {len(first)} and {len(second)} scores, wanted as many, at least one, and one"
            " cluster for each"
        )
    import numpy as np

    difference = np.asarray(first, float) - np.asarray(second, float)
    if clusters is None:
        values, counts = np.unique(difference, return_counts=True)
        units = np.stack([values, np.ones_like(values)], axis=1)
    else:
        place = {label: i for i, label in enumerate(dict.fromkeys(clusters))}
        index = [place[label] for label in clusters]
        units, counts = np.unique(
            np.stack([np.bincount(index, difference), np.bincount(index)], axis=1), axis=0, return_counts=True
        )
    drawn = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), size=draws)
    totals = drawn @ units  # (draws, 2): sum of differences, number of examples
    low, high = np.quantile(totals[:, 0] / totals[:, 1], [0.025, 0.975])
    return float(low), float(high)


class Interval(NamedTuple):
    """A 95 % interval of a difference, and what was resampled for it: "60 questions" or "27 groups"."""

    low: float
    high: float
    over: str


def paired_interval(
    first: Sequence[float], second: Sequence[float], labels: Sequence[Hashable] | None = None
) -> Interval:
    """The paired bootstrap over what may be drawn as independent.

    `labels` has one per question, its contrast pair, task or template; None: unknown. What is drawn is the
    labels' groups; it is the questions where labels are unknown, where each has one question (the same
    thing), and where there are fewer than FEWEST_CLUSTERS. Raises ValueError as `paired_bootstrap` does.
    """
    clusters = labels if labels is not None and FEWEST_CLUSTERS <= len(set(labels)) < len(labels) else None
    over = f"{len(first)} questions" if clusters is None else f"{len(set(clusters))} groups"
    return Interval(*paired_bootstrap(first, second, clusters), over)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation (of a sample: n - 1; 0 for one value), least and largest: a score over seeds.

    Raises ValueError for no values.
    """
    if not values:
        raise ValueError("spread of no values: wanted one per seed")
    return {
        "mean": fmean(values),
        "sd": stdev(values) if len(values) > 1 else 0.0,
        "min": min(values),
        "max": max(values),
    }


def rounded(value: Any) -> Any:
    """Numbers to 4 decimals at any depth: diffs show changes, not noise."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value
