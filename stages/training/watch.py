"""Watch: a training as people see it while it runs - its loss curve's file after each epoch, and a tracker.

Nothing of it decides a result: at the end `train` writes the curve anew.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.config.tracking import Tracking
from stages.training.curve import curve_of, write_curve

History = Sequence[Mapping[str, Any]]  # of each epoch so far: epoch, train_loss, validation_loss, ...


class Watch:
    """What the first process tells of a training; nobody is told where no curve is wanted."""

    def __init__(self, cell: str = "", loss_csv: Path | None = None) -> None:
        self.cell = cell
        self.loss_csv = loss_csv
        self.tracking: Tracking | None = None

    def begin(self, history: History, resumed: bool) -> None:
        if self.loss_csv:
            self.tracking = Tracking(self.cell, resumed)
            write_curve(self.loss_csv, curve_of(history))

    def step(self, step: int, losses: Sequence[float]) -> None:
        """The losses of the last steps, after so many steps in all."""
        if self.tracking and losses:
            self.tracking.log({"loss": sum(losses) / len(losses)}, step)

    def epoch(self, step: int, history: History) -> None:
        """An epoch is scored."""
        if self.tracking and self.loss_csv:
            write_curve(self.loss_csv, curve_of(history))
            self.tracking.log(history[-1], step)

    def end(self) -> None:
        if self.tracking:
            self.tracking.close()
