"""Attention of a decoding step on a CPU, where each row has one query: a registered implementation of
`transformers`, named "step".

Query heads that share a head of keys and values become that head's queries: nothing is copied for each of
them, and torch's kernel is made for several queries. Reading prompts is the ordinary sdpa attention.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from stages.students.load import Loaded


def bfloat16_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    """query [rows, heads, group, d], key and value [rows, heads, columns, d] -> as query, with scores and
    their softmax in float32.

    Two products of matrices without gaps, for which oneDNN is many times faster than with them.
    """
    scores = torch.matmul(query, key.contiguous().transpose(2, 3)).float() * scaling
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return torch.matmul(scores.softmax(-1).to(value.dtype), value.contiguous())


def step_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """query [rows, heads, queries, d], key and value [rows, fewer heads, columns, d] -> [rows, queries,
    heads, d]. attention_mask: bool[rows, 1, queries, columns], None: all is seen.
    """
    rows, heads, queries, d = query.shape
    fewer = key.shape[1]
    if queries > 1 or (heads == fewer and query.dtype != torch.bfloat16):
        plain: tuple[torch.Tensor, None] = ALL_ATTENTION_FUNCTIONS["sdpa"](
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return plain
    grouped = query.reshape(rows, fewer, heads // fewer, d)
    if query.dtype == torch.bfloat16:
        said = bfloat16_attention(grouped, key, value, attention_mask, scaling or d**-0.5)
    else:
        said = scaled_dot_product_attention(grouped, key, value, attention_mask, scale=scaling)
    return said.reshape(rows, 1, heads, value.shape[3]), None


AttentionInterface.register("step", step_attention)
AttentionMaskInterface.register("step", sdpa_mask)


@contextmanager
def fast_steps(student: Loaded) -> Iterator[None]:
    """Steps with this attention, where the model would take torch's."""
    model = student.model
    plain = student.device.type == "cpu" and model.config._attn_implementation == "sdpa"
    if not plain or student.encoder_decoder:
        yield
        return
    model.set_attn_implementation("step")
    try:
        yield
    finally:
        model.set_attn_implementation("sdpa")
