"""Save students: whole models, adapters with a pointer to their base, or the pointer alone."""

import json
from dataclasses import replace
from pathlib import Path

import torch

from stages.config.base import Base
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

    The base is read anew: in the model that was trained, it may be sharded or quantised.
    """
    student = load_base(settings.base, torch.device("cpu"))
    if settings.lora:
        student = add_adapters(student, settings.model_copy(update={"four_bit": False}))
    trained = torch.load(weights, map_location="cpu", weights_only=True)
    student.model.load_state_dict(trained, strict=not settings.lora)
    if settings.lora and settings.lora.merge:
        student = replace(student, model=student.model.merge_and_unload())
    save_student(student, folder)
    if settings.lora and not settings.lora.merge:
        save_untrained(settings.base, folder)
        (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card
        config = json.loads((folder / "adapter_config.json").read_text())
        for name, value in config.items():
            config[name] = sorted(value) if isinstance(value, list) else value  # its sets have no order
        write_json(folder / "adapter_config.json", config)


def save_untrained(base: Base, folder: Path) -> None:
    """A method that trains nothing leaves a pointer to the base instead of a copy of its weights."""
    write_json(folder / "base.json", base.model_dump(exclude_none=True))
