"""Models for tests: wheels with data in them, a random llama of two layers as a GGUF file, and SmolLM2."""

import os
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quants
from tokenizers.pre_tokenizers import ByteLevel

from stages.config.base import Base
from stages.config.load import check, find, read_params

WIDTH, INNER, LAYERS, HEADS, KEY_HEADS, HEAD = 32, 64, 2, 4, 2, 8


def write_wheel(folder: Path, name: str, members: dict[str, bytes]) -> None:
    """NAME-1.0.0-py3-none-any.whl, as pip takes it."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.0.dist-info"
    told = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: made\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with ZipFile(folder / f"{name}-1.0.0-py3-none-any.whl", "w") as wheel:
        for path, content in {**members, **told}.items():
            wheel.writestr(path, content)


def random_weights(vocabulary: int) -> dict[str, Any]:
    """By the names that `transformers` gives them; the head is the embedding."""
    draw = np.random.default_rng(0)
    shapes = {"model.embed_tokens.weight": (vocabulary, WIDTH), "model.norm.weight": (WIDTH,)}
    for layer in range(LAYERS):
        shapes |= {
            f"model.layers.{layer}.{name}.weight": shape
            for name, shape in {
                "self_attn.q_proj": (HEADS * HEAD, WIDTH),
                "self_attn.k_proj": (KEY_HEADS * HEAD, WIDTH),
                "self_attn.v_proj": (KEY_HEADS * HEAD, WIDTH),
                "self_attn.o_proj": (WIDTH, HEADS * HEAD),
                "mlp.gate_proj": (INNER, WIDTH),
                "mlp.up_proj": (INNER, WIDTH),
                "mlp.down_proj": (WIDTH, INNER),
                "input_layernorm": (WIDTH,),
                "post_attention_layernorm": (WIDTH,),
            }.items()
        }
    return {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


GGUF_NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "model.layers": "blk",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def rotated_in_pairs(weights: Any, heads: int) -> Any:
    """Rows of queries or keys as llama.cpp rotates them: two neighbours, not the halves of a head."""
    return weights.reshape(heads, 2, HEAD // 2, WIDTH).swapaxes(1, 2).reshape(weights.shape)


def write_gguf(file: Path, kept: str = "", pre: str = "gpt-2") -> dict[str, Any]:
    """A random llama that reads bytes, "th" and two spaces; what was written, as float32, by `transformers`'
    names.

    Matrices stand in it as 8-bit blocks, norms as float32. kept: only weights whose name has this text. pre:
    how its tokenizer cuts texts.
    """
    tokens = ["<pad>", "<eos>", *sorted(ByteLevel.alphabet()), "th", "ĠĠ"]
    writer = GGUFWriter(file, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_rope_dimension_count(HEAD)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3] + [1] * 258)
    writer.add_token_merges(["t h", "Ġ Ġ"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(0)
    writer.add_chat_template("{% for message in messages %}{{ message.content }}{% endfor %}")
    written = {}
    for name, weights in random_weights(len(tokens)).items():
        stored = weights
        if weights.ndim == 2:
            stored = quants.quantize(weights, GGMLQuantizationType.Q8_0)
            weights = quants.dequantize(stored, GGMLQuantizationType.Q8_0)
        heads = HEADS if "q_proj" in name else KEY_HEADS if "k_proj" in name else 0
        if heads:
            stored = quants.quantize(rotated_in_pairs(weights, heads), GGMLQuantizationType.Q8_0)
        written[name] = weights
        for ours, theirs in GGUF_NAMES.items():
            name = name.replace(ours, theirs)
        if kept in name:
            writer.add_tensor(
                name, stored, raw_dtype=None if stored is weights else GGMLQuantizationType.Q8_0
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return written


def real_student(params: Path) -> Path:
    """The folder that $COT_SMOLLM2 names, else that of `students.smollm2`, made in the cache of models.

    Raises ValueError where its file cannot be had.
    """
    if folder := os.environ.get("COT_SMOLLM2"):
        return Path(folder)
    from stages.students.gguf import converted  # torch

    return Path(str(converted(check("base", find(read_params(params), "students.smollm2.base"), Base)).path))
