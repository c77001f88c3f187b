"""Measure: time, CPU time, peak memory; on which machine; lines as a table and as JSON."""

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
from rich.console import Console
from rich.table import Table

from stages.records.jsonl import write_json

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

    wall = cpu = 0.0  # seconds
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
    found.wall, found.cpu = time.perf_counter() - wall, time.process_time() - cpu
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


def keep(path: Path, found: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    """Write runs, each with its `name`. Those of an earlier command on the same machine stay, but for those
    that were measured anew.
    """
    before = json.loads(path.read_text()) if path.exists() else {}
    old = before["runs"] if before.get("machine") == found else []
    new = {run["name"] for run in runs}
    kept = sorted([run for run in old if run["name"] not in new] + runs, key=lambda run: str(run["name"]))
    write_json(path, {"machine": found, "runs": kept})


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


def show(run: dict[str, Any]) -> None:
    """A run's lines as a table on stdout."""
    lines = run["lines"]
    table = Table(title=run["title"], title_justify="left")
    shown = [name for name in COLUMNS if any(line.get(name) is not None for line in lines)]
    for name in shown:
        table.add_column(COLUMNS[name][0], justify="left" if name == "layout" else "right", no_wrap=True)
    for line in lines:
        table.add_row(*["-" if line.get(name) is None else COLUMNS[name][1](line[name]) for name in shown])
    console = Console()
    Console(width=max(console.width, 160) if not console.is_terminal else None).print(table)
