"""Edits: which words of a text another one does not have in their place, by the least edit between both.

Words are runs of letters and digits, and single marks; white space is none.
"""

import re
from itertools import takewhile

import numpy as np

WORD = re.compile(r"\w+|[^\w\s]")


def edits(text: str, other: str) -> int:
    """How many words the least edit of `text` into `other` deletes, inserts and replaces."""
    return int(distances(WORD.findall(text), WORD.findall(other))[-1, -1])


def edited_words(text: str, other: str) -> list[tuple[int, int]]:
    """(first character, one past the last) of each word of `text` that the least edit into `other` deletes or
    replaces, in their order.

    Of several least edits the one of EDIT's released code (edit_dis_precal.py): what both begin with stays;
    then, from the end on, a word is rather deleted than inserted, and rather that than kept or replaced.
    """
    words = list(WORD.finditer(text))
    here = [word[0] for word in words]
    there = WORD.findall(other)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(here, there, strict=False)))
    gone = edited(here[same:], there[same:])
    return [words[same + place].span() for place in gone]


def edited(one: list[str], other: list[str]) -> list[int]:
    """Places in `one` that are deleted or replaced, in their order."""
    table = distances(one, other)
    i, j = len(one), len(other)
    places = []
    while i:
        if table[i, j] == table[i - 1, j] + 1:
            i -= 1
            places.append(i)
        elif j and table[i, j] == table[i, j - 1] + 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            if one[i] != other[j]:
                places.append(i)
    return places[::-1]


def distances(one: list[str], other: list[str]) -> np.ndarray:
    """int32[len(one) + 1, len(other) + 1]: edits (Levenshtein) from the first i words to the first j."""
    numbers = {word: number for number, word in enumerate(dict.fromkeys([*one, *other]))}
    columns = np.array([numbers[word] for word in other], np.int32)
    steps = np.arange(len(other) + 1, dtype=np.int32)
    table = np.empty((len(one) + 1, len(other) + 1), np.int32)
    table[0] = steps
    for i, word in enumerate(one, 1):
        row = table[i - 1] + 1  # deleted
        row[1:] = np.minimum(row[1:], table[i - 1, :-1] + (columns != numbers[word]))
        table[i] = np.minimum.accumulate(row - steps) + steps  # inserted, as many as are worth it
    return table
