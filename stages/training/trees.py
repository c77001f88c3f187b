"""Prefix trees of token ids: what several texts begin with is computed once (CasCoD's two tasks in one pass).

A tree lies in one row in depth-first order. One number per token, `end` (one past its subtree), is the whole
attention pattern: key k is visible to query q where k <= q < end[k]; the position of a token is its depth. A
text's last token is a label only, so the end-of-text token after CasCoD's rationale is no input, and its
answer goes on along the same path: what the paper says cannot be had, since the answer would notice the end
(after eq. 7), and computes in two passes.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True, eq=False)
class Tree:
    """Several texts in one row of n tokens; texts that share no first token lie side by side."""

    ids: np.ndarray  # int64[n]
    depth: np.ndarray  # int64[n]
    end: np.ndarray  # int64[n]
    paths: list[np.ndarray]  # for each text, in the order given: int64[its tokens], their places in the row


@dataclass(frozen=True, eq=False)
class Chain:
    """A run of tokens without a branch, and the places of all tokens before it on its path."""

    start: int
    stop: int
    ancestors: np.ndarray  # int64[a]


def common_length(one: np.ndarray, other: np.ndarray) -> int:
    """Of two texts, how many tokens they begin with alike."""
    n = min(len(one), len(other))
    differ = np.flatnonzero(one[:n] != other[:n])
    return int(differ[0]) if len(differ) else n


def depth_first(texts: list[np.ndarray]) -> list[int]:
    """Places in lexicographic order, which is depth-first: each text has its longest common beginning with
    its neighbours.
    """
    keys = [text.astype(">u4").tobytes() for text in texts]  # big-endian bytes compare as the numbers do
    return sorted(range(len(texts)), key=lambda i: keys[i])


def tree_size(texts: list[np.ndarray]) -> int:
    """Tokens of the texts' tree."""
    inorder = [texts[i] for i in depth_first(texts)]
    shared = sum(common_length(one, other) for one, other in pairwise(inorder))
    return sum(map(len, texts)) - shared


def grow_tree(texts: list[np.ndarray]) -> Tree:
    """The tree of some texts, int[n] token ids each."""
    ids = []
    depth = []
    closed = []  # tokens whose subtrees are over, and where in the row
    tokens = 0
    paths: list[np.ndarray] = [np.empty(0, np.int64)] * len(texts)
    before = np.empty(0, np.int32)
    path = np.empty(0, np.int64)
    for i in depth_first(texts):
        shared = common_length(before, texts[i])
        closed.append((path[shared:], tokens))
        ids.append(texts[i][shared:])
        depth.append(np.arange(shared, len(texts[i])))
        path = np.concatenate([path[:shared], np.arange(tokens, tokens + len(texts[i]) - shared)])
        tokens += len(texts[i]) - shared
        before = texts[i]
        paths[i] = path
    end = np.full(tokens, tokens)
    for places, at in closed:
        end[places] = at
    return Tree(np.concatenate(ids).astype(np.int64), np.concatenate(depth), end, paths)


def chains(depth: np.ndarray, end: np.ndarray) -> list[Chain]:
    """The tree's longest unbranched runs, in the order of the row."""
    starts = np.flatnonzero((np.diff(depth) != 1) | (np.diff(end) != 0)) + 1
    path = np.empty(int(depth.max()) + 1, np.int64)
    found = []
    for start, stop in zip([0, *starts.tolist()], [*starts.tolist(), len(depth)], strict=True):
        a = int(depth[start])
        path[a : a + stop - start] = np.arange(start, stop)
        found.append(Chain(start, stop, path[:a].copy()))
    return found
