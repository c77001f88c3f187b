"""Which tokens of a tree's row meet in attention, worked out before the model runs: as buckets of chains to
gather, as stretches for CUDA's variable-length kernel, or as a dense mask.
"""

from typing import NamedTuple

import numpy as np
import torch

from stages.training.trees import Chain, Tree, chains

# a bucket of chains may be padded to this multiple of its own attention matrices, and by SLACK elements
WASTE = 1.3
SLACK = 4096


class Bucket(NamedTuple):
    """Chains of about the same length. Padding repeats a chain's first token; nothing reads what is computed
    there.
    """

    queries: torch.Tensor  # int64[chains, q], places in the row
    keys: torch.Tensor  # int64[chains, a + q]: ancestors, ending at column a; then the chain
    mask: torch.Tensor  # bool[chains, 1, q, a + q]


class Gather(NamedTuple):
    """Exact on every device: each chain's path is gathered, then ordinary attention, a bucket at a time."""

    buckets: list[Bucket]
    back: torch.Tensor  # int64[row]: where in the buckets' outputs, one after the other, a token is


class Varlen(NamedTuple):
    """For CUDA's variable-length kernel: chain i's queries are the row's places [cu_queries[i],
    cu_queries[i + 1]), its keys those that `keys` names in [cu_keys[i], cu_keys[i + 1]).
    """

    keys: torch.Tensor  # int64[k]: each chain's ancestors and itself, places in the row
    cu_queries: torch.Tensor  # int32[chains + 1]
    cu_keys: torch.Tensor  # int32[chains + 1]
    longest_queries: int
    longest_keys: int


def bucket_chains(found: list[Chain]) -> list[list[Chain]]:
    """Chains of like length together, as long as padding costs little."""
    buckets: list[list[Chain]] = []
    own = 0
    before = 0
    for chain in sorted(found, key=lambda chain: (chain.stop - chain.start, len(chain.ancestors))):
        q = chain.stop - chain.start
        a = len(chain.ancestors)
        padded = (len(buckets[-1]) + 1) * q * (max(before, a) + q) if buckets else 0
        if not buckets or padded > WASTE * (own + q * (a + q)) + SLACK:
            buckets.append([])
            own = 0
            before = 0
        buckets[-1].append(chain)
        own = own + q * (a + q)
        before = max(before, a)
    return buckets


def gather_bucket(chains: list[Chain]) -> Bucket:
    starts = np.array([[chain.start] for chain in chains])
    stops = np.array([[chain.stop] for chain in chains])
    before = np.array([[len(chain.ancestors)] for chain in chains])
    q = int((stops - starts).max())
    a = int(before.max())
    queries = starts + np.arange(q)
    queries = np.where(queries < stops, queries, starts)
    ancestors = np.repeat(starts, a, axis=1)
    for row, chain in enumerate(chains):
        ancestors[row, a - len(chain.ancestors) :] = chain.ancestors
    column = np.arange(a + q)
    causal = column <= a + np.arange(q)[:, None]  # [q, a + q]
    present = column >= a - before  # [chains, a + q]
    mask = causal[None] & present[:, None]
    return Bucket(
        torch.from_numpy(queries),
        torch.from_numpy(np.concatenate([ancestors, queries], 1)),
        torch.from_numpy(mask)[:, None],
    )


def gather_plan(tree: Tree) -> Gather:
    back = np.empty(len(tree.ids), np.int64)
    used = 0
    buckets = []
    for together in bucket_chains(chains(tree.depth, tree.end)):
        bucket = gather_bucket(together)
        for row, chain in enumerate(together):
            first = used + row * bucket.queries.shape[1]
            back[chain.start : chain.stop] = np.arange(first, first + chain.stop - chain.start)
        used += bucket.queries.numel()
        buckets.append(bucket)
    return Gather(buckets, torch.from_numpy(back))


def varlen_plan(tree: Tree) -> Varlen:
    found = chains(tree.depth, tree.end)
    queries = [chain.stop - chain.start for chain in found]
    keys = [len(chain.ancestors) + chain.stop - chain.start for chain in found]
    paths = [part for chain in found for part in (chain.ancestors, np.arange(chain.start, chain.stop))]
    return Varlen(
        torch.from_numpy(np.concatenate(paths)),
        torch.from_numpy(np.cumsum([0, *queries], dtype=np.int32)),
        torch.from_numpy(np.cumsum([0, *keys], dtype=np.int32)),
        max(queries),
        max(keys),
    )


def dense_mask(tree: Tree) -> torch.Tensor:
    """bool[1, 1, query, key]: the whole pattern, true where a query sees a key."""
    place = np.arange(len(tree.ids))
    seen = (place[None] <= place[:, None]) & (place[:, None] < tree.end[None])
    return torch.from_numpy(seen)[None, None]
