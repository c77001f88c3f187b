"""A running training on disk: the state from which a killed one goes on, and what it knows of its epochs."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from stages.records.jsonl import write_json

# how torch names what it writes with, in a RuntimeError
WRITER = re.compile(r"PytorchStreamWriter|inline_container|iostream error|file write failed")


@dataclass
class Progress:
    """The loss curve so far, and the epoch whose weights are kept."""

    # epoch, train_loss, validation_loss and, where it chooses, validation_accuracy
    history: list[dict[str, Any]] = field(default_factory=list)
    summed: float = 0.0  # the losses of this epoch's steps
    best: int = 0
    # what chose the best epoch: less is better, and the first counts most
    least: list[float] | None = None

    def end_epoch(
        self, steps: int, validation_loss: float | None, last: bool, accuracy: float | None = None
    ) -> bool:
        """Note an epoch of `steps` steps: its train loss is their mean.

        True if its weights are to be kept: the accuracy, if one is given, is more than any before, or as much
        and the validation loss is less (of equal ones, the first epoch's are kept); or it is the last epoch
        and there is nothing to choose by.
        """
        epoch = len(self.history) + 1
        line = {"epoch": epoch, "train_loss": self.summed / steps, "validation_loss": validation_loss}
        self.history.append(line if accuracy is None else line | {"validation_accuracy": accuracy})
        self.summed = 0.0
        found = [] if accuracy is None else [-accuracy]
        found += [] if validation_loss is None else [validation_loss]
        keep = last if not found else self.least is None or found < self.least
        if keep:
            self.best = epoch
            self.least = found
        return keep


def latest_state(work: Path) -> Path | None:
    """The state of the most steps: a kill while one takes another's place leaves both."""
    return max(work.glob("state-*"), key=lambda path: int(path.name.removeprefix("state-")), default=None)


def replace_states(part: Path, work: Path, step: int, progress: Progress) -> None:
    """Let the complete folder `part` be the state after `step` steps; others go."""
    write_json(part / "progress.json", asdict(progress))
    new = work / f"state-{step}"
    part.replace(new)
    for old in work.glob("state-*"):
        if old != new:
            shutil.rmtree(old)


def write_weights(weights: dict[str, torch.Tensor], path: Path) -> None:
    """Write weights by their names completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with whole_or_nothing(part):
        torch.save(weights, part)
    part.replace(path)


@contextmanager
def whole_or_nothing(part: Path) -> Iterator[None]:
    """What is written in this block to `part`, a file or a folder, does not stay half-written, and a disk
    that is full is a ValueError: torch tells of it by a RuntimeError.
    """
    try:
        yield
    except BaseException as error:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
        if not isinstance(error, OSError) and not WRITER.search(str(error)):
            raise
        free = shutil.disk_usage(part.parent).free
        why = str(error).split("\n")[0]
        raise ValueError(
            f"{part}: cannot be written ({why}), {free:,} bytes are free; what was written before is kept:"
            " make room, or move the folder and set $COT_WORK, and run again"
        ) from error
