"""The least edit between two texts, against all edits that there are and the released code's rules."""

import random
from functools import cache

import pytest

from stages.text.edits import distances, edited, edited_words, edits


@pytest.mark.parametrize(
    ("text", "other", "words"),
    [
        ("2 + 3 = 5.", "2 + 3 = 6.", ["5"]),
        ("So 12.5 apples", "So 12.7 apples", ["5"]),
        ("Ann  gives it\nto Bob.", "Ann gives it to Bob.", []),  # white space is no word
        ("Ann gives it to Bob.", "Ann gives it to Bob, not to me.", []),  # only inserted
        ("Ann gives it to Bob, not to me.", "Ann gives it to Bob.", [",", "not", "to", "me"]),
        ("one two three", "three two one", ["one", "three"]),
        ("a a", "a", ["a"]),
        ("It is naïve: 5 €", "It is naive: 5 $", ["naïve", "€"]),
        ("", "a", []),
        ("a b", "", ["a", "b"]),
    ],
)
def test_words_that_differ(text: str, other: str, words: list[str]) -> None:
    spans = edited_words(text, other)
    assert [text[start:stop] for start, stop in spans] == words
    assert spans == sorted(spans)


def test_what_both_begin_with_stays() -> None:
    assert edited_words("a a b", "a b a b") == []
    assert edited_words("x y x", "x") == [(2, 3), (4, 5)]


def test_edits_are_of_words() -> None:
    assert edits("2 + 3 = 5.", "so 2 + 3 = 15.") == 2
    assert edits("", " a, b") == 3


def least(one: str, other: str) -> int:
    """By recursion over beginnings, as the textbook says it."""

    @cache
    def of(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + (one[i - 1] != other[j - 1]))

    return of(len(one), len(other))


def released(one: str, other: str) -> list[int]:
    """The places, told backwards: delete where that is on a least edit, else insert, else go on."""
    if not one:
        return []
    if least(one, other) == least(one[:-1], other) + 1:
        return [*released(one[:-1], other), len(one) - 1]
    if other and least(one, other) == least(one, other[:-1]) + 1:
        return released(one, other[:-1])
    return released(one[:-1], other[:-1]) + [len(one) - 1] * (one[-1] != other[-1])


def test_every_choice_is_the_released_one() -> None:
    rng = random.Random(0)
    longest = 0
    for _ in range(300):
        one, other = ("".join(rng.choices("abc", k=rng.randrange(9))) for _ in range(2))
        table = distances(list(one), list(other))
        assert table.tolist() == [
            [least(one[:i], other[:j]) for j in range(len(other) + 1)] for i in range(len(one) + 1)
        ]
        places = edited(list(one), list(other))
        assert places == released(one, other)
        longest = max(longest, len(places))
    assert longest > 4
