"""How many workers there are, and what each has of the machine."""

import os
import subprocess


def visible_gpus() -> list[str]:
    """As CUDA_VISIBLE_DEVICES names them, else as nvidia-smi lists them; none where $COT_DEVICE is a CPU."""
    if os.environ.get("COT_DEVICE", "cuda").startswith("cpu"):
        return []
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in named.split(",") if name not in ("", "-1")]
    try:
        done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    except FileNotFoundError:
        return []
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return [str(number) for number in range(sum(line.startswith("GPU ") for line in lines))]


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_jobs() -> int:
    """A worker a GPU; without any, a worker a core."""
    return len(visible_gpus()) or cores()


def environments(jobs: int, gpus: list[str], cores: int, threads: str | None) -> list[dict[str, str]]:
    """The variables of each worker: its GPU, in turn, and its share of the cores as threads; `threads`: how
    many you said yourself.
    """
    share = threads or str(max(1, cores // jobs))
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS")
    limits = dict.fromkeys(names, share)
    own = [{"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {} for number in range(jobs)]
    return [limits | gpu for gpu in own]
