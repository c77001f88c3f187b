"""A real student keeps its fast rows, whatever it computes in: layouts are tried in float32, and a window
matters for texts that are longer.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from test_objective import assert_equal, build, config
from test_train import sequence, settings

from stages.students.device import bfloat16_of
from stages.students.load import load
from stages.training.attention import use_tree_attention
from stages.training.collate import collate
from stages.training.fit import fit
from stages.training.layout import choose_layout
from stages.training.objective import token_losses
from stages.training.steps import tokenize_parts
from stages.training.trees import grow_tree
from stages.training.trial import trial_losses, trial_texts


@torch.no_grad()
def rough_losses(model: Any, texts: list[Any], layout: Any) -> torch.Tensor:
    """In bfloat16, as training computes them."""
    batch = collate(texts, layout=layout, tasks=["trial"], normalisation="batch", pad_id=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return token_losses(model, batch).float()


def rounding_hides_the_pattern(model: Any) -> bool:
    """Whether in bfloat16 even separate rows are further from a padded batch than a layout once might be."""
    texts = trial_texts(model.config)
    separate = torch.cat([rough_losses(model, [text], "padded") for text in texts])
    return bool((rough_losses(model, texts, "padded") - separate).abs().max() > 0.05)


def test_a_pretrained_student_keeps_its_fast_rows(smollm2: Path, tmp_path, capsys) -> None:
    student = load(smollm2)
    assert rounding_hides_the_pattern(student.model.eval())
    texts = tokenize_parts([sequence(i, words=i) for i in (1, 2)], student, 512)
    values = settings(precision="bfloat16", epochs=1, batch_size=2, lr=1e-5)
    fitted = fit(student, texts, values, 0, tmp_path)
    assert (fitted.layout, fitted.why) == ("tree", "tree agrees with separate rows")
    assert "layout of rows: tree (tree agrees" in capsys.readouterr().err


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_large_activations_do_not_hide_the_pattern(dtype, precision: Any) -> None:
    model = build(config("llama"))
    with torch.no_grad():
        model.model.norm.weight.mul_(50)
    model.to(dtype)  # bfloat16: a frozen base under adapters
    # where bfloat16 is emulated, a random model rounds alike in every batch
    assert rounding_hides_the_pattern(model) or not bfloat16_of(torch.device("cpu"))
    assert choose_layout(model, 512, precision) == ("tree", "tree agrees with separate rows")
    assert {weights.dtype for weights in model.parameters()} == {dtype}


def gemma(**more: Any) -> Any:
    """A random Gemma 3: every other layer attends to the last 40 tokens only."""
    from transformers import Gemma3TextConfig

    base = {k: getattr(config("llama"), k) for k in ("vocab_size", "hidden_size", "num_attention_heads")}
    layers = ["sliding_attention", "full_attention"] * 2
    return build(
        Gemma3TextConfig(
            **base, num_hidden_layers=4, layer_types=layers, intermediate_size=32, num_key_value_heads=1,
            head_dim=8, sliding_window=40, bos_token_id=None, eos_token_id=1, pad_token_id=0,
        )
    )  # fmt: skip


def test_a_window_matters_for_texts_that_are_longer(byte_tokenizer) -> None:
    model = gemma()
    why = "its sliding_window is 40 tokens, the longest text has 41"
    assert choose_layout(model, 41) == ("padded", why)
    assert choose_layout(model, 40) == ("tree", "tree agrees with separate rows")
    rows = [sequence(i, words=words) for i in range(6) for words in (0, 1)]
    assert_equal(model, rows, byte_tokenizer, "tree", "batch", 10**6, 1e-5)  # a row of many windows


def test_the_trial_has_a_row_that_is_longer_than_the_window() -> None:
    """Attention that goes by places loses a text's beginning behind another text of a window's length."""
    texts = trial_texts(gemma().config, 40)
    tree = grow_tree([text.inputs for text in texts])
    assert max(len(text.inputs) for text in texts) == 40
    branches = [path for path in tree.paths if path[0] == tree.paths[0][0]]
    assert max(path[-1] - path[0] for path in branches) >= 40


def emulated(query, key, value, cu_q, cu_k, *_, scale=None, off: int = 0, **__) -> torch.Tensor:
    """What the kernel of CUDA promises, in a loop; `off` by so many keys."""
    groups = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(groups, 1) for states in (key, value))
    outputs = []
    for q0, q1, k0, k1 in zip(cu_q, cu_q[1:], cu_k, cu_k[1:], strict=False):
        for q in range(q0, q1):
            seen = slice(k0, max(k1 - (q1 - 1 - q) - off, k0 + 1))
            scores = torch.einsum("hd,khd->hk", query[q].float(), key[seen].float())
            weights = (scores * (scale or query.shape[-1] ** -0.5)).softmax(-1)
            outputs.append(torch.einsum("hk,khd->hd", weights.to(value.dtype), value[seen]))
    return torch.stack(outputs)


def test_the_kernel_is_tried_on_the_models_own_queries_and_keys(monkeypatch) -> None:
    """In 16 bits, as it takes no others; the losses are those of gathered attention in float32."""
    model = build(config("qwen2"))
    use_tree_attention(model)
    texts = trial_texts(model.config)
    varlen = "torch.nn.attention.varlen.varlen_attn"
    monkeypatch.setattr(varlen, emulated)
    assert torch.equal(trial_losses(model, texts, "varlen"), trial_losses(model, texts, "tree"))
    monkeypatch.setattr(varlen, lambda *a, **k: emulated(*a, **k, off=1))
    with pytest.raises(ValueError, match="the kernel is off by"):
        trial_losses(model, texts, "varlen")
    monkeypatch.setattr(varlen, lambda *a, **k: emulated(*a, **k) * torch.nan)
    with pytest.raises(ValueError, match="the kernel is off by nan"):
        trial_losses(model, texts, "varlen")


def test_slow_rows_are_said_to_be_slow(byte_tokenizer, tmp_path, capsys) -> None:
    from stages.students.load import Loaded

    model = gemma()
    model.generation_config.decoder_start_token_id = None
    student = Loaded(model, byte_tokenizer, torch.device("cpu"))
    texts = tokenize_parts([sequence(i, words=9) for i in range(2)], student, 512)
    fit(student, texts, settings(epochs=1), 0, tmp_path)
    longest = max(len(text.inputs) for text in texts["train"])
    assert (
        "layout of rows: padded, which is slower than rows of trees (its sliding_window is 40 tokens,"
        f" the longest text has {longest})" in capsys.readouterr().err
    )
