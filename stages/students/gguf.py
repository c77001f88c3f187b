"""GGUF: a model's file as an ordinary student folder (safetensors in float32, tokenizer, chat template)."""

import shutil
from collections import Counter
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from stages.config.base import Base, base_sha256, read_pointer, write_pointer
from stages.fetching.model_file import check_room, model_file, model_folder
from stages.records.files import locked
from stages.records.jsonl import write_json
from stages.students.pre_tokenizers import cut_as_told

CONVERSION = 2  # one more where `convert` makes other files: what lies in the cache is then made anew


def read_part(kind: Any, file: Path, **options: Any) -> Any:
    """A part of a file, as the class `kind` of `transformers` reads it. Raises ValueError where it cannot."""
    logging.disable_progress_bar()  # it would print into logs, and the other bar knows no switch
    try:
        with redirect_stderr(StringIO()):
            return kind.from_pretrained(file.parent, gguf_file=file.name, **options)
    except Exception as error:  # each part of the library trips over a file in its own way
        raise ValueError(f"{file} cannot be read as a causal language model: {error}") from error


def read_tokenizer(file: Path) -> Any:
    """Raises ValueError for a file without one that `transformers` knows."""
    tokenizer = read_part(AutoTokenizer, file)
    fields = GGUFReader(file).fields
    names = {name: fields.get(f"tokenizer.ggml.{name}") for name in ("model", "pre")}
    cut_as_told(tokenizer, {name: one.contents() for name, one in names.items() if one}, file)
    return tokenizer


def read_weights(file: Path) -> Any:
    """The model in float32, its numbers as they are stored, dequantised. Raises ValueError for a file that
    is no whole causal language model which `transformers` knows.
    """
    model, told = read_part(AutoModelForCausalLM, file, dtype=torch.float32, output_loading_info=True)
    if told["missing_keys"]:  # they would be random
        raise ValueError(f"{file} lacks weights: {', '.join(sorted(told['missing_keys']))}")
    # it is no quantised model any more: saved as one, it could not be loaded
    for name in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(model.config, name):
            delattr(model.config, name)
    model.hf_quantizer = None
    model.is_quantized = False
    return model


def tensors_of(file: Path) -> list[Any]:
    """Raises ValueError for what is no GGUF file."""
    try:
        return list(GGUFReader(file).tensors)
    except (ValueError, IndexError, KeyError) as error:
        raise ValueError(f"{file} cannot be read as GGUF: {error}") from error


def origin(base: Base, file: Path) -> dict[str, Any]:
    """What the folder was made from. Not which place had the file: that differs from machine to machine, and
    the folder, which trainings depend on, must not.
    """
    types = Counter(tensor.tensor_type.name for tensor in tensors_of(file))
    return {
        "gguf": base.gguf,
        "sha256": base.sha256,
        "licence": base.licence,
        "dequantised_from": dict(types.most_common()),  # type -> tensors
        "dtype": "float32",
    }


def convert(base: Base, folder: Path) -> None:
    """The folder of a `gguf` base, and base.json in it, which points to it; whole or not at all.

    Raises ValueError for a file that cannot be had or read, and for a full disk.
    """
    file = model_file(base)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # left by a killed run
    part.mkdir(parents=True)
    try:
        check_room(part, 4 * sum(int(tensor.n_elements) for tensor in tensors_of(file)))
        read_tokenizer(file).save_pretrained(part)  # gone before the weights come: memory
        read_weights(file).save_pretrained(part)
        write_json(part / "origin.json", origin(base, file))
        pinned = {"path": str(folder), "sha256": base_sha256(part)}
        write_pointer(Base.model_validate(pinned), part)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    except OSError as error:
        raise ValueError(f"{folder} cannot be made of {file}: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def converted(base: Base) -> Base:
    """The folder of a `gguf` base in the cache, made when it is first wanted: for what is no stage's own."""
    folder = model_folder(base) / f"student{CONVERSION}"
    with locked(folder.with_name(".converting")):
        if not (folder / "base.json").exists():
            convert(base, folder)
    return read_pointer(folder)[0]
