"""Overlap: which of many sets share so many of their members, without comparing every set with every other.

Nothing is lost. Whatever the order of members, two sets that share enough have a member in common among the
first few of both, and only those are looked up (prefix filtering: Chaudhuri, Ganti and Kaushik 2006; Bayardo,
Ma and Srikant 2007). First come the members that bring the fewest sets together.
"""

import sys
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import count, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

Numbers = NDArray[np.int64]
Need = Callable[[Numbers, Numbers], Numbers]  # sizes of two sets -> the fewest shared members of a near pair
Settle = Callable[[Numbers, Numbers], Numbers]  # near pairs that were found -> labels of the sets from now on

ROUNDING = 1e-9  # less than this below a threshold is on it
PAIRS = 1_000_000  # looked at in one go, or one of each list if that is more
COMPARED = 100_000  # of them whose members are compared in one go: 25 MB for sets of 30


def number_words(texts: Iterable[list[str]]) -> tuple[Numbers, Numbers]:
    """(word numbers of all texts, one text after the other; words of each text)."""
    known: defaultdict[str, int] = defaultdict(count().__next__)
    flat, sizes = array("q"), array("q")
    for words in texts:
        flat.extend(map(known.__getitem__, words))
        sizes.append(len(words))
    return np.asarray(flat), np.asarray(sizes)


def as_sets(members: Numbers, sizes: Numbers) -> csr_array:
    """One row a set: its members' columns are 1. Those of a set stand together and may be repeated."""
    names, columns = np.unique(members, return_inverse=True)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    sets = csr_array((np.ones(len(columns), np.int32), columns, starts), shape=(len(sizes), len(names)))
    sets.sum_duplicates()
    sets.data[:] = 1
    return sets


def different_sets(sets: csr_array) -> tuple[csr_array, Numbers]:
    """(each set once, which of them each row is)."""
    known: dict[bytes, int] = {}
    bounds = sets.indptr.tolist()
    which = [
        known.setdefault(sets.indices[start:stop].tobytes(), len(known)) for start, stop in pairwise(bounds)
    ]
    _, first = np.unique(which, return_index=True)
    return sets[first], np.asarray(which, np.int64)


class Lists(NamedTuple):
    """For each member the sets that are looked up by it, smaller ones first; one list after the other."""

    rows: Numbers
    first: Numbers  # where the list of each place begins
    stops: Numbers  # where the sets begin that are too large for the set at this place
    asks: NDArray[np.bool_]  # a set looks for larger ones from here; else it is only found


