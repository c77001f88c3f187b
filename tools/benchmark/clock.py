"""Clock: when each optimizer step of a trainer was over."""

import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback

from tools.benchmark.measure import Spent


class Clock(TrainerCallback):
    """When each optimizer step was over, and the first one's gradient."""

    def __init__(self, device: torch.device, done: Callable[[], None]) -> None:
        self.device = device
        self.done = done
        self.ends: list[tuple[float, float]] = []
        self.norm = 0.0

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if not self.ends:
            norms = [weights.grad.norm() for weights in model.parameters() if weights.grad is not None]
            self.norm = torch.stack(norms).norm().item()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.ends.append((time.perf_counter(), time.process_time()))
        if len(self.ends) > 1:
            self.done()

    def steps(self, peak: int | None) -> list[Spent]:
        """All but the first, which warms up."""
        found = []
        for (wall, cpu), (wall_after, cpu_after) in zip(self.ends, self.ends[1:], strict=False):
            one = Spent()
            one.wall = wall_after - wall
            one.cpu = cpu_after - cpu
            one.peak = peak
            found.append(one)
        return found
