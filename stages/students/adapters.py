"""Adapters: what is trained instead of all weights, if the student's block has `lora`."""

import os
from dataclasses import replace

import torch
from transformers.pytorch_utils import Conv1D

from stages.config.precision import Precision
from stages.config.student import Student
from stages.students.load import Loaded, load_base


def load_for_training(settings: Student, seed: int) -> Loaded:
    """The base, with new adapters if there are to be any.

    A model that will be sharded over GPUs stays in main memory until then. In bfloat16 a base under adapters
    is loaded in it: it is frozen, so nothing is lost that the arithmetic would keep. Adapters are float32.
    """
    sharded = os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"
    where = torch.device("cpu") if sharded else None
    frozen: Precision = "bfloat16" if settings.lora and settings.precision == "bfloat16" else "float32"
    loaded = load_base(settings.base, where, settings.four_bit, frozen)
    loaded = replace(loaded, max_prompt_tokens=settings.max_prompt_tokens)
    return add_adapters(loaded, settings, seed) if settings.lora else loaded


def add_adapters(loaded: Loaded, settings: Student, seed: int = 0) -> Loaded:
    """The student with new adapters, drawn by `seed`. Raises ValueError for targets that it does not have."""
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    lora = settings.lora
    model = loaded.model
    assert lora is not None
    modules = dict(model.named_modules())
    linear = {
        name.split(".")[-1]
        for name, module in modules.items()
        if isinstance(module, torch.nn.Linear | Conv1D)
    }
    if unknown := set(lora.targets) - linear:
        raise ValueError(
            f"`lora.targets`: {', '.join(sorted(unknown))} not in this student, whose linear layers are"
            f" {', '.join(sorted(linear))}"
        )
    if settings.four_bit:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    torch.manual_seed(seed)
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=sorted(lora.targets),
        task_type="SEQ_2_SEQ_LM" if loaded.encoder_decoder else "CAUSAL_LM",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in modules.values()),
    )
    return replace(loaded, model=get_peft_model(model, config))
