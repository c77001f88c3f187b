"""A training from its first step to its last: epochs scored, the best one's weights kept, a state on disk.

A killed run goes on from that state, bit by bit on a CPU.
"""

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback, TrainingArguments

from stages.config.cli import advance
from stages.config.student import Student
from stages.students.tokens import Tokens
from stages.training.state import Progress, latest_state, replace_states, whole_or_nothing, write_weights
from stages.training.step_trainer import Policy, StepTrainer, enough_memory
from stages.training.steps import Steps, ValidationRows
from stages.training.watch import Watch

SETTLE = 16  # steps on an accelerator between two looks at the loss, each of which waits for it


class Hooks(TrainerCallback):
    """What happens between steps and epochs."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.task: Any = None
        self.trainer: Any = None

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        steps = self.trainer.steps
        if self.bar and self.task is None:
            done = state.global_step
            self.task = self.bar.add_task(
                "train", total=state.max_steps, completed=done, before=done, rate=""
            )
        steps.begin(state.global_step // len(steps))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # at an epoch's end the state is saved after the epoch was scored
        at_end = state.global_step % len(self.trainer.steps) == 0 or state.global_step == state.max_steps
        if len(self.trainer.pending) >= self.trainer.settle_every:
            control.should_save = self.trainer.settle() and not at_end
        if self.bar:
            advance(self.bar, self.task, told=self.trainer.news(), tokens=self.trainer.tokens)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_evaluate = True
        control.should_save = self.trainer.settle()


class Distiller(StepTrainer):
    """Trains a student; its best epoch's weights are left in work/best.pt."""

    def __init__(
        self,
        model: Any,
        args: TrainingArguments,
        hooks: Hooks,
        steps: Steps,
        validation: Sequence[Tokens],
        settings: Student,
        work: Path,
        examine: Callable[[Path], float] | None = None,
        watch: Watch | None = None,
        policy: Policy | None = None,
    ) -> None:
        super().__init__(model, args, [hooks], steps, settings, policy)
        hooks.trainer = self
        self.work = work
        self.examine = examine
        self.watch = watch or Watch()
        self.validation = ValidationRows(validation, steps.shape)
        self.denominators: torch.Tensor | None = None  # of the validation texts' labels
        parameters = model.named_parameters(remove_duplicate=False)
        self.frozen = {name for name, weights in parameters if not weights.requires_grad}
        self.progress = Progress()
        self.settle_every = 1 if self.args.device.type == "cpu" else SETTLE
        self.pause = float(os.environ.get("COT_CHECKPOINT_SECONDS") or 60)
        self.saved = time.monotonic()

    def news(self) -> str:
        """Where the training is, and the mean loss of this epoch's steps as far as it is known."""
        last = self.state.global_step - 1
        known = last % len(self.steps) + 1 - len(self.pending)
        return self.where(last) + (f", loss {self.progress.summed / known:.4f}" if known > 0 else "")

    def settle(self) -> bool:
        """Look at the losses since the last time; says whether it is time to save.

        Raises ValueError for a loss that is no number.
        """
        due = self.args.process_index == 0 and time.monotonic() - self.saved >= self.pause
        flag = torch.tensor(float(due), dtype=torch.float64, device=self.args.device)
        values = self.summed(torch.stack([*self.pending, flag]))
        first = self.state.global_step - len(self.pending)
        self.pending.clear()
        *losses, says = values.tolist()
        for step, value in enumerate(losses, first):
            if not math.isfinite(value):
                raise ValueError(
                    f"{self.where(step)}: the loss is {value}; lower `lr`, or look at the rows with"
                    " `cot show training CELL`"
                )
            self.progress.summed += value
        self.watch.step(self.state.global_step, losses)
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
        if self.denominators is None:
            self.denominators = self._get_num_items_in_batch([self.validation], self.args.device)
        with enough_memory("validation", self.steps.shape.budget), self.arithmetic():
            losses = [
                self.compute_loss(model, row, num_items_in_batch=self.denominators) for row in self.validation
            ]
            total = torch.stack([loss.double() for loss in losses]).sum()
        return self.summed(total).item()

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Score an epoch on the validation part and keep its weights if they are the best so far (or the
        last, without such a part).
        """
        step = self.state.global_step
        before = (step - 1) // len(self.steps)  # epochs; the last may be cut
        epoch = before + 1
        value = self.validation_loss()
        if value is not None and not math.isfinite(value):
            raise ValueError(f"epoch {epoch}: the validation loss is {value}; lower `lr`")
        last = step == self.state.max_steps
        if self.progress.end_epoch(step - before * len(self.steps), value, last, self.accuracy()):
            self.keep_weights(self.work / "best.pt")
        if self.settings.keep_epochs:
            self.keep_weights(self.work / "epochs" / f"{epoch:02d}.pt")
        self.watch.epoch(step, self.progress.history)
        return {}

    def accuracy(self) -> float | None:
        """Of the student as it is now on the validation questions, from 0 to 1; None where the loss chooses.

        The first process asks, the others wait.
        """
        if not self.examine:
            return None
        weights = self.work / "asked.pt"
        self.keep_weights(weights)
        with torch.random.fork_rng():  # the training goes on as if nobody had asked
            asked = self.examine(weights) if self.is_world_process_zero() else None
        found: float = from_first_process(asked, self.args)
        return found

    def keep_weights(self, path: Path) -> None:
        """Write the weights that are trained, whole, under their names in the student."""
        if self.is_fsdp_enabled:
            whole = self.accelerator.get_state_dict(self.model_wrapped)
        else:
            whole = cast(Any, self.model).state_dict()
        if self.is_world_process_zero():
            write_weights({name: value for name, value in whole.items() if name not in self.frozen}, path)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """The model in a checkpoint; that of a sharded one is written with the optimizer."""
        if not self.is_fsdp_enabled:
            self.keep_weights(Path(cast(str, output_dir)) / "pytorch_model.bin")

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Write the whole state beside the old one, which goes when the new one is complete."""
        began = time.monotonic()
        step = self.state.global_step
        with whole_or_nothing(Path(cast(str, self.args.output_dir))):
            super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            part = Path(cast(str, self.args.output_dir)) / f"checkpoint-{step}"
            replace_states(part, self.work, step, self.progress)
        self.saved = time.monotonic()
        self.pause = max(self.pause, 20 * (self.saved - began)) if self.pause else 0

    def resume_or_begin(self) -> None:
        """Train to the end. The state is saved at most every $COT_CHECKPOINT_SECONDS (60), and never for more
        than a twentieth of the time.
        """
        state: Path | None = from_first_process(latest_state(self.work), self.args)
        if state:
            self.progress = Progress(**json.loads((state / "progress.json").read_text()))
        else:
            # each process drops something else
            torch.manual_seed(int(self.args.seed) + self.args.process_index * 1_000_003)
        self.watch.begin(self.progress.history, resumed=bool(state))
        self.train(resume_from_checkpoint=str(state) if state else None)


def from_first_process(value: Any, args: TrainingArguments) -> Any:
    """The first process's value, for all."""
    return broadcast_object_list([value])[0] if args.world_size > 1 else value
