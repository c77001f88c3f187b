"""Where a student runs: the device, its arithmetic, and what being out of memory looks like there."""

import os
from pathlib import Path
from typing import Any

import torch

from stages.config.precision import Arithmetic, Precision

AMD = "AuthenticAMD"


def device() -> torch.device:
    """$COT_DEVICE, else the GPU if there is one (a process's own, of several).

    Not a parameter: where it runs must not decide what is rerun.
    """
    named = os.environ.get("COT_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    own = os.environ.get("LOCAL_RANK")
    return torch.device(f"cuda:{own}" if named == "cuda" and own is not None else named)


def bfloat16_of(where: torch.device) -> str:
    """What makes bfloat16 faster than float32 on the device, in words; "" if nothing does."""
    if where.type == "cuda":
        return "the GPU has it" if torch.cuda.is_bf16_supported(including_emulation=False) else ""
    cpuinfo = Path("/proc/cpuinfo")
    if where.type != "cpu" or not cpuinfo.exists():
        return ""
    return cpu_bfloat16(cpuinfo.read_text())


def cpu_bfloat16(cpuinfo: str) -> str:
    """The flag that makes products of bfloat16 matrices faster than of float32, in words; "" if none does.

    `avx512_bf16` alone does so on an AMD (docs/benchmarks.md: 1.7 times), on an Intel it is slower (0.7).
    """
    facts = dict(reversed([line.partition("\t")[::2] for line in cpuinfo.splitlines()]))  # of the first core
    flags = facts.get("flags", "").split()
    is_amd = AMD in facts.get("vendor_id", "")
    quick = [flag for flag in ("amx_bf16", "avx512_bf16") if flag in flags and (is_amd or flag == "amx_bf16")]
    return f"the CPU has {quick[0]}" if quick else ""


def choose_arithmetic(wanted: Precision, where: torch.device) -> tuple[Arithmetic, str]:
    """What a block's `precision` comes to on a device, and why in words."""
    if wanted != "auto":
        return wanted, "as its block says"
    if found := bfloat16_of(where):
        return "bfloat16", found
    return "float32", f"the {where.type.upper()} has no fast bfloat16 arithmetic"


def decoding_dtype(wanted: Precision, saved: torch.dtype, where: torch.device) -> torch.dtype:
    """The dtype of the weights that a model answers with.

    wanted: its block's `precision`; for a student that was trained, auto: it is saved as it was trained.
    saved: of the weights in its folder. Without fast bfloat16 arithmetic it is float32.
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
