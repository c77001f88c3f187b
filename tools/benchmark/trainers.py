"""The same step inside real trainers, with all of their own work: the Hugging Face Trainer, TRL's SFTTrainer
and ours (stages/training/trainer.py).

TRL is an optional extra (`pip install trl`). On a CPU it computes the logits of all places and its packed
rows meet a dense mask; on CUDA it does neither, so that its times on a CPU say nothing about it on a GPU.
"""

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainingArguments

from stages.config.student import Student
from stages.students.load import Loaded
from stages.students.tokens import Tokens
from stages.training.fit import trainer_arguments
from stages.training.objective import inner_model
from stages.training.steps import Steps
from stages.training.trainer import Distiller, Hooks
from tools.benchmark.clock import Clock
from tools.benchmark.layouts import BATCH, nothing_shared, padded, whole
from tools.benchmark.measure import spent, summed_up
from tools.benchmark.models import arithmetic, build
from tools.benchmark.training import NO_CLIP, chosen_shape, with_rates
from tools.benchmark.workloads import EOS, Workload

# tokens of its longest and packed rows; packed rows at a time, about the tokens of a row of ours
TRL_LENGTH = 1024
TRL_PACKED = 3
LR = 1e-30  # none is not allowed: the weights stay as they are


def plain_arguments(
    folder: str, device: torch.device, repetitions: int, kind: Any = TrainingArguments, **more: Any
) -> Any:
    """Arguments under which a trainer does nothing but train, an epoch a step; losses are logged, as they are
    compared.
    """
    return kind(
        output_dir=folder,
        num_train_epochs=repetitions + 1,
        learning_rate=0.0,
        lr_scheduler_type="constant",
        max_grad_norm=NO_CLIP,
        optim="adamw_torch_fused",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        log_level="error",
        use_cpu=device.type == "cpu",
        bf16=device.type == "cuda",
        train_sampling_strategy="sequential",
        dataloader_pin_memory=False,
        **more,
    )


def hugging_face(
    work: Workload, model: Any, device: torch.device, repetitions: int, clock: Clock, folder: str
) -> tuple[float, int | None]:
    steps = -(-len(work.texts) // BATCH)
    args = plain_arguments(
        folder,
        device,
        repetitions,
        per_device_train_batch_size=BATCH,
        gradient_accumulation_steps=steps,
        remove_unused_columns=False,
    )

    def collate(texts: list[Tokens]) -> dict[str, torch.Tensor]:
        batch = padded(texts, None, dict.fromkeys(work.tasks, 1.0))
        return {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}

    data: Any = work.texts
    trainer = Trainer(model=model, args=args, train_dataset=data, data_collator=collate, callbacks=[clock])
    return train_timed(trainer, device)


def trl(
    work: Workload,
    model: Any,
    device: torch.device,
    repetitions: int,
    clock: Clock,
    folder: str,
    packing: bool,
) -> tuple[float, int | None]:
    from datasets import Dataset, disable_progress_bars
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast
    from trl.data_utils import pack_dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    disable_progress_bars()
    words = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": EOS}, unk_token="<pad>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")
    rows = [
        {
            "input_ids": whole(text),
            "completion_mask": [int(place > target.start) for place in range(len(text.inputs) + 1)],
        }
        for text in work.texts
        for target in text.targets
    ]
    data = Dataset.from_list(rows)
    many = len(pack_dataset(data, TRL_LENGTH, "bfd")) if packing else len(rows)
    batch = TRL_PACKED if packing else BATCH
    args = plain_arguments(
        folder,
        device,
        repetitions,
        SFTConfig,
        max_length=TRL_LENGTH,
        completion_only_loss=True,
        packing=packing,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=-(-many // batch),
        activation_checkpointing=False,
    )
    trainer = SFTTrainer(
        model=model, args=args, train_dataset=data, processing_class=tokenizer, callbacks=[clock]
    )
    return train_timed(trainer, device)


def train_timed(trainer: Any, device: torch.device) -> tuple[float, int | None]:
    """The first step's loss, and the peak of memory."""
    trainer.remove_callback(PrinterCallback)
    with spent(device) as found:
        trainer.train()
    return next(line["loss"] for line in trainer.state.log_history if "loss" in line), found.peak


def ours(
    work: Workload, model: Any, device: torch.device, repetitions: int, clock: Clock, folder: str
) -> tuple[float, int | None]:
    """As stages/training/fit.py trains by default: group_size 1, without a validation part or a checkpoint on
    the way.
    """
    units = len(work.texts) // (2 if work.cascod else 1)
    settings = Student.model_validate(
        {
            "base": {"hub": "random", "revision": "none"},
            "batch_size": units,
            "epochs": repetitions + 1,
            "lr": LR,
            "clip": NO_CLIP,
        }
    )
    student = Loaded(model, None, device)
    shape = replace(chosen_shape(model, work)[0], tasks=sorted(work.tasks))
    trainer = Distiller(
        model,
        trainer_arguments(student, settings, 0, Path(folder)),
        Hooks(None),
        Steps(work.texts, settings, 0, shape),
        [],
        settings,
        Path(folder),
    )
    trainer.add_callback(clock)
    trainer.pause = float("inf")
    with spent(device) as found, nullcontext() if work.cascod else nothing_shared():
        trainer.train()
    return trainer.progress.history[0]["train_loss"], found.peak


def missing(name: str, work: Workload) -> str | None:
    """Why a trainer cannot run this workload."""
    if name.startswith("trl") and find_spec("trl") is None:
        return "trl is not installed (`pip install trl`)"
    return "it has no weights for two tasks" if work.cascod and name != "ours_trainer" else None


TRAINERS: dict[str, Callable[..., tuple[float, int | None]]] = {
    "hf_trainer": hugging_face,
    "trl": partial(trl, packing=False),
    "trl_packing": partial(trl, packing=True),
    "ours_trainer": ours,
}


def measure(
    name: str, trainer: str, work: Workload, device: torch.device, repetitions: int, done: Any
) -> dict[str, Any]:
    """A line for one trainer. Its step begins where the one before ended: fetching data and whatever it does
    between steps count.
    """
    model = build(name, device)
    clock = Clock(device, done)
    sums = arithmetic(model)
    inner_model(model).set_attn_implementation("sdpa")
    with tempfile.TemporaryDirectory() as folder:
        loss, peak = TRAINERS[trainer](work, model, device, repetitions, clock, folder)
    return with_rates(
        summed_up(trainer, clock.steps(peak), loss=loss, gradient_norm=clock.norm), work, sums, device
    )
