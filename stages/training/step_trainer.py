"""One optimizer step in the Hugging Face Trainer: our objective over all rows of all processes.

An item of the data is a whole step of this process: how many rows that is decides memory, and no result.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from operator import itemgetter
from typing import Any, Protocol, cast

import torch
from accelerate.utils import send_to_device
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from stages.config.student import Student
from stages.students.device import autocast, out_of_memory
from stages.students.tokens import Tokens
from stages.training.objective import Batch, Losses, by_labels, token_losses, weighted_loss
from stages.training.steps import Steps

DECAY = 0.95  # CasCoD Table 7, per epoch


@contextmanager
def enough_memory(where: str, budget: int) -> Iterator[None]:
    """Out of memory becomes a ValueError that says how to go on with shorter rows than `budget` tokens."""
    try:
        yield
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise ValueError(
            f"{where}: out of memory; set COT_ROW_TOKENS below {budget} or COT_GRADIENT_CHECKPOINTING=1 (the"
            " result is the same but for rounding), or max_tokens lower"
        ) from error


def losses_of(settings: Student) -> Losses:
    """What a label's loss is: its cross-entropy, and with `distil` what its teacher says, too."""
    if settings.distil is None:
        return by_labels
    from stages.training.distil import by_teacher

    return by_teacher(settings.distil)


class Policy(Protocol):
    """What makes a step's rows when it begins, and their labels' losses (stages/training/on_policy.py)."""

    def rows(self, units: list[list[Tokens]], step: int) -> list[Batch]: ...
    def losses(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor: ...


class StepTrainer(Trainer):
    """A Trainer whose step is the objective; what happens between steps is not its business."""

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: Any,
        args: TrainingArguments,
        callbacks: list[TrainerCallback],
        steps: Steps,
        settings: Student,
        policy: Policy | None = None,
    ) -> None:
        super().__init__(model=model, args=args, train_dataset=steps, callbacks=callbacks)
        self.remove_callback(PrinterCallback)
        self.settings = settings
        self.steps = steps
        self.policy = policy  # with one, an item of the data is a step's units
        self.losses: Losses = policy.losses if policy else losses_of(settings)
        self.pending: list[torch.Tensor] = []  # losses of the last steps, not yet looked at
        self.tokens = 0  # of all rows that this process has read since it began

    def get_train_dataloader(self) -> DataLoader[Any]:
        # the loader draws from it, and a resumed run must draw as an uninterrupted one
        own = torch.Generator()
        return DataLoader(self.steps, batch_size=1, collate_fn=itemgetter(0), generator=own)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        """The next step's rows and its denominators."""
        samples = list(islice(epoch_iterator, num_batches))
        if self.policy:
            samples = [self.policy.rows(units, self.state.global_step) for units in samples]
        return samples, self._get_num_items_in_batch(samples, device)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> torch.Tensor | None:
        """int64[tasks]: the denominators of the step, over all rows and processes."""
        if not batch_samples:
            return None
        counts = sum(row["counts"] for rows in batch_samples for row in rows).to(device)
        return self.summed(counts)

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """Over all processes."""
        if self.args.world_size == 1:
            return values
        return cast(torch.Tensor, self.accelerator.gather(values[None])).sum(0)

    def arithmetic(self) -> Any:
        """Around all rows of a step, so that a weight is converted once and not once a row. Sharded weights
        are accelerate's to convert.
        """
        ours = self.settings.precision == "bfloat16" and not self.is_fsdp_enabled
        return autocast(self.args.device, "bfloat16") if ours else nullcontext()

    def training_step(
        self, model: torch.nn.Module, inputs: Any, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Gradients of all rows; processes exchange them with the last one. Returns this process's part of
        the loss.
        """
        if not model.training:
            model.train()
        total = torch.zeros((), dtype=torch.float64, device=self.args.device)
        with enough_memory(self.where(self.state.global_step), self.steps.shape.budget), self.arithmetic():
            for place, row in enumerate(inputs):
                with nullcontext() if place == len(inputs) - 1 else self.accelerator.no_sync(model):
                    value = self.compute_loss(model, row, num_items_in_batch=num_items_in_batch)
                    # the processes' gradients are averaged, ours are to be summed
                    with autocast(self.args.device, "float32"):
                        self.accelerator.backward(value * self.args.world_size)
                total += value.detach()
                self.tokens += sum(ids.numel() for name, ids in row["inputs"].items() if "input_ids" in name)
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
        return weighted_loss(token_losses(model, row, self.losses), row, num_items_in_batch)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW with weight decay on all weights, as torch has it; the Trainer's spares biases and norms."""
        if self.optimizer is None:
            chosen = cast(Any, self.model if model is None else model)
            weights = [weights for weights in chosen.parameters() if weights.requires_grad]
            s = self.settings
            self.optimizer = torch.optim.AdamW(
                weights, lr=s.lr, eps=s.eps, weight_decay=s.weight_decay, fused=True
            )
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.settings.schedule != "step":
            return super().create_scheduler(num_training_steps, optimizer)
        schedule: Any = torch.optim.lr_scheduler.StepLR(cast(Any, self.optimizer), len(self.steps), DECAY)
        self.lr_scheduler = schedule
        return schedule

    def where(self, step: int) -> str:
        epoch, within = divmod(step, len(self.steps))
        return f"epoch {epoch + 1}, step {within + 1}"
