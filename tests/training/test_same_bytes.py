"""A student whose block says float32 is the same bytes whatever processor and threads would have chosen."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from test_train import environment, files, write_project

from stages.config.kernels import FILE, FIXED, has_avx2, note_kernels

pytestmark = pytest.mark.skipif(not has_avx2(), reason="no AVX2 here: nothing is fixed")
OTHERWISE = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "AUTO",
    "OMP_NUM_THREADS": "2",
    "MKL_NUM_THREADS": "2",
}
SHOW = """
from pathlib import Path
from stages.config.kernels import fix_kernels
fix_kernels({})
import torch
print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
"""


def shown(argument: str) -> list[str]:
    return subprocess.run(
        [sys.executable, "-c", SHOW.format(argument)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **OTHERWISE},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()


def test_kernels_are_fixed_before_torch_reads_them(tmp_path: Path) -> None:
    assert shown("") == ["AVX2", "1"]
    answers = f"Path({str(tmp_path)!r})"
    assert shown(answers) == ["DEFAULT", "2"]  # a student that was trained otherwise
    note_kernels(tmp_path)
    assert json.loads((tmp_path / FILE).read_text()) == FIXED
    assert shown(answers) == ["AVX2", "1"]


def test_a_training_in_float32_does_not_depend_on_what_is_chosen(random_student, tmp_path: Path) -> None:
    command = write_project(tmp_path, random_student("llama"), rows=3)
    trained = []
    for more in ({}, OTHERWISE):
        given = environment(tmp_path / "work", **more)
        subprocess.run(command, cwd=tmp_path, env=given, check=True, capture_output=True)
        trained.append(files(tmp_path / "out"))
    assert trained[0] == trained[1]
    assert FILE in trained[0]
