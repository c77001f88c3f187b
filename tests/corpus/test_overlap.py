"""Overlap: what brute force finds, near pairs and what they join, and nothing else."""

import random
from itertools import combinations

import numpy as np
import pytest
from scipy.sparse import csr_array

from stages.corpus import overlap
from stages.corpus.leakage import NEAR, needed_words
from stages.corpus.overlap import as_sets, different_sets, find_near, join_near, number_words, pairs_apart
from stages.corpus.templates import SIMILAR, needed_pairs, word_pairs


def random_sets(seed: int) -> list[set[int]]:
    """Near copies of a few sets, of sizes 0 to 24; some members are far more frequent than others."""
    draw = random.Random(seed)
    most = draw.choice([3, 9, 24])
    members = [member for member in range(30) for _ in range(1 + 30 // (member + 1))]
    bases = [{*draw.choices(members, k=draw.randint(0, most))} for _ in range(draw.choice([2, 6, 40]))]
    copies = []
    for _ in range(60):
        copy = {*draw.choice(bases)}
        for _ in range(draw.randint(0, 4)):
            copy ^= {draw.randrange(30)}
        copies.append(copy)
    return copies


def matrix(sets: list[set[int]]) -> csr_array:
    return as_sets(
        np.array([member for one in sets for member in sorted(one)], np.int64), np.array([*map(len, sets)])
    )


def by_cosine(one: set[int], two: set[int]) -> bool:
    return 100**2 * len(one & two) ** 2 >= (100 * SIMILAR) ** 2 * len(one) * len(two)


def by_jaccard(one: set[int], two: set[int]) -> bool:
    return len(one & two) >= NEAR * len(one | two)


MEASURES = {"cosine": (needed_pairs, by_cosine), "jaccard": (needed_words, by_jaccard)}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("pairs", [1, 50, 1_000_000])
def test_near_pairs_are_those_that_brute_force_finds(
    name: str, pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pairs across labels that settle never changes, for 60 random sets of sets, however many at once."""
    monkeypatch.setattr(overlap, "PAIRS", pairs)
    monkeypatch.setattr(overlap, "COMPARED", 7)
    need, near = MEASURES[name]
    count = 0
    for seed in range(60):
        sets = random_sets(seed)
        labels = np.array([random.Random(seed + place).randrange(4) for place in range(len(sets))])
        found: set[frozenset[int]] = set()

        def settle(left: np.ndarray, right: np.ndarray) -> np.ndarray:
            found.update(map(frozenset, zip(left.tolist(), right.tolist(), strict=True)))  # noqa: B023
            return labels  # noqa: B023

        find_near(matrix(sets), need, labels, settle)
        wanted = {
            frozenset(pair)
            for pair in combinations(range(len(sets)), 2)
            if labels[pair[0]] != labels[pair[1]] and near(sets[pair[0]], sets[pair[1]])
            # what has no member is looked for by none
            if sets[pair[0]] and sets[pair[1]]
        }
        assert found == wanted
        count += len(wanted)
    assert count > 1000


@pytest.mark.parametrize("name", MEASURES)
def test_what_is_joined_is_what_chains_of_near_pairs_connect(name: str) -> None:
    need, near = MEASURES[name]
    sizes = set()
    for seed in range(60):
        sets = [one or {99} for one in random_sets(seed)]
        wanted = list(range(len(sets)))
        for one, two in combinations(range(len(sets)), 2):
            if near(sets[one], sets[two]):
                wanted = [wanted[one] if label == wanted[two] else label for label in wanted]
        first = list(dict.fromkeys(wanted))
        assert join_near(matrix(sets), need).tolist() == [first.index(label) for label in wanted]
        sizes.add(len(first))
    assert len(sizes) > 10


def test_needed_is_the_smallest_number_that_is_near() -> None:
    for first in range(1, 60):
        for second in range(1, 60):
            sizes = np.array(first), np.array(second)
            cosine = next(n for n in range(99) if (100 * n) ** 2 >= 83**2 * first * second)
            jaccard = next(n for n in range(99) if 10 * n >= 8 * (first + second - n))
            assert (int(needed_pairs(*sizes)), int(needed_words(*sizes))) == (cosine, jaccard)
    # exactly on the threshold
    assert int(needed_pairs(np.array(100), np.array(100))) == 83


def test_sets_of_texts() -> None:
    members, sizes = number_words([["a", "b", "a"], [], ["b", "c"]])
    sets = as_sets(members, sizes)
    assert sets.toarray().tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 1]]
    assert pairs_apart(sets, np.array([5, 5, 0])).tolist() == [0, 2, 0]
    once, which = different_sets(as_sets(*number_words([["a"], ["b", "c"], ["c", "b", "b"], ["a"], []])))
    assert once.toarray().tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert which.tolist() == [0, 1, 1, 0, 2]


def test_word_pairs_have_the_ends_of_their_own_text() -> None:
    texts = ["a b", "", "b a b a", "a", "a b"]
    sets = word_pairs(texts).toarray()
    wanted = [{*zip(["", *words], [*words, ""], strict=True)} for words in map(str.split, texts)]
    assert [one.sum() for one in sets] == [*map(len, wanted)]
    for one, two in combinations(range(len(texts)), 2):
        assert (sets[one] & sets[two]).sum() == len(wanted[one] & wanted[two])
