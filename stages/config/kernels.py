"""The same bytes on any x86-64: fixed kernels and one thread, for a student whose block says float32.

Libraries choose their code by the processor, and each choice rounds in an order of its own. What is fixed is
read when numpy and torch are imported, so it is set before.
"""

import json
import os
import sys
from pathlib import Path

from stages.records.jsonl import write_json

FILE = "kernels.json"  # in a student's folder: it answers with the kernels that it was trained with
FIXED = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own loops
    "OPENBLAS_CORETYPE": "Haswell",  # products of matrices: stages/students/products.py
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_CBWR": "COMPATIBLE",  # the other products, within attention: the branch that all processors share
    "OMP_NUM_THREADS": "1",  # each takes its part of a sum
    "MKL_NUM_THREADS": "1",
}


def has_avx2() -> bool:
    """Every x86-64 since 2013 to 2015; without, torch would end at the first such instruction."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and " avx2 " in cpuinfo.read_text()


def fix_kernels(folder: Path | None = None) -> bool:
    """Set what a process about to import torch computes with; `folder`: as its student was trained, if that
    was fixed. Nothing where it would come too late, or where the processor has no such kernels. Says whether
    they are fixed now.
    """
    if folder is None:
        wanted = FIXED
    else:
        file = folder / FILE
        wanted = json.loads(file.read_text()) if file.exists() else {}
    if has_avx2() and not {"numpy", "torch"} & sys.modules.keys():
        os.environ.update(wanted)
    return kernels_are_fixed()


def kernels_are_fixed() -> bool:
    return has_avx2() and all(os.environ.get(name) == value for name, value in FIXED.items())


def note_kernels(folder: Path) -> None:
    """Leave in a student's folder that its kernels were fixed."""
    write_json(folder / FILE, FIXED)
