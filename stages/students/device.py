"""Where a student runs: the device, its arithmetic, and what being out of memory looks like there."""

import os
from typing import Any

import torch


def device() -> torch.device:
    """$COT_DEVICE, else the GPU if there is one (a process's own, of several).

    Not a parameter: where it runs must not decide what is rerun.
    """
    named = os.environ.get("COT_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    own = os.environ.get("LOCAL_RANK")
    return torch.device(f"cuda:{own}" if named == "cuda" and own is not None else named)


def autocast(where: torch.device) -> Any:
    """bfloat16 arithmetic on CUDA, plain float32 elsewhere; the weights stay float32."""
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=where.type == "cuda")


def out_of_memory(error: RuntimeError) -> bool:
    """CUDA has an error of its own; the CPU's is only known by its text."""
    texts = ("not enough memory", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in texts)
