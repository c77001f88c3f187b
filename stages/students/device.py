"""Where a student runs: the device, its arithmetic, and what being out of memory looks like there."""

import os
from pathlib import Path
from typing import Any

import torch

from stages.config.precision import Arithmetic, Precision

CPU_FLAGS = ("amx_bf16", "avx512_bf16")
AMD = "AuthenticAMD"


def device() -> torch.device:
    """$COT_DEVICE, else the GPU if there is one (a process's own, of several).

    Not a parameter: where it runs must not decide what is rerun.
    """
    named = os.environ.get("COT_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    own = os.environ.get("LOCAL_RANK")
    return torch.device(f"cuda:{own}" if named == "cuda" and own is not None else named)


def cpu_facts() -> dict[str, str]:
    """The first core's lines of /proc/cpuinfo, by their names; {} where there is no such file."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    return {name: told for name, _, told in (line.partition("\t") for line in reversed(lines))}


def bfloat16_of(where: torch.device) -> str:
    """What gives the device bfloat16 arithmetic of its own, in words; "" if nothing does."""
    if where.type == "cuda":
        return "the GPU has it" if torch.cuda.is_bf16_supported(including_emulation=False) else ""
    flags = cpu_facts().get("flags", "").split() if where.type == "cpu" else []
    return next((f"the CPU has {flag}" for flag in CPU_FLAGS if flag in flags), "")


def fast_bfloat16_of(where: torch.device) -> str:
    """The same where a training is faster in it than in float32. Of SmolLM2's, on one core, a step was 1.7
    times as fast on an AMD with avx512_bf16 and 0.7 times on an Intel without AMX (docs/benchmarks.md).
    """
    found = bfloat16_of(where)
    slow = found.endswith(CPU_FLAGS[1]) and AMD not in cpu_facts().get("vendor_id", "")
    return "" if slow else found


def choose_arithmetic(wanted: Precision, where: torch.device) -> tuple[Arithmetic, str]:
    """What a block's `precision` comes to on a device, and why in words."""
    if wanted != "auto":
        return wanted, "as its block says"
    if found := fast_bfloat16_of(where):
        return "bfloat16", found
    return "float32", f"the {where.type.upper()} has no fast bfloat16 arithmetic"


def decoding_dtype(wanted: Precision, saved: torch.dtype, where: torch.device) -> torch.dtype:
    """The dtype of the weights that a model answers with.

    wanted: its block's `precision`; for a student that was trained, auto: it is saved as it was trained.
    saved: of the weights in its folder. A device without bfloat16 arithmetic computes in float32.
    """
    asked = wanted == "bfloat16" or (wanted == "auto" and saved == torch.bfloat16)
    return torch.bfloat16 if asked and bfloat16_of(where) else torch.float32


def autocast(where: torch.device, arithmetic: Arithmetic | None = None) -> Any:
    """The arithmetic of what runs within, whatever its weights are; None: bfloat16 on CUDA only.

    A weight that is trained is converted once per context, not once per use.
    """
    enabled = where.type == "cuda" if arithmetic is None else arithmetic == "bfloat16"
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=enabled)


def out_of_memory(error: RuntimeError) -> bool:
    """CUDA has an error of its own; the CPU's is only known by its text."""
    texts = ("not enough memory", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in texts)
