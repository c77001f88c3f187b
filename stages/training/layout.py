"""How a model's rows are laid out: the cheapest layout that gives this very model the losses of separate
rows.
"""

import torch

from stages.config.precision import Precision
from stages.students.tokens import Tokens
from stages.training.attention import use_tree_attention
from stages.training.objective import inner_model
from stages.training.rows import Layout
from stages.training.trial import trial_losses, trial_texts

# of positions; a row's places are further apart than its positions
WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")
DROPOUTS = ("attn_pdrop", "attention_dropout")
ROUNDING = 1e-4  # of a loss in float32 (SmolLM2: 2e-5); a wrong pattern is further off
LONG_ROW = 4096  # tokens; wider windows are wider than any row


def try_layout(
    model: torch.nn.Module, texts: list[Tokens], layout: Layout, wanted: torch.Tensor
) -> tuple[bool, str]:
    """Whether the layout gives the wanted losses, and how far off it is or what the model says to it."""
    try:
        off = (trial_losses(model, texts, layout) - wanted).abs().max().item()
    # no position_ids, an unknown mask, a kernel without this head size, ...
    except (TypeError, ValueError, RuntimeError) as error:
        return False, f"{layout} fails ({type(error).__name__}: {str(error).splitlines()[0][:100]})"
    if off <= ROUNDING:
        return True, f"{layout} agrees with separate rows"  # how well differs from machine to machine
    return False, f"{layout} is off by {off:.0e}"


def choose_layout(
    model: torch.nn.Module, longest: int, arithmetic: Precision = "float32"
) -> tuple[Layout, str]:
    """The layout for texts of at most `longest` tokens, and why in words. The model is left with the
    attention that it needs.

    No list of architectures: each layout is tried on the model itself, whose losses of separate rows are the
    measure. Rows that are trees are not for models that carry a state through the row, or whose attention
    goes by places instead of positions; the trial shows it.
    """
    inner = inner_model(model)
    config = inner.config.get_text_config()
    before = inner.config._attn_implementation
    training = model.training
    given = {name: getattr(config, name, None) for name in WINDOWS}
    windows = {name: window for name, window in given.items() if isinstance(window, int)}
    for name, window in windows.items():
        if window < longest:
            return "padded", f"its {name} is {window} tokens, the longest text has {longest}"
    sixteen_bits = next(model.parameters()).is_cuda and arithmetic == "bfloat16"
    steady = not any(getattr(config, name, 0) for name in DROPOUTS)
    candidates: list[Layout] = ["packed_decoder"] if inner.config.is_encoder_decoder else ["mask"]
    if not inner.config.is_encoder_decoder and inner._can_set_attn_implementation():
        candidates = ["varlen", "tree", "mask"] if sixteen_bits and steady else ["tree", "mask"]
    model.eval()
    texts = trial_texts(inner.config, max((w for w in windows.values() if w < LONG_ROW), default=0))
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
