"""A layout of rows, tried on the model itself: some texts' losses in float32, whatever it will compute in.

In bfloat16 a trial says little: a pretrained model with large activations gives other losses in *separate*
rows than in a padded batch of the same texts (SmolLM2: 0.2), which hides a wrong pattern and condemns a
right one.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from accelerate.utils import send_to_device
from torch.utils._python_dispatch import TorchDispatchMode

from stages.students.device import autocast
from stages.students.tokens import Target, Tokens
from stages.training.attention import Watched, gather_attention, varlen_attention
from stages.training.collate import collate
from stages.training.objective import token_losses
from stages.training.rows import Layout

HALVES = (torch.bfloat16, torch.float16)
LABELS = 24  # at the end of a text; all but one are shorter
# of the largest value: an output of the kernel is a mean of values, with weights that it rounds to 8 bits
KERNEL_ROUNDING = 2**-6


class InFloat32(TorchDispatchMode):
    """Every operation in float32, a frozen bfloat16 base's too, one weight at a time."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def raised(value: Any) -> Any:
            if isinstance(value, torch.Tensor) and value.dtype in HALVES:
                return value.float()
            return torch.float32 if value in HALVES else value

        def each(values: Any) -> Any:
            return torch.utils._pytree.tree_map(raised, values)

        return func(*each(args), **each(kwargs or {}))


@contextmanager
def in_float32(where: torch.device) -> Iterator[None]:
    """Neither autocast nor TF32 nor 16-bit weights."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with autocast(where, "float32"), InFloat32():
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def trial_texts(config: Any, window: int = 0) -> list[Tokens]:
    """Four short texts of random tokens: three share their beginning, one of them wholly; the last shares
    nothing. With a window, a fifth of so many tokens that lies between the others' common beginning and their
    ends: attention that goes by places would lose it.
    """
    rng = random.Random(0)
    start = [config.decoder_start_token_id] if config.is_encoder_decoder else []
    vocabulary = config.get_text_config().vocab_size
    stem, other, seven, five, two = (
        [rng.randrange(1, vocabulary) for _ in range(length)] for length in (12, 9, 7, 5, 2)
    )
    pairs = [(stem, seven), (stem, five), (stem, five[:2]), (other, two)]
    if window > len(stem):
        long = [rng.randrange(1, vocabulary) for _ in range(window - len(stem))]
        pairs.append((stem, [0, *long]))  # the least token: a row is in the order of its tokens
    texts = []
    for context, tail in pairs:
        ids = np.array([*start, *tail] if start else context + tail, np.int32)
        encoder = np.array(context if start else [], np.int32)
        first = max(len(ids) - LABELS, 0)
        labels = Target(first, ids[first + 1 :], "trial", 1.0)
        texts.append(Tokens("", "", False, encoder, ids[:-1], [labels], False))
    return texts


@torch.no_grad()
def trial_losses(model: torch.nn.Module, texts: list[Tokens], layout: Layout) -> torch.Tensor:
    """The texts' cross-entropies in one pass of this layout, float32[labels].

    The kernel of `varlen` takes 16 bits only. So the losses are those of a tree's row, and in each layer the
    kernel has to give what that row's attention gives for the same queries, keys and values, rounded to 16
    bits: raises ValueError if it does not.
    """
    where = next(model.parameters()).device
    plans: list[Layout] = ["tree", "varlen"] if layout == "varlen" else [layout]
    batches = [
        send_to_device(collate(texts, layout=plan, tasks=["trial"], normalisation="batch", pad_id=0), where)
        for plan in plans
    ]
    inputs = batches[0]["inputs"]
    if layout == "varlen":
        inputs["tree"] = Watched(inputs["tree"], [])
    with in_float32(where):
        losses = token_losses(model, batches[0]).float().cpu()
    if layout == "varlen":
        check_kernel(inputs["tree"], batches[1]["inputs"]["tree"])
    return losses


def check_kernel(watched: Watched, plan: Any) -> None:
    """Raises ValueError where the variable-length kernel is not gathered attention."""
    for *states, scaling in watched.calls:
        query, key, value = (each.to(torch.bfloat16) for each in states)
        wanted = gather_attention(query.float(), key.float(), value.float(), watched.plan, 0.0, scaling)
        found = varlen_attention(query, key, value, plan, scaling).float()
        off = ((found - wanted).abs().max() / value.abs().max()).item()
        if not off <= KERNEL_ROUNDING:
            raise ValueError(f"the kernel is off by {off:.0e} of its largest value")
