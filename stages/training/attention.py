"""Attention over rows that are trees, through `transformers`' own extension point: a registered
implementation named "tree".

What it has to know about a row travels with the call, as the model's keyword argument `tree`: it is there
again when gradient checkpointing runs a layer a second time, and no state is shared. Without it, "tree" is
the ordinary sdpa attention with its ordinary masks.
"""

from typing import Any, NamedTuple, cast

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from stages.training.plans import Bucket, Gather, Varlen

NOT_HERE = ("softcap", "s_aux", "position_bias")  # what some models' attention does beside softmax(qk)v


class Watched(NamedTuple):
    """A plan, and what is to be attended to under it: query, key, value, scaling of each layer so far."""

    plan: Gather
    calls: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor, float | None]]


def attention_by_hand(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    """Attention as it is written: query [n, heads, q, d], key and value [n, fewer heads, k, d], mask bool[n,
    1, q, k] -> [n, heads, q, d].

    For bfloat16 on a CPU, where the backward of torch's own is four times slower than this.
    """
    n, heads, queries, width = query.shape
    shared, keys = key.shape[1], key.shape[2]
    scale = width**-0.5 if scaling is None else scaling
    scores = torch.matmul(query.reshape(n, shared, -1, width) * scale, key.transpose(2, 3))
    scores = scores.view(n, heads, queries, keys).masked_fill(~mask, -torch.inf)
    exact = torch.promote_types(scores.dtype, torch.float32)
    weights = scores.softmax(-1, dtype=exact).to(value.dtype)
    output = torch.matmul(weights.view(n, shared, -1, keys), value)
    return output.view(n, heads, queries, -1)


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

    query, key = query.to(value.dtype), key.to(value.dtype)  # rotary angles made them float32
    by_hand = value.device.type == "cpu" and value.dtype == torch.bfloat16 and not dropout

    def attend(bucket: Bucket) -> torch.Tensor:
        """[chains x q, heads x d]"""
        q, k, v = take(query, bucket.queries), take(key, bucket.keys), take(value, bucket.keys)
        if by_hand:
            output = attention_by_hand(q, k, v, bucket.mask, scaling)
        else:
            output = scaled_dot_product_attention(
                q,
                k,
                v,
                attn_mask=bucket.mask,
                dropout_p=dropout,
                scale=scaling,
                enable_gqa=q.shape[1] != k.shape[1],
            )
        return output.transpose(1, 2).flatten(0, 1).flatten(1)

    outputs = torch.cat([attend(bucket) for bucket in plan.buckets])
    return outputs.index_select(0, plan.back).view(len(plan.back), query.shape[1], value.shape[2])


def varlen_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, plan: Varlen, scaling: float | None
) -> torch.Tensor:
    """Shapes as in gather_attention.

    The kernel's causal mask ends at the bottom right: the last query sees all keys of its chain.
    """
    from torch.nn.attention.varlen import varlen_attn

    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else value.dtype
    keys, values = (
        states.flatten(1).index_select(0, plan.keys).view(-1, *states.shape[1:]).to(dtype)
        for states in (key, value)
    )
    output = varlen_attn(
        query.to(dtype),
        keys,
        values,
        plan.cu_queries,
        plan.cu_keys,
        plan.longest_queries,
        plan.longest_keys,
        scale=scaling,
        window_size=(-1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return cast(torch.Tensor, output)


def tree_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    tree: Gather | Varlen | Watched | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """query [1, heads, row, d], key and value [1, fewer heads, row, d] -> [1, row, heads, d].

    Raises ValueError for what no plan can do.
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
    if isinstance(tree, Watched):
        tree.calls.append((q, k, v, scaling))
        tree = tree.plan
    if isinstance(tree, Varlen):
        return varlen_attention(q, k, v, tree, scaling)[None], None
    return gather_attention(q, k, v, tree, dropout, scaling)[None], None


def use_tree_attention(model: Any) -> None:
    """Make "tree" the attention of a `transformers` model."""
    AttentionInterface.register("tree", tree_attention)
    AttentionMaskInterface.register("tree", sdpa_mask)
    model.set_attn_implementation("tree")
