"""Intervals and tests against numbers worked out by hand and against scipy."""

import itertools
import random
from fractions import Fraction
from statistics import NormalDist, fmean, stdev

import pytest
from scipy.stats import binomtest, bootstrap

from stages.results.statistics import (
    FEWEST_CLUSTERS,
    binomial,
    holm,
    mcnemar,
    paired,
    paired_bootstrap,
    paired_interval,
    spread,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),  # z^2 / (n + z^2) = 3.8415 / 13.8415
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (1, 1, 0.2065, 1.0),
        (81, 263, 0.2553, 0.3662),  # 81/263: a textbook case, Newcombe 1998
    ],
)
def test_wilson_by_hand(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_ends_are_exact_where_nothing_or_everything_succeeds():
    """In the closed form rounding leaves them a little off, of 0 even as "-0.0" in a table."""
    for n in range(1, 400):
        low, _ = wilson(0, n)
        _, high = wilson(n, n)
        assert (str(low), high) == ("0.0", 1.0), n


def test_wilson_equals_scipy():
    for n in (1, 2, 7, 150, 1319):
        for successes in {0, 1, n // 3, n // 2, n - 1, n}:
            for level in (0.9, 0.95):
                theirs = binomtest(successes, n).proportion_ci(level, method="wilson")
                assert wilson(successes, n, level) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_takes_means_of_several_samples():
    low, high = wilson(4.5, 10)
    assert wilson(4, 10)[0] < low < wilson(5, 10)[0]
    assert wilson(4, 10)[1] < high < wilson(5, 10)[1]


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes, n):
    with pytest.raises(ValueError, match=f"{successes} successes in {n} trials"):
        wilson(successes, n)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        ("11111", "11111", 1.0),  # nothing differs
        ("1111111111", "0000000000", 2 / 1024),
        ("11110", "00001", 2 * (1 + 5) / 32),  # 4 wins, 1 loss
        ("10", "01", 1.0),  # 1 to 1: twice the tail is more than 1
        ("", "", 1.0),
    ],
)
def test_mcnemar_by_hand(first, second, p):
    a, b = ([int(mark) for mark in marks] for marks in (first, second))
    assert mcnemar(a, b) == mcnemar(b, a) == pytest.approx(p)


def test_mcnemar_equals_scipy_and_its_own_definition():
    rng = random.Random(0)
    for n in (5, 12, 300):
        a, b = ([rng.randint(0, 1) for _ in range(n)] for _ in range(2))
        wins, losses = (
            sum(x > y for x, y in zip(a, b, strict=True)),
            sum(x < y for x, y in zip(a, b, strict=True)),
        )
        assert mcnemar(a, b) == pytest.approx(binomtest(wins, wins + losses).pvalue)
    a, b = [1, 1, 1, 1, 0], [0, 0, 1, 0, 1]
    # every way that the four differing marks could fall
    outcomes = [sum(signs) for signs in itertools.product((1, -1), repeat=4)]
    assert mcnemar(a, b) == pytest.approx(sum(abs(outcome) >= 2 for outcome in outcomes) / 16)


def test_mcnemar_counts_an_example_once_over_seeds():
    assert mcnemar([2, 1, 0, 2], [0, 0, 0, 2]) == mcnemar([1, 1, 0, 0], [0, 0, 0, 0]) == 0.5


def test_mcnemar_refuses_other_examples():
    with pytest.raises(ValueError, match="2 and 3 examples"):
        mcnemar([1, 0], [1, 0, 1])


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([], []),
        ([0.02], [0.02]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),  # 3 x 0.01; 2 x 0.03; 1 x 0.04 is raised to its predecessor
        ([0.5, 0.6], [1.0, 1.0]),
        ([0.01, 0.01], [0.02, 0.02]),
    ],
)
def test_holm_by_hand(p_values, adjusted):
    assert holm(p_values) == pytest.approx(adjusted)


def rejected(p_values, level):
    """The places that Holm's stepwise rule rejects, from the least p on.

    Until one is above the level over the number of tests still there.
    """
    found = set()
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[place] * (len(p_values) - rank) > level:
            break
        found.add(place)
    return found


def test_holm_is_the_smallest_level_at_which_the_stepwise_rule_rejects():
    """By trying every level at which the rule can change its mind, in exact fractions.

    What it never rejects below 1 has 1.
    """
    rng = random.Random(1)
    for _ in range(200):
        p_values = [
            Fraction(rng.choice((0, 1, 10, 20, 21, 40, 200, 900, 1000)), 1000)
            for _ in range(rng.randint(1, 6))
        ]
        levels = sorted(
            {min(Fraction(1), count * p) for p in p_values for count in range(1, len(p_values) + 1)}
            | {Fraction(1)}
        )
        wanted = [
            next((level for level in levels if place in rejected(p_values, level)), Fraction(1))
            for place in range(len(p_values))
        ]
        assert holm(p_values) == wanted
        assert holm([float(p) for p in p_values]) == pytest.approx(
            [float(level) for level in wanted], abs=1e-12
        )


def test_binomial_by_hand():
    assert binomial(0, 0) == binomial(5, 10) == 1.0
    assert binomial(10, 10) == pytest.approx(2 / 1024)
    # SCoTD 3.1.1: 59 % of 900, p < 0.001
    assert binomial(531, 900) == pytest.approx(binomtest(531, 900).pvalue)
    assert binomial(531, 900) < 0.001 < 0.01 < binomial(423, 900)  # and 47 % of 900, p > 0.01
    assert binomial(1, 3, 1 / 3) == pytest.approx(1.0)


