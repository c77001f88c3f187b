"""Fine-tune one student: its rows, its Trainer, and all that the Trainer does by itself, switched on or off.

Mixed precision, several GPUs and hosts, and sharding are the Trainer's and accelerate's.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import typer
from transformers import TrainingArguments

from stages.config.cli import progress_bar
from stages.config.student import Student
from stages.students.load import Loaded
from stages.students.tokens import Tokens
from stages.training.attention import use_tree_attention
from stages.training.layout import choose_layout
from stages.training.objective import inner_model
from stages.training.outline import Outline, outline_of
from stages.training.rows import Layout
from stages.training.steps import Shape, Steps, step_rows
from stages.training.trainer import Distiller, Hooks, from_first_process
from stages.training.watch import Watch

FAST = ("tree", "varlen", "packed_decoder")
HF_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


@dataclass(frozen=True)
class Fitted:
    history: list[dict[str, Any]]  # of each epoch: epoch, train_loss, validation_loss
    best: int  # the chosen epoch, whose weights are work/best.pt
    layout: Layout
    why: str
    main: bool  # of all processes, the one that writes

    @property
    def facts(self) -> dict[str, Any]:
        """All but `main`."""
        return {name: value for name, value in asdict(self).items() if name != "main"}


def trainer_arguments(student: Loaded, settings: Student, seed: int, work: Path) -> TrainingArguments:
    """The Trainer's settings: nothing is logged, reported or saved by itself.

    Raises ValueError for a GPU that it would not take.
    """
    if student.device.index and "LOCAL_RANK" not in os.environ:
        raise ValueError(
            f"COT_DEVICE={student.device}: training takes the first GPU it sees; give"
            f" CUDA_VISIBLE_DEVICES={student.device.index} instead"
        )
    cpu = os.environ.get("COT_DEVICE") == "cpu" or not torch.cuda.is_available()
    sharded = os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"
    args = TrainingArguments(
        output_dir=str(work / "part"),
        seed=seed,
        # what decides the result
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=1,  # a whole step of ours
        learning_rate=settings.lr,
        lr_scheduler_type=HF_SCHEDULES.get(settings.schedule, "constant"),
        warmup_steps=settings.warmup_steps,
        max_grad_norm=settings.clip,
        # where and how it runs
        use_cpu=cpu,
        bf16=sharded and settings.precision == "bfloat16",  # else stages/training/step_trainer.py does it
        ddp_backend="gloo" if cpu and "WORLD_SIZE" in os.environ else None,
        ddp_find_unused_parameters=False,
        use_cache=inner_model(student.model).config.use_cache,
        activation_checkpointing=bool(os.environ.get("COT_GRADIENT_CHECKPOINTING")),
        activation_checkpointing_kwargs={"use_reentrant": False},
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        label_names=[],
        # what we do ourselves
        logging_strategy="no",
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        log_level="error",
        log_level_replica="error",
        logging_nan_inf_filter=False,
    )
    if args.n_gpu > 1:  # several in one process: DataParallel, which rows of [1, tokens] cannot be split for
        args._n_gpu = 1
    return args


def row_shape(
    student: Loaded, outlines: Sequence[Outline], longest: int, settings: Student, args: TrainingArguments
) -> tuple[Shape, str]:
    """How this process's steps become rows, and why so: the first process tries layouts, the others do as it
    says. longest: tokens of a text.
    """
    first = args.process_index == 0
    sampled = settings.distil.on_policy if settings.distil else None
    said = sampled.max_new_tokens if sampled else 0
    chosen = choose_layout(student.model, longest + said, settings.precision) if first else None
    layout, why = from_first_process(chosen, args)
    if first:
        slow = "" if layout in FAST else ", which is slower than rows of trees"
        typer.echo(f"layout of rows: {layout}{slow} ({why})", err=True)
    elif layout in ("tree", "varlen"):
        use_tree_attention(inner_model(student.model))
    shape = Shape(
        layout,
        tasks=sorted({task for outline in outlines for task in outline.tasks}),
        normalisation=settings.normalisation,
        pad_id=student.tokenizer.pad_token_id,
        rank=args.process_index,
        world=args.world_size,
    )
    return shape, why


def fit(
    student: Loaded,
    texts: Mapping[str, Sequence[Tokens]],
    settings: Student,
    seed: int,
    work: Path,
    examine: Callable[[Path], float] | None = None,
    watch: Watch | None = None,
) -> Fitted:
    """Fine-tune; the chosen epoch's weights are left in work/best.pt, with keep_epochs each epoch's in
    work/epochs/NN.pt. `examine`: the accuracy of the weights in a file, if that chooses the epoch. `watch`
    is told how it goes.
    """
    if student.encoder_decoder and os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
        raise ValueError(
            "FSDP cannot shard encoder-decoder students, whose halves share their embeddings: use"
            " COT_LAUNCH='torchrun ...' for them"
        )
    work.mkdir(parents=True, exist_ok=True)
    args = trainer_arguments(student, settings, seed, work)
    outlines = [outline_of(part) for part in texts.values()]
    longest = max(outline.longest for outline in outlines)
    shape, why = row_shape(student, outlines, longest, settings, args)
    policy = None
    if settings.distil and settings.distil.on_policy:
        from stages.training.on_policy import check_texts, with_teacher

        check_texts(texts)
        policy, shape = with_teacher(student, settings, seed, shape, longest)
    as_rows = (lambda units, _: list(units)) if policy else step_rows
    steps = Steps(texts["train"], settings, seed, shape, as_rows)
    first = args.process_index == 0
    with progress_bar() if first else nullcontext() as bar:
        trainer = Distiller(
            student.model,
            args,
            Hooks(bar),
            steps,
            texts["validation"],
            settings,
            work,
            examine,
            watch if first else None,
            policy,
        )
        trainer.resume_or_begin()
    trainer.watch.end()
    progress = trainer.progress
    main = trainer.is_world_process_zero()
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.free_memory()  # gradients and AdamW's moments: three times the weights
    trainer.optimizer = None
    return Fitted(progress.history, progress.best, shape.layout, why, main)
