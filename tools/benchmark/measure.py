"""Measure: time, CPU time, peak memory; on which machine; a run's lines as a table and as JSON.

A run is {"name", "title", "lines"}; a line is one way of doing the same work.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
import transformers
from rich.table import Table

from stages.records.jsonl import write_json
from tools.tables import console

STATUS = Path("/proc/self/status")


def cpu_model() -> str:
    try:
        names = [
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def set_up(threads: int, device: str) -> torch.device:
    """Torch set up. Raises ValueError for a device that is not there."""
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if where not in ("cpu", "cuda") or (where == "cuda" and not torch.cuda.is_available()):
        raise ValueError(f"--device {where}: wanted cpu, or cuda where torch finds a GPU")
    os.environ["COT_DEVICE"] = where
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    return torch.device(where)


def machine(device: torch.device) -> dict[str, Any]:
    """What decides a time, and nothing that names the host."""
    found: dict[str, Any] = {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": device.type,
    }
    if device.type == "cuda":
        found |= {
            "gpu": torch.cuda.get_device_name(device),
            "gpu_memory": torch.cuda.get_device_properties(device).total_memory,
        }
    return found


class Spent:
    """What a stretch of work took, filled in when it is over."""

    wall = 0.0  # seconds
    cpu = 0.0
    peak: int | None = None  # bytes: the GPU's allocated, else the process's resident ones


@contextmanager
def spent(device: torch.device) -> Iterator[Spent]:
    found = Spent()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    else:
        forget_peak()
    wall = time.perf_counter()
    cpu = time.process_time()
    yield found
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    found.wall = time.perf_counter() - wall
    found.cpu = time.process_time() - cpu
    found.peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else resident_peak()


def forget_peak() -> None:
    """Let Linux count the process's peak of resident memory anew."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def resident_peak() -> int | None:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)


def summed_up(name: str, times: list[Spent], **more: Any) -> dict[str, Any]:
    """A line: the best repetition counts, since others only had less of the machine."""
    best = min(times, key=lambda found: found.wall)
    return {
        "layout": name,
        "seconds": round(best.wall, 4),
        "seconds_all": [round(found.wall, 4) for found in times],
        "cpu_seconds": round(min(found.cpu for found in times), 4),
        "peak_memory": max((found.peak for found in times if found.peak), default=None),
        **more,
    }


def with_ratios(lines: list[dict[str, Any]], baseline: str) -> list[dict[str, Any]]:
    """How many times as fast as the baseline of the same run each line is, if it was run."""
    base = next((line for line in lines if line["layout"] == baseline), None)
    for line in lines:
        line["ratio"] = round(base["seconds"] / line["seconds"], 3) if base else None
        line["ratio_cpu"] = (
            round(base["cpu_seconds"] / line["cpu_seconds"], 3) if base and line["cpu_seconds"] else None
        )
    return lines


def write_run(path: Path, about: dict[str, Any], run: dict[str, Any]) -> None:
    """Write a run beside those of the same machine, in the place of an older one of its name."""
    before = json.loads(path.read_text()) if path.exists() else {}
    old = before["runs"] if before.get("machine") == about else []
    others = [other for other in old if other["name"] != run["name"]]
    runs = sorted([*others, run], key=lambda one: str(one["name"]))
    write_json(path, {"machine": about, "runs": runs})


# of the table: what each is called and how it is written
COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "layout": ("layout", str),
    "seconds": ("s", lambda value: f"{value:.2f}"),
    "cpu_seconds": ("CPU s", lambda value: f"{value:.2f}"),
    "ratio": ("ratio", lambda value: f"x{value:.2f}"),
    "ratio_cpu": ("of CPU s", lambda value: f"x{value:.2f}"),
    "loss": ("loss", lambda value: f"{value:.5f}"),
    "gradient_norm": ("gradient norm", lambda value: f"{value:.5f}"),
    "tokens_in": ("tokens in", lambda value: f"{value:,}"),
    "target_tokens_per_second": ("target tokens/s", lambda value: f"{value:,.0f}"),
    "tokens_per_second": ("tokens/s", lambda value: f"{value:,.0f}"),
    "equal_texts": ("same texts", lambda value: f"{100 * value:.0f} %"),
    "steps": ("steps", str),
    "mfu": ("MFU", lambda value: f"{100 * value:.1f} %"),
    "epochs_equal_time": ("epochs in equal time", str),
    "validation_loss_equal_epochs": ("loss, equal epochs", lambda value: f"{value:.4f}"),
    "accuracy_equal_epochs": ("accuracy", lambda value: f"{100 * value:.1f}"),
    "accuracy_equal_epochs_sd": ("sd", lambda value: f"{100 * value:.1f}"),
    "validation_loss_equal_time": ("loss, equal time", lambda value: f"{value:.4f}"),
    "accuracy_equal_time": ("accuracy", lambda value: f"{100 * value:.1f}"),
    "accuracy_equal_time_sd": ("sd", lambda value: f"{100 * value:.1f}"),
    "peak_memory": ("peak GB", lambda value: f"{value / 1e9:.2f}"),
}


def print_run(run: dict[str, Any]) -> None:
    """A run's lines as a table on stdout."""
    lines = run["lines"]
    table = Table(title=run["title"], title_justify="left")
    filled = [name for name in COLUMNS if any(line.get(name) is not None for line in lines)]
    for name in filled:
        table.add_column(COLUMNS[name][0], justify="left" if name == "layout" else "right", no_wrap=True)
    for line in lines:
        table.add_row(*["-" if line.get(name) is None else COLUMNS[name][1](line[name]) for name in filled])
    console().print(table)
