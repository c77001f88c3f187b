"""Save students: whole models, adapters with a pointer to their base, or the pointer alone."""

import json
from dataclasses import replace
from pathlib import Path

import torch

from stages.config.base import write_pointer, write_prompt_limit
from stages.config.student import Student
from stages.records.jsonl import write_json
from stages.students.adapters import add_adapters
from stages.students.load import Loaded, load_base


def save_student(student: Loaded, folder: Path) -> None:
    """Weights as safetensors, config and tokenizer: whatever `transformers` needs to load it."""
    student.model.save_pretrained(folder)
    student.tokenizer.save_pretrained(folder)


def save_trained(settings: Student, weights: Path, folder: Path) -> None:
    """A student from the weights that training left.

    The base is read anew: in the model that was trained, it may be sharded or quantised. Whole weights that
    were trained in bfloat16 are saved in it: what decoding computes with, and half the disk.
    """
    student = load_base(settings.base, torch.device("cpu"))
    if settings.lora:
        student = add_adapters(student, settings.model_copy(update={"four_bit": False}))
    trained = torch.load(weights, map_location="cpu", weights_only=True, mmap=True)
    student.model.load_state_dict(trained, strict=not settings.lora)
    whole = not settings.lora or settings.lora.merge
    if settings.lora and whole:
        student = replace(student, model=student.model.merge_and_unload())
    if settings.precision == "bfloat16" and whole:
        student.model.to(torch.bfloat16)
    save_student(student, folder)
    write_prompt_limit(folder, settings.max_prompt_tokens)
    if not whole:
        save_untrained(settings, folder)
        (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card
        config = json.loads((folder / "adapter_config.json").read_text())
        for name, value in config.items():
            config[name] = sorted(value) if isinstance(value, list) else value  # its sets have no order
        write_json(folder / "adapter_config.json", config)


def save_untrained(settings: Student, folder: Path) -> None:
    """A method that trains nothing leaves a pointer to the base instead of a copy of its weights, with the
    precision that it is asked in.
    """
    write_pointer(settings.base, folder, settings.precision)
    write_prompt_limit(folder, settings.max_prompt_tokens)