def pairs_apart(sets: csr_array, labels: Numbers) -> Numbers:
    """How many pairs of sets with other labels have each member in common; each pair counts twice."""
    most = int(labels.max()) + 1
    standing = np.sort(sets.indices.astype(np.int64) * most + np.repeat(labels, np.diff(sets.indptr)))
    starts = np.flatnonzero(np.diff(standing, prepend=-1))
    counts = np.diff(starts, append=len(standing))
    alike = np.bincount(standing[starts] // most, counts**2, minlength=sets.shape[1])
    return np.bincount(sets.indices, minlength=sets.shape[1]) ** 2 - alike.astype(np.int64)


def ordered(sets: csr_array, labels: Numbers) -> tuple[csr_array, int]:
    """(the same sets with members numbered by how many pairs they bring together; how many bring none)."""
    apart = pairs_apart(sets, labels)
    place = np.empty_like(apart)
    place[np.argsort(apart, kind="stable")] = np.arange(len(apart))
    moved = csr_array((sets.data, place[sets.indices], sets.indptr), shape=sets.shape)
    moved.sort_indices()
    return moved, int((apart == 0).sum())


def look_ups(sizes: Numbers, need: Need) -> tuple[Numbers, Numbers, Numbers]:
    """By set: first members that it looks for larger ones by, that it is found by, and the largest size that
    can be near it.
    """
    seen, which = np.unique(sizes, return_inverse=True)
    can = need(seen[:, None], seen[None]) <= np.minimum(seen[:, None], seen[None])
    smallest, largest = seen[can.argmax(1)], seen[len(seen) - 1 - can[:, ::-1].argmax(1)]
    return (
        (seen - need(seen, seen) + 1)[which],
        (seen - need(seen, smallest) + 1)[which],
        largest[which],
    )


def lists_of(sets: csr_array, alone: int, need: Need) -> Lists:
    """`sets` as `ordered` gives them; the first `alone` members bring none together and have no list."""
    sizes = np.diff(sets.indptr).astype(np.int64)
    asking, holding, largest = look_ups(sizes, need)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    places = np.arange(len(rows)) - sets.indptr[rows]
    kept = np.flatnonzero((places < holding[rows]) & (sets.indices >= alone))
    kept = kept[np.lexsort((sizes[rows[kept]], sets.indices[kept]))]
    rows, members, asks = rows[kept], sets.indices[kept].astype(np.int64), places[kept] < asking[rows[kept]]
    above = int(sizes.max(initial=0)) + 1
    stops = np.searchsorted(members * above + sizes[rows], members * above + largest[rows], "right")
    return Lists(rows, np.searchsorted(members, members), stops, asks)


def signatures(sets: csr_array) -> NDArray[np.uint64]:
    """64 bits a set: two sets differ in at least as many members as their bits differ."""
    bits = np.uint64(1) << ((sets.indices.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(58))
    found = np.zeros(sets.shape[0], np.uint64)
    filled = np.flatnonzero(np.diff(sets.indptr))
    if len(filled):
        found[filled] = np.bitwise_or.reduceat(bits, sets.indptr[filled])
    return found


class Near:
    """Which pairs of `sets` share enough."""

    def __init__(self, sets: csr_array, need: Need) -> None:
        self.sets = sets
        self.need = need
        self.sizes = np.diff(sets.indptr).astype(np.int64)
        self.marks = signatures(sets)

    def places(self, left: Numbers, right: Numbers) -> Numbers:
        """Where in the two lists of sets the pairs stand that do."""
        sizes = self.sizes[left], self.sizes[right]
        needed = self.need(*sizes)
        differ = np.bitwise_count(self.marks[left] ^ self.marks[right])
        maybe = np.flatnonzero(differ <= sizes[0] + sizes[1] - 2 * needed)
        parts = np.split(maybe, range(COMPARED, len(maybe), COMPARED)) if len(maybe) else []
        near = [part[self.shared(left[part], right[part]) >= needed[part]] for part in parts]
        return np.concatenate([maybe[:0], *near])

    def shared(self, left: Numbers, right: Numbers) -> Numbers:
        """Members that the sets of each pair have in common."""
        counts: Numbers = self.sets[left].multiply(self.sets[right]).sum(axis=1)
        return counts


def find_near(sets: csr_array, need: Need, labels: Numbers, settle: Settle, steps: int | None = None) -> None:
    """Tell `settle` of every near pair of sets whose labels differ.

    Each set is compared with its next neighbour in each of its lists, then with the next ones, and so on
    (with `steps` of them at most): sets that soon have the same label are compared no more.
    """
    sets, alone = ordered(sets, labels)
    lists = lists_of(sets, alone, need)
    near = Near(sets, need)
    active = np.flatnonzero(lists.asks)
    step = 0
    while step != steps:
        active = active[active + step + 1 < lists.stops[active]]
        if not len(active):
            return
        ahead = min(max(step, 1), max(PAIRS // len(active), 1), (steps or sys.maxsize) - step)
        here = np.repeat(active, ahead)
        there = (active[:, None] + np.arange(step + 1, step + 1 + ahead)).ravel()
        inside = np.flatnonzero(there < lists.stops[here])
        left, right = lists.rows[here[inside]], lists.rows[there[inside]]
        apart = np.flatnonzero(labels[left] != labels[right])
        left, right = left[apart], right[apart]
        found = near.places(left, right)
        if len(found):
            labels = settle(left[found], right[found])
            active = active[mixed(lists, labels)[active]]
        step += ahead


def mixed(lists: Lists, labels: Numbers) -> NDArray[np.bool_]:
    """For each place, whether its list has more than one label."""
    own = labels[lists.rows]
    other = own != own[lists.first]
    starts = np.flatnonzero(lists.first == np.arange(len(own)))
    several = np.logical_or.reduceat(other, starts)
    return np.repeat(several, np.diff([*starts, len(own)]))


def join_near(sets: csr_array, need: Need) -> Numbers:
    """Component of each set where near ones are joined: 0, 1, ... in the order of their first sets."""
    labels: Numbers = np.arange(sets.shape[0])

    def settle(left: Numbers, right: Numbers) -> Numbers:
        nonlocal labels
        edges = coo_array((np.ones(len(left), np.int8), (labels[left], labels[right])), (sets.shape[0],) * 2)
        joined: Numbers = connected_components(edges, directed=False)[1].astype(np.int64)
        labels = joined[labels]
        return labels

    # A few steps join most, and fewer members then bring sets of two components together.
    for steps in (4, None):
        find_near(sets, need, labels, settle, steps)
    _, first, which = np.unique(labels, return_index=True, return_inverse=True)
    place: Numbers = np.empty_like(first)
    place[np.argsort(first)] = np.arange(len(first))
    return place[which]
