"""Attention over rows that are trees, through `transformers`' own extension point: a registered
implementation named "tree".

What it has to know about a row travels with the call, as the model's keyword argument `tree`: it is there
again when gradient checkpointing runs a layer a second time, and no state is shared. Without it, "tree" is
the ordinary sdpa attention with its ordinary masks.
"""

from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from stages.training.trees import Chain, Tree, chains

# a bucket of chains may be padded to this multiple of its own attention matrices, and by SLACK elements
WASTE = 1.3
SLACK = 4096
NOT_HERE = ("softcap", "s_aux", "position_bias")  # what some models' attention does beside softmax(qk)v


class Bucket(NamedTuple):
    """Chains of about the same length. Padding repeats a chain's first token; nothing reads what is computed
    there.
    """

    queries: torch.Tensor  # int64[chains, q], places in the row
    keys: torch.Tensor  # int64[chains, a + q]: ancestors, ending at column a; then the chain
    mask: torch.Tensor  # bool[chains, 1, q, a + q]


class Gather(NamedTuple):
    """Exact on every device: each chain's own path is gathered, then ordinary attention, a bucket
    at a time.
    """

    buckets: list[Bucket]
    back: torch.Tensor  # int64[row]: where in the buckets' outputs, one after the other, a token is


class Varlen(NamedTuple):
    """The same for CUDA's variable-length kernel: chain i's queries and keys are [queries[i], queries[i + 1])
    and so on.
    """

    keys: torch.Tensor  # int64[k]: each chain's ancestors and itself, places in the row
    cu_queries: torch.Tensor  # int32[chains + 1]
    cu_keys: torch.Tensor  # int32[chains + 1]
    longest_queries: int
    longest_keys: int


def bucketed(found: list[Chain]) -> list[list[Chain]]:
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
    starts, stops, before = (
        np.array(column)[:, None]
        for column in zip(*[(c.start, c.stop, len(c.ancestors)) for c in chains], strict=True)
    )
    q = int((stops - starts).max())
    a = int(before.max())
    queries = starts + np.arange(q)
    queries = np.where(queries < stops, queries, starts)
    ancestors = np.stack(
        [
            np.pad(chain.ancestors, (a - len(chain.ancestors), 0), constant_values=chain.start)
            for chain in chains
        ]
    )
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
    for together in bucketed(chains(tree.depth, tree.end)):
        bucket = gather_bucket(together)
        for row, chain in enumerate(together):
            first = used + row * bucket.queries.shape[1]
            back[chain.start : chain.stop] = np.arange(first, first + chain.stop - chain.start)
        used += bucket.queries.numel()
        buckets.append(bucket)
    return Gather(buckets, torch.from_numpy(back))


def varlen_plan(tree: Tree) -> Varlen:
    found = chains(tree.depth, tree.end)
    lengths = [(chain.stop - chain.start, chain.stop - chain.start + len(chain.ancestors)) for chain in found]
    queries, keys = (np.cumsum([0, *column], dtype=np.int32) for column in zip(*lengths, strict=True))
    paths = np.concatenate(
        [part for chain in found for part in (chain.ancestors, np.arange(chain.start, chain.stop))]
    )
    longest = (max(column) for column in zip(*lengths, strict=True))
    return Varlen(torch.from_numpy(paths), torch.from_numpy(queries), torch.from_numpy(keys), *longest)


def gather_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    plan: Gather,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """query [row, heads, d], key and value [row, fewer heads, d] -> [row, heads, d]."""

    def take(states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        # its backward is four times faster than that of states[places]
        taken = states.flatten(1).index_select(0, places.flatten())
        return taken.view(*places.shape, *states.shape[1:]).transpose(1, 2)

    shared = query.shape[1] != key.shape[1]
    outputs = [
        scaled_dot_product_attention(
            take(query, bucket.queries), take(key, bucket.keys), take(value, bucket.keys),
            attn_mask=bucket.mask, dropout_p=dropout, scale=scaling, enable_gqa=shared,
        ).transpose(1, 2).flatten(0, 1).flatten(1)
        for bucket in plan.buckets
    ]  # fmt: skip
    return torch.cat(outputs).index_select(0, plan.back).view(len(plan.back), query.shape[1], value.shape[2])


def varlen_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, plan: Varlen, scaling: float | None
) -> torch.Tensor:
    """Shapes as in gather_attention. The kernel's causal mask ends at the bottom right: the last query sees
    all keys of its chain.
    """
    from torch.nn.attention.varlen import varlen_attn

    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else value.dtype
    keys, values = (
        states.flatten(1).index_select(0, plan.keys).view(-1, *states.shape[1:]).to(dtype)
        for states in (key, value)
    )
    output = varlen_attn(
        query.to(dtype), keys, values, plan.cu_queries, plan.cu_keys, plan.longest_queries, plan.longest_keys,
        scale=scaling, window_size=(-1, 0), enable_gqa=query.shape[1] != key.shape[1],
    )  # fmt: skip
    return cast(torch.Tensor, output)


def tree_attention(
    module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: torch.Tensor | None,
    dropout: float = 0.0, scaling: float | None = None, tree: Gather | Varlen | None = None, **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:  # fmt: skip
    """query [1, heads, row, d], key and value [1, fewer heads, row, d] -> [1, row, heads, d]. Raises
    ValueError for what no plan can do.
    """
    if tree is None:
        plain: tuple[torch.Tensor, None] = ALL_ATTENTION_FUNCTIONS["sdpa"](
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return plain
    if any(kwargs.get(name) is not None for name in NOT_HERE) or (isinstance(tree, Varlen) and dropout):
        raise ValueError(
            f"{type(module).__name__}: tree attention knows neither {', '.join(NOT_HERE)} nor dropout in the"
            " variable-length kernel"
        )
    q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
    output = (
        varlen_attention(q, k, v, tree, scaling)
        if isinstance(tree, Varlen)
        else gather_attention(q, k, v, tree, dropout, scaling)
    )
    return output[None], None


def use_tree_attention(model: Any) -> None:
    """Make "tree" the attention of a `transformers` model."""
    AttentionInterface.register("tree", tree_attention)
    AttentionMaskInterface.register("tree", sdpa_mask)
    model.set_attn_implementation("tree")


def visible(tree: Tree) -> torch.Tensor:
    """bool[1, 1, query, key]: the pattern as a dense mask."""
    place = np.arange(len(tree.ids))
    return torch.from_numpy((place[None] <= place[:, None]) & (place[:, None] < tree.end[None]))[None, None]
