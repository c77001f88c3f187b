"""Near-duplicates: which rationales say nearly the same as one before them.

Two are near where the Jaccard similarity of their sets of n words in a row is at least the threshold. Exact:
what MinHash estimates is counted (stages/corpus/overlap.py says how that is done without comparing all).
"""

from functools import partial
from typing import TYPE_CHECKING

from stages.config.choosing import NearDuplicates
from stages.corpus.filters import rationale_learned
from stages.corpus.similarity import split_words
from stages.records.completion import Completion

if TYPE_CHECKING:
    from stages.corpus.overlap import Numbers

Place = tuple[str, int]  # the question and the sample of a completion


def grams_of(text: str, words: int) -> list[str]:
    """Each `words` words or marks in a row, in small letters; all of a shorter text, nothing of none."""
    said = split_words(text)
    return [" ".join(said[first : first + words]) for first in range(max(len(said) - words + 1, bool(said)))]


def needed_grams(first: "Numbers", second: "Numbers", threshold: float) -> "Numbers":
    """The fewest shared ones for which the Jaccard similarity of two sets of these sizes is `threshold`."""
    import numpy as np

    from stages.corpus.overlap import ROUNDING

    shared = threshold / (1 + threshold) * (first + second)
    needed: Numbers = np.ceil(shared - ROUNDING).astype(np.int64)
    return needed


def groups_of(grams: list[list[str]], threshold: float) -> list[int]:
    """Component of each text where near ones are joined, chains too; none of them is empty."""
    if len(grams) < 2:
        return list(range(len(grams)))
    from stages.corpus.overlap import as_sets, different_sets, join_near, number_words  # scipy: half a second

    sets, which = different_sets(as_sets(*number_words(grams)))
    found: list[int] = join_near(sets, partial(needed_grams, threshold=threshold))[which].tolist()
    return found


def repeated(rows: list[Completion], near: NearDuplicates, train_on: str) -> set[Place]:
    """The rows that are near one before them, or near one that is: of each group all but the first. A row
    without a rationale is like no other.
    """
    grams = [grams_of(rationale_learned(row, train_on), near.words) for row in rows]
    compared = [(row, one) for row, one in zip(rows, grams, strict=True) if one]
    groups = groups_of([one for _, one in compared], near.threshold)
    seen: set[int] = set()
    found: set[Place] = set()
    for (row, _), group in zip(compared, groups, strict=True):
        if group in seen:
            found.add((row.example_id, row.sample))
        seen.add(group)
    return found


def keep_unlike(rows: list[Completion], near: NearDuplicates, train_on: str) -> list[Completion]:
    """One question's rows without near-duplicates; of several the one of the first sample stays."""
    again = repeated(sorted(rows, key=lambda row: row.sample), near, train_on)
    return without_places(rows, again)


def without_places(rows: list[Completion], places: set[Place]) -> list[Completion]:
    return [row for row in rows if (row.example_id, row.sample) not in places]
