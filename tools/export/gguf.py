"""GGUF: an exported folder of safetensors as one file for llama.cpp, its numbers as they are, by the package
`gguf`: models of Llama's and Qwen2's kind with a byte-level BPE.

llama.cpp's own converter knows a tokenizer by a hash of what it makes of one text, and so may refuse one that
`transformers` read out of a GGUF file.
"""

import json
from pathlib import Path
from typing import Any

import torch
from gguf import (
    MODEL_ARCH,
    MODEL_ARCH_NAMES,
    GGMLQuantizationType,
    GGUFWriter,
    LlamaFileType,
    TokenType,
    get_tensor_name_map,
    quants,
)
from safetensors import safe_open
from transformers import AutoTokenizer

from stages.students.pre_tokenizers import pre_tokenizer

KINDS = {"LlamaForCausalLM": MODEL_ARCH.LLAMA, "Qwen2ForCausalLM": MODEL_ARCH.QWEN2}


def read_config(folder: Path) -> dict[str, Any]:
    """Raises ValueError for a model that cannot be written."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind = config["architectures"][0]
    rope = config.get("rope_parameters") or {}
    odd = {
        f"a model of the kind {kind}": kind not in KINDS,
        f"positions of the kind {rope.get('rope_type')}": rope.get("rope_type", "default") != "default",
        "a sliding window": bool(config.get("use_sliding_window")),
        "biases": bool(config.get("attention_bias") or config.get("mlp_bias")),
        f"the activation {config.get('hidden_act')}": config.get("hidden_act") != "silu",
    }
    if told := [what for what, is_so in odd.items() if is_so]:
        raise ValueError(
            f"{folder}: {told[0]}, which is not written as GGUF here; llama.cpp's convert_hf_to_gguf.py may"
            " know it: run that on the exported folder"
        )
    return config


def add_shape(writer: GGUFWriter, config: dict[str, Any]) -> None:
    heads = config["num_attention_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    head = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_rope_dimension_count(head)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_vocab_size(config["vocab_size"])


def add_tokenizer(writer: GGUFWriter, folder: Path, size: int) -> None:
    """Tokens, merges, marks and chat template; ids that are no token are unused ones."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    told = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    names = {number: token for token, number in tokenizer.get_vocab().items()}
    added = {number: token.special for number, token in tokenizer.added_tokens_decoder.items()}
    kinds = {True: TokenType.CONTROL, False: TokenType.USER_DEFINED, None: TokenType.NORMAL}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer(folder / "tokenizer.json"))
    writer.add_token_list([names.get(number, f"[PAD{number}]") for number in range(size)])
    writer.add_token_types(
        [kinds[added.get(number)] if number in names else TokenType.UNUSED for number in range(size)]
    )
    merges = told["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    begins = tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id]
    writer.add_add_bos_token(begins)
    writer.add_add_eos_token(False)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def rotated_in_pairs(weights: torch.Tensor, heads: int) -> torch.Tensor:
    """[heads x head, ...]: llama.cpp rotates neighbours of a Llama's queries and keys, `transformers` the two
    halves of a head.
    """
    return weights.reshape(heads, 2, -1, *weights.shape[1:]).transpose(1, 2).reshape(weights.shape)


def add_weights(writer: GGUFWriter, folder: Path, config: dict[str, Any], kind: MODEL_ARCH) -> None:
    """Matrices in the numbers that they have, bfloat16 or float32; vectors in float32, as llama.cpp wants."""
    names = get_tensor_name_map(kind, config["num_hidden_layers"])
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as weights:
            for name in sorted(weights.keys()):
                tensor = weights.get_tensor(name)
                if kind == MODEL_ARCH.LLAMA and (rotated := heads.get(name.split(".")[-2])):
                    tensor = rotated_in_pairs(tensor, rotated)
                theirs = names.get_name(name, try_suffixes=(".weight", ".bias"))
                if theirs is None:
                    raise ValueError(f"{file}: {name} has no place in a GGUF file of this kind")
                numbers = tensor.float().numpy()
                if tensor.dtype == torch.bfloat16 and tensor.ndim > 1:
                    told = GGMLQuantizationType.BF16
                    writer.add_tensor(theirs, quants.quantize(numbers, told), raw_dtype=told)
                else:
                    writer.add_tensor(theirs, numbers)


def write_gguf(folder: Path, file: Path, name: str, licence: str) -> None:
    """Raises ValueError for a model or a tokenizer that cannot be written; then there is no file."""
    config = read_config(folder)
    pre_tokenizer(folder / "tokenizer.json")
    kind = KINDS[config["architectures"][0]]
    writer = GGUFWriter(file, MODEL_ARCH_NAMES[kind])
    writer.add_name(name)
    writer.add_license(licence)
    narrow = config["dtype"] == "bfloat16"
    writer.add_file_type(LlamaFileType.MOSTLY_BF16 if narrow else LlamaFileType.ALL_F32)
    add_shape(writer, config)
    add_tokenizer(writer, folder, config["vocab_size"])
    add_weights(writer, folder, config, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
