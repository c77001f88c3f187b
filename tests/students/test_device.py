"""Which arithmetic a machine has, and what a block's `precision` comes to there."""

from pathlib import Path

import pytest
import torch

from stages.students import device as machine
from stages.students.device import autocast, choose_arithmetic, decoding_dtype

CPU = torch.device("cpu")
HAS = (
    "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu avx512f avx512_bf16\n"
    "processor\t: 1\nflags\t\t: fpu\n"
)
INTEL = "vendor_id\t: GenuineIntel\nflags\t\t: fpu avx512f avx512_bf16"
NONE = "the CPU has no fast bfloat16 arithmetic"


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    """Lets the machine's CPU be one with these lines in /proc/cpuinfo."""

    def be(text: str) -> None:
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(machine, "Path", lambda _: Path(tmp_path / "cpuinfo"))

    return be


@pytest.mark.parametrize(
    ("flags", "chosen", "because"),
    [
        (HAS, "bfloat16", "the CPU has avx512_bf16"),
        ("flags\t: fpu amx_bf16\n", "bfloat16", "the CPU has amx_bf16"),
        # measured: SmolLM2's step takes 54 s there in bfloat16, 38 s in float32 (docs/benchmarks.md)
        (f"{INTEL}\n", "float32", NONE),
        (f"{INTEL} amx_bf16 amx_tile\n", "bfloat16", "the CPU has amx_bf16"),
        ("vendor_id\t: AuthenticAMD\nflags\t: fpu avx512f avx512_bf16_not\n", "float32", NONE),
        ("Features\t: fp asimd bf16\n", "float32", NONE),
    ],
)
def test_auto_looks_at_the_cpus_flags(flags: str, chosen: str, because: str, cpuinfo) -> None:
    cpuinfo(flags)
    assert choose_arithmetic("auto", CPU) == (chosen, because)
    for named in ("float32", "bfloat16"):
        assert choose_arithmetic(named, CPU) == (named, "as its block says")


def test_what_was_saved_in_bfloat16_answers_in_it_where_the_machine_can(cpuinfo) -> None:
    half, full = torch.bfloat16, torch.float32
    asked = [("auto", half), ("auto", full), ("float32", half), ("bfloat16", full)]
    cpuinfo(HAS)
    assert [decoding_dtype(wanted, saved, CPU) for wanted, saved in asked] == [half, full, full, half]
    cpuinfo(f"{INTEL}\n")  # slower there, and half the memory: no reason to say otherwise than was asked
    assert [decoding_dtype(wanted, saved, CPU) for wanted, saved in asked] == [half, full, full, half]
    cpuinfo("flags\t: fpu\n")
    assert [decoding_dtype(wanted, saved, CPU) for wanted, saved in asked] == [full] * 4


def test_autocast_computes_in_bfloat16_and_leaves_weights_as_they_are() -> None:
    layer = torch.nn.Linear(4, 4)
    for arithmetic, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        with autocast(CPU, arithmetic):
            assert layer(torch.ones(1, 4)).dtype == dtype
        assert layer.weight.dtype == torch.float32