def test_paired_lines_up_by_id():
    assert paired({"a": 1, "b": 0}, {"b": 2, "a": 3}) == ([1, 0], [3, 2])
    with pytest.raises(
        ValueError, match=r"1 ids on the first side only \['a'\], 1 on the second only \['c'\]"
    ):
        paired({"a": 1, "b": 0}, {"b": 1, "c": 0})


def every_resample(differences, clusters):
    """The exact bootstrap distribution: the mean difference of every ordered draw of all clusters."""
    groups = [
        [d for d, label in zip(differences, clusters, strict=True) if label == one]
        for one in dict.fromkeys(clusters)
    ]
    return sorted(fmean(itertools.chain(*drawn)) for drawn in itertools.product(groups, repeat=len(groups)))


@pytest.mark.parametrize(
    ("first", "second", "clusters"),
    [
        ([1, 0, 1, 1, 0], [0, 0, 1, 0, 1], None),
        ([0.5, 0.25, 1, 0], [0, 0.75, 0.1, 0.2], None),
        ([1, 1, 0, 1, 0, 0], [0, 0, 0, 1, 1, 0], ["x", "x", "y", "z", "z", "z"]),
        ([1, 0, 1, 1], [0, 0, 1, 0], [1, 1, 2, 2]),
    ],
)
def test_paired_bootstrap_is_the_bootstrap(first, second, clusters):
    """Against all resamples: the share below either end is what the interval leaves out.

    Up to the noise of its draws.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    exact = every_resample(differences, clusters or range(len(first)))
    low, high = paired_bootstrap(first, second, clusters)
    for end, level in ((low, 0.025), (high, 0.975)):
        below = sum(value < end - 1e-9 for value in exact) / len(exact)
        upto = sum(value <= end + 1e-9 for value in exact) / len(exact)
        assert below - 0.006 <= level <= upto + 0.006


def test_paired_bootstrap_equals_scipy():
    """The same interval from resampled indices, for sizes that cannot be enumerated.

    Within what 10,000 draws leave open.
    """
    rng = random.Random(2)
    first, second = ([float(rng.random() < share) for _ in range(400)] for share in (0.6, 0.5))
    differences = [a - b for a, b in zip(first, second, strict=True)]
    theirs = bootstrap(
        (differences,), fmean_of_rows, n_resamples=10_000, method="percentile", rng=0, vectorized=True
    ).confidence_interval
    assert paired_bootstrap(first, second) == pytest.approx((theirs.low, theirs.high), abs=0.006)
    assert paired_bootstrap(first, second, clusters=range(400)) == pytest.approx(
        (theirs.low, theirs.high), abs=0.006
    )
    normal = NormalDist().inv_cdf(0.975) * stdev(differences) / 20
    low, high = paired_bootstrap(first, second)
    assert (high - low) / 2 == pytest.approx(normal, rel=0.05)


def fmean_of_rows(values, axis):
    return values.mean(axis)


def test_paired_bootstrap_repeats_and_widens_with_clusters():
    first, second = [1, 1, 1, 1, 0, 0, 0, 0] * 5, [0] * 40
    labels = [mark for mark in range(10) for _ in range(4)]  # a cluster is all right or all wrong
    alone, together = paired_bootstrap(first, second), paired_bootstrap(first, second, labels)
    assert alone == paired_bootstrap(first, second)
    assert together[1] - together[0] > 1.5 * (alone[1] - alone[0])
    assert paired_bootstrap([1, 1], [0, 0]) == (1.0, 1.0)
    assert paired_bootstrap(second, first) == pytest.approx(tuple(-end for end in reversed(alone)), abs=0.03)


@pytest.mark.parametrize(
    ("first", "second", "clusters"), [([], [], None), ([1], [1, 0], None), ([1, 0], [1, 0], ["x"])]
)
def test_paired_bootstrap_refuses_what_is_not_paired(first, second, clusters):
    with pytest.raises(ValueError, match=f"{len(first)} and {len(second)} scores"):
        paired_bootstrap(first, second, clusters)


LABELS = [mark for mark in range(2 * FEWEST_CLUSTERS) for _ in range(3)]  # clusters of three


def test_paired_interval_resamples_clusters_where_there_are_enough():
    """Ten or more labels of which one has several questions; else the questions.

    A cluster is all won or all lost, so the two differ.
    """
    for count, clustered in (
        (FEWEST_CLUSTERS - 1, False),
        (FEWEST_CLUSTERS, True),
        (2 * FEWEST_CLUSTERS, True),
    ):
        labels = LABELS[: 3 * count]
        first, second = [label % 2 for label in labels], [0] * len(labels)
        found = paired_interval(first, second, labels)
        assert found[:2] == paired_bootstrap(first, second, labels if clustered else None)
        assert found[:2] != paired_bootstrap(first, second, None if clustered else labels)
        assert found.over == (f"{count} groups" if clustered else f"{3 * count} questions")


def test_paired_interval_of_unknown_labels_and_of_clusters_of_one_question():
    first, second = [1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1], [0, 0, 1, 0] * 3
    for labels in (None, range(12)):
        found = paired_interval(first, second, labels)
        assert (found[:2], found.over) == (paired_bootstrap(first, second), "12 questions")
    with pytest.raises(ValueError, match="2 and 2 scores"):
        paired_interval([1, 0], [1, 1], LABELS)


def test_spread_over_seeds():
    assert spread([0.5]) == {"mean": 0.5, "sd": 0.0, "min": 0.5, "max": 0.5}
    assert spread([0.2, 0.4, 0.9]) == {
        "mean": pytest.approx(0.5),
        "sd": pytest.approx(0.13**0.5),
        "min": 0.2,
        "max": 0.9,
    }
    with pytest.raises(ValueError, match="spread of no values"):
        spread([])
