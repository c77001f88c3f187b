"""Wording: which questions are asked in the words of others, all of them or eight in a row.

Of the questions to look for ("test") everything is held, the others ("train") pass by in portions.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple
from unicodedata import normalize

import numpy as np

from stages.corpus.overlap import Numbers
from stages.records.example import Example

DOUBLINGS = 3  # 2 ** 3 = 8 words in a row: an 8-gram
PORTION = 10_000  # questions that are numbered in one go
FACTOR = 1 << 31  # above every number of a word or of a gram, and its square is below 2 ** 63
NONE = -1  # no word, no gram, no question

# Marks of prose are left out (of Unicode: general punctuation). Brackets, signs and pictures are words: of
# dyck_languages, boolean_expressions and emoji_movie nothing else is asked. So is a minus before a number
WORD = re.compile(r"[^\W_]+|-(?=\s?[\d(])|[^\w\s.,;:!?'\"`«»\u2010-\u205e$\\-]")
# of texts in small letters
LABEL = re.compile(r"\A\s*(?:q|question):\s")
OPTIONS = re.compile(r"(?:options|answer choices):\s*(?=\(a\)|- )")
LAST = " which choice is true"  # zero-shot-CoT's last words before some options


class Wording(NamedTuple):
    """What a question asks."""

    words: str  # of the question, joined by blanks, without a label before it and the options behind it
    options: frozenset[str]  # the words of each; none where it lists none of its own


def plain(text: str) -> str:
    """Of compatible characters one form (NFKC), small letters."""
    return normalize("NFKC", text).casefold().replace("\N{MINUS SIGN}", "-")


def words_of(text: str) -> str:
    """The words of a plain text, joined by blanks: no marks of prose."""
    return " ".join(WORD.findall(text))


def wording(example: Example) -> Wording:
    question = OPTIONS.split(LABEL.sub("", plain(example.question)), maxsplit=1)[0]
    options = frozenset(words_of(plain(choice)) for choice in example.choices or [])
    return Wording(words_of(question).removesuffix(LAST), options)


class Shared(NamedTuple):
    """For each test question, the place of a train question that says the same; NONE: there is none."""

    equal: Numbers  # all words in their order; where both list options, the same ones in any order
    ngram: Numbers  # eight words in a row; a question of fewer words has none


def shared_wording(train: Sequence[Example], test: Sequence[Example]) -> Shared:
    """Exact, whatever the sizes."""
    asked = [wording(example) for example in test]
    equal = Equal(asked)
    grams = Grams(asked)
    for first, portion in portions(train):
        equal.look(portion, first)
        grams.look(portion, first)
    return Shared(equal.found(asked), grams.found(len(asked)))


def portions(train: Sequence[Example]) -> Iterator[tuple[int, list[Wording]]]:
    """(place of the first of them, the next questions)"""
    for first in range(0, len(train), PORTION):
        yield first, [wording(example) for example in train[first : first + PORTION]]


class Equal:
    """Which train questions have all the words of a test question."""

    def __init__(self, asked: list[Wording]) -> None:
        # words -> options -> the first train question that has both
        self.known: dict[str, dict[frozenset[str], int]] = {one.words: {} for one in asked}
        self.known.pop("", None)  # without a word it asks nothing that could be compared

    def look(self, portion: list[Wording], first: int) -> None:
        for place, one in enumerate(portion, first):
            there = self.known.get(one.words)
            if there is not None:
                there.setdefault(one.options, place)

    def found(self, asked: list[Wording]) -> Numbers:
        """Options count only where both questions have some: "Which is sarcastic?" is asked often."""
        return np.array([self.first(one) for one in asked], np.int64)

    def first(self, one: Wording) -> int:
        there = self.known.get(one.words, {})
        alike = (
            place
            for options, place in there.items()
            if not (options and one.options) or options == one.options
        )
        return min(alike, default=NONE)


class Grams:
    """Which train questions have eight words in a row in common with a test question.

    Words of the test questions are numbered, then pairs of neighbouring words, pairs of such pairs, and pairs
    of these. What occurs in no test question has no number, and with it no gram.
    """

    def __init__(self, asked: list[Wording]) -> None:
        words = chain.from_iterable(one.words.split() for one in asked)
        self.known = {word: number for number, word in enumerate(dict.fromkeys(words))}
        self.tables: list[Numbers] = []  # by doubling: the pairs that occur, in order
        numbers, self.rows = self.numbered(asked)
        for _ in range(DOUBLINGS):
            pairs = pairs_of(numbers, 1 << len(self.tables))
            self.tables.append(np.unique(pairs[pairs != NONE]))
            numbers = places_in(self.tables[-1], pairs)
        self.grams = numbers
        # the first train question with each, and behind them, where NONE looks, nothing
        self.first = np.full(len(self.tables[-1]) + 1, NONE)

    def numbered(self, portion: list[Wording]) -> tuple[Numbers, Numbers]:
        """(the number of each word, the question it belongs to). NONE ends a question, so that no gram has
        words of two.
        """
        words = chain.from_iterable((*one.words.split(), "") for one in portion)
        sizes = [len(one.words.split()) + 1 for one in portion]
        numbers = np.fromiter((self.known.get(word, NONE) for word in words), np.int64, sum(sizes))
        return numbers, np.repeat(np.arange(len(portion)), sizes)

    def look(self, portion: list[Wording], first: int) -> None:
        numbers, rows = self.numbered(portion)
        for doubling, table in enumerate(self.tables):
            numbers = places_in(table, pairs_of(numbers, 1 << doubling))
        grams, where = np.unique(numbers, return_index=True)
        new = (grams != NONE) & (self.first[grams] == NONE)
        self.first[grams[new]] = rows[where[new]] + first

    def found(self, count: int) -> Numbers:
        """For each of `count` test questions the train question of its first gram that one has."""
        owners = self.first[self.grams]
        places = np.flatnonzero(owners != NONE)
        rows, first = np.unique(self.rows[places], return_index=True)
        found = np.full(count, NONE)
        found[rows] = owners[places[first]]
        return found


def pairs_of(numbers: Numbers, apart: int) -> Numbers:
    """One number for each number and the one that stands so far behind it; NONE if either is."""
    left, right = numbers[:-apart], numbers[apart:]
    pairs: Numbers = np.where((left == NONE) | (right == NONE), NONE, left * FACTOR + right)
    return pairs


def places_in(table: Numbers, pairs: Numbers) -> Numbers:
    """Where each stands in a sorted table; NONE: nowhere."""
    if not len(table):
        return np.full(len(pairs), NONE)
    places = np.minimum(np.searchsorted(table, pairs), len(table) - 1)
    found: Numbers = np.where(table[places] == pairs, places, NONE)
    return found
