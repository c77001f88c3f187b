"""How a model's rows are laid out: the cheapest layout that gives this very model the losses of separate
rows.
"""

import random
from typing import Any

import numpy as np
import torch
from accelerate.utils import send_to_device

from stages.students.device import autocast
from stages.students.tokens import Target, Tokens
from stages.training.attention import use_tree_attention
from stages.training.collate import collate
from stages.training.objective import inner_model, token_losses
from stages.training.rows import Layout

# of positions; a row's places are further apart than its positions
WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")
DROPOUTS = ("attn_pdrop", "attention_dropout")
ROUNDING = {"cpu": 1e-4}  # of a loss in float32; a wrong pattern is further off
ROUGH = 5e-2  # elsewhere: bfloat16 under autocast


def trial_texts(config: Any) -> list[Tokens]:
    """Four short texts of random tokens: three share their beginning, one of them wholly; the last shares
    nothing.
    """
    rng = random.Random(0)
    start = [config.decoder_start_token_id] if config.is_encoder_decoder else []
    vocabulary = config.get_text_config().vocab_size
    stem, other, seven, five, two = (
        [rng.randrange(vocabulary) for _ in range(length)] for length in (12, 9, 7, 5, 2)
    )
    texts = []
    for context, tail in ((stem, seven), (stem, five), (stem, five[:2]), (other, two)):
        ids = np.array([*start, *tail] if start else context + tail, np.int32)
        encoder = np.array(context if start else [], np.int32)
        texts.append(Tokens("", "", False, encoder, ids[:-1], [Target(0, ids[1:], "trial", 1.0)], False))
    return texts


@torch.no_grad()
def trial_losses(model: torch.nn.Module, texts: list[Tokens], layout: Layout) -> torch.Tensor:
    """The texts' cross-entropies in one pass of this layout, float32[labels]."""
    where = next(model.parameters()).device
    batch = collate(texts, layout=layout, tasks=["trial"], normalisation="batch", pad_id=0)
    with autocast(where):
        return token_losses(model, send_to_device(batch, where)).float().cpu()


def try_layout(
    model: torch.nn.Module, texts: list[Tokens], layout: Layout, wanted: torch.Tensor
) -> tuple[bool, str]:
    """Whether the layout gives the wanted losses, and how far off it is or what the model says to it."""
    try:
        off = (trial_losses(model, texts, layout) - wanted).abs().max().item()
    # no position_ids, an unknown mask, a kernel without this head size, ...
    except (TypeError, ValueError, RuntimeError) as error:
        return False, f"{layout} fails ({type(error).__name__}: {str(error).splitlines()[0][:100]})"
    if off <= ROUNDING.get(next(model.parameters()).device.type, ROUGH):
        return True, f"{layout} agrees with separate rows"  # how well differs from machine to machine
    return False, f"{layout} is off by {off:.0e}"


def choose_layout(model: torch.nn.Module, max_tokens: int) -> tuple[Layout, str]:
    """The layout for texts of at most `max_tokens`, and why in words. The model is left with the attention
    that it needs.

    No list of architectures: each layout is tried on the model itself, whose losses of separate rows are the
    measure. Rows that are trees are not for models that carry a state through the row, or whose attention
    goes by places instead of positions; the trial shows it.
    """
    inner = inner_model(model)
    config = inner.config.get_text_config()
    before = inner.config._attn_implementation
    training = model.training
    for name in WINDOWS:
        window = getattr(config, name, None)
        # GPT-Neo applies it to any mask
        if isinstance(window, int) and (window < max_tokens or not inner._supports_attention_backend):
            return "padded", f"its {name} is {window} tokens, max_tokens is {max_tokens}"
    on_gpu = next(model.parameters()).is_cuda
    steady = not any(getattr(config, name, 0) for name in DROPOUTS)
    candidates: list[Layout] = ["packed_decoder"] if inner.config.is_encoder_decoder else ["mask"]
    if not inner.config.is_encoder_decoder and inner._can_set_attn_implementation():
        candidates = ["varlen", "tree", "mask"] if on_gpu and steady else ["tree", "mask"]
    model.eval()
    texts = trial_texts(inner.config)
    wanted = torch.cat([trial_losses(model, [text], "padded") for text in texts])
    found = []
    try:
        for layout in candidates:
            if layout in ("tree", "varlen"):
                use_tree_attention(inner)
            else:
                inner.set_attn_implementation(before)
            same, words = try_layout(model, texts, layout, wanted)
            found.append(words)
            if same:
                return layout, ", ".join(found)
        return "padded", ", ".join(found)
    finally:
        model.train(training)
