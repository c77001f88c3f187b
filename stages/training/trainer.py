"""The Hugging Face Trainer with our objective, and a state on disk from which a killed run continues bit by
bit (on CPU).

An item of its data is a whole optimizer step of this process: how many rows that is decides memory, and no
result.
"""

import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

import torch
from accelerate.utils import broadcast_object_list, send_to_device
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from stages.config.cli import advance
from stages.config.student import Student
from stages.records.jsonl import write_json
from stages.students.tokens import Tokens
from stages.training.objective import loss, token_losses
from stages.training.steps import Steps, validation_rows

DECAY = 0.95  # CasCoD Table 7, per epoch
SETTLE = 16  # steps on an accelerator between two looks at the loss, each of which waits for it


@contextmanager
def enough_memory(where: str, budget: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # CUDA's is one, and the CPU's is only known by its text
        if (
            not isinstance(error, torch.OutOfMemoryError)
            and "not enough memory" not in str(error)
            and "can't allocate memory" not in str(error)
        ):
            raise
        raise ValueError(
            f"{where}: out of memory; set COT_ROW_TOKENS below {budget} or COT_GRADIENT_CHECKPOINTING=1 (the"
            " result is the same but for rounding), or max_tokens lower"
        ) from error


class Hooks(TrainerCallback):
    """What happens between steps and epochs."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.task: Any = None
        self.trainer: Any = None

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        steps = self.trainer.train_dataset
        if self.bar and self.task is None:
            self.task = self.bar.add_task(
                "train", total=state.max_steps, completed=state.global_step, rate=""
            )
        steps.begin(state.global_step // len(steps))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.bar:
            advance(self.bar, self.task)
        # then the state is saved after the epoch was scored
        at_end = state.global_step % len(self.trainer.train_dataset) == 0
        if len(self.trainer.pending) >= self.trainer.settle_every:
            control.should_save = self.trainer.settle() and not at_end

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_evaluate = True
        control.should_save = self.trainer.settle()


class Distiller(Trainer):
    """A Trainer whose step is the objective over the whole step: all rows of all processes."""

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: Any,
        args: TrainingArguments,
        hooks: Hooks,
        steps: Steps,
        validation: list[Tokens],
        settings: Student,
        work: Path,
    ):
        super().__init__(model=model, args=args, train_dataset=steps, callbacks=[hooks])
        self.remove_callback(PrinterCallback)
        hooks.trainer = self
        self.settings = settings
        self.work = work
        self.budget = steps.shape.budget
        self.validation = validation_rows(validation, steps.shape)
        self.frozen = {
            name
            for name, weights in model.named_parameters(remove_duplicate=False)
            if not weights.requires_grad
        }
        self.at: dict[str, Any] = {"sum": 0.0, "best": 0, "least": None, "history": []}
        self.pending: list[torch.Tensor] = []  # losses of the last steps, not yet looked at
        self.settle_every = 1 if self.args.device.type == "cpu" else SETTLE
        self.pause, self.saved = float(os.environ.get("COT_CHECKPOINT_SECONDS") or 60), time.monotonic()

    # ---- one step

    def get_train_dataloader(self) -> DataLoader[Any]:
        # a generator of its own: the loader draws from it, and a resumed run must draw as an uninterrupted
        # one
        return DataLoader(
            cast(Steps, self.train_dataset),
            batch_size=1,
            collate_fn=itemgetter(0),
            generator=torch.Generator(),
        )

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> torch.Tensor | None:
        """int64[tasks]: the denominators of the step, over all rows and processes."""
        if not batch_samples:
            return None
        counts = sum(row["counts"] for rows in batch_samples for row in rows).to(device)
        return self.summed(counts)

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """Over all processes."""
        return (
            cast(torch.Tensor, self.accelerator.gather(values[None])).sum(0)
            if self.args.world_size > 1
            else values
        )

    def training_step(
        self, model: torch.nn.Module, inputs: Any, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Gradients of all rows; processes exchange them with the last one. Returns this process's part of
        the loss.
        """
        if not model.training:
            model.train()
        total = torch.zeros((), dtype=torch.float64, device=self.args.device)
        with enough_memory(self.where(self.state.global_step), self.budget):
            for place, row in enumerate(inputs):
                with nullcontext() if place == len(inputs) - 1 else self.accelerator.no_sync(model):
                    value = self.compute_loss(model, row, num_items_in_batch=num_items_in_batch)
                    # the processes' gradients are averaged, ours are to be summed
                    self.accelerator.backward(value * self.args.world_size)
                total += value.detach()
        self.pending.append(total)
        return total

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """This row's part of the step's loss."""
        row = send_to_device(inputs, self.args.device)
        return loss(token_losses(model, row), row, num_items_in_batch)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW with weight decay on every weight, as torch has it; the Trainer would spare
        biases and norms.
        """
        if self.optimizer is None:
            weights = [
                weights
                for weights in cast(Any, self.model if model is None else model).parameters()
                if weights.requires_grad
            ]
            s = self.settings
            self.optimizer = torch.optim.AdamW(
                weights, lr=s.lr, eps=s.eps, weight_decay=s.weight_decay, fused=True
            )
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.settings.schedule != "step":
            return super().create_scheduler(num_training_steps, optimizer)
        schedule: Any = torch.optim.lr_scheduler.StepLR(
            cast(Any, self.optimizer), step_size=len(cast(Steps, self.train_dataset)), gamma=DECAY
        )
        self.lr_scheduler = schedule
        return schedule

    # ---- between steps

    def where(self, step: int) -> str:
        steps = len(cast(Steps, self.train_dataset))
        return f"epoch {step // steps + 1}, step {step % steps + 1}"

    def settle(self) -> bool:
        """Look at the losses since the last time; says whether it is time to save. Raises ValueError for one
        that is no number.
        """
        due = self.args.process_index == 0 and time.monotonic() - self.saved >= self.pause
        values = self.summed(
            torch.stack(
                [*self.pending, torch.tensor(float(due), dtype=torch.float64, device=self.args.device)]
            )
        )
        first = self.state.global_step - len(self.pending)
        self.pending.clear()
        *losses, says = values.tolist()
        for step, value in enumerate(losses, first):
            if not math.isfinite(value):
                raise ValueError(
                    f"{self.where(step)}: the loss is {value}; lower `lr`, or look at the rows with `python"
                    " -m stages.render --show 3 ...`"
                )
            self.at["sum"] += value
        return bool(says)

    @torch.no_grad()
    def validation_loss(self) -> float | None:
        """The objective over all validation texts, as if they were one step, without dropout; None without
        texts.
        """
        if not self.validation:
            return None
        model = cast(torch.nn.Module, self.model_wrapped if self.is_fsdp_enabled else self.model)
        model.eval()
        denominators = cast(torch.Tensor, self._get_num_items_in_batch([self.validation], self.args.device))
        with enough_memory("validation", self.budget):
            total = torch.stack(
                [
                    self.compute_loss(model, row, num_items_in_batch=denominators).double()
                    for row in self.validation
                ]
            ).sum()
        return self.summed(total).item()

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Score an epoch on the validation part and keep its weights if they are the best so far (or the
        last, without such a part).
        """
        steps = len(cast(Steps, self.train_dataset))
        at = self.at
        epoch = self.state.global_step // steps
        value = self.validation_loss()
        if value is not None and not math.isfinite(value):
            raise ValueError(f"epoch {epoch}: the validation loss is {value}; lower `lr`")
        at["history"].append({"epoch": epoch, "train_loss": at["sum"] / steps, "validation_loss": value})
        at["sum"] = 0.0
        if (value is None and epoch == self.settings.epochs) or (
            value is not None and (at["least"] is None or value < at["least"])
        ):
            at["least"], at["best"] = value, epoch
            self.keep(self.work / "best.pt")
        if self.settings.keep_epochs:
            self.keep(self.work / "epochs" / f"{epoch:02d}.pt")
        return {}

    # ---- files

    def keep(self, path: Path) -> None:
        """Write the weights that are trained, whole, under their names in the student."""
        whole = (
            self.accelerator.get_state_dict(self.model_wrapped)
            if self.is_fsdp_enabled
            else cast(Any, self.model).state_dict()
        )
        if self.is_world_process_zero():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            torch.save({name: weights for name, weights in whole.items() if name not in self.frozen}, part)
            part.replace(path)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """The model in a checkpoint; that of a sharded one is written with the optimizer."""
        if not self.is_fsdp_enabled:
            self.keep(Path(cast(str, output_dir)) / "pytorch_model.bin")

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Write the whole state beside the old one, which goes when the new one is complete."""
        began = time.monotonic()
        step = self.state.global_step
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            part = Path(cast(str, self.args.output_dir)) / f"checkpoint-{step}"
            write_json(part / "at.json", self.at)
            part.replace(self.work / f"state-{step}")
            for old in self.work.glob("state-*"):
                if old.name != f"state-{step}":
                    shutil.rmtree(old)
        self.saved = time.monotonic()
        self.pause = max(self.pause, 20 * (self.saved - began)) if self.pause else 0

    def resume_or_begin(self) -> None:
        """Train to the end. The state is saved at most every $COT_CHECKPOINT_SECONDS (60), and never for more
        than a twentieth of the time.
        """
        states = sorted(self.work.glob("state-*"), key=lambda path: int(path.name.removeprefix("state-")))
        state: str | None = agreed(str(states[-1]) if states else None, self.args)
        if state:
            self.at = json.loads((Path(state) / "at.json").read_text())
        else:
            # each process drops something else
            torch.manual_seed(int(self.args.seed) + self.args.process_index * 1_000_003)
        self.train(resume_from_checkpoint=state)


def agreed(value: Any, args: TrainingArguments) -> Any:
    """The first process's value, for all."""
    return broadcast_object_list([value])[0] if args.world_size > 1 else value
