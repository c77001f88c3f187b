"""Several processes learn what one learns: data-parallel and sharded, on two CPU processes with gloo; resumed
after a kill; launched by a stage.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, shapes
from ruamel.yaml import YAML
from safetensors.torch import load_file
from test_train import PARAMS, build, environment, files, sequence

from stages import train
from stages.config.base import Base, base_sha256, write_pointer
from stages.config.kernels import FIXED
from stages.config.student import check_student
from stages.records.sequence import write_sequences
from stages.students.load import load
from stages.training.fit import fit

ARGUMENTS = ("base", "sequences.jsonl", "code", "out", "loss.csv", "counts.json")
WORKER = """
import json, os, signal, sys, torch
from pathlib import Path
# accelerate shards on accelerators only: let it take the CPU for one
if os.environ.get("ACCELERATE_USE_FSDP"):
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType
    PartialState._prepare_backend = lambda *values: ("gloo", DistributedType.MULTI_GPU)
    torch.distributed.init_process_group("gloo")
import stages.training.fit, stages.train
real, saves = stages.training.fit.Distiller._save_checkpoint, []
def save(self, *values):
    real(self, *values)
    saves.append(self.state.global_step)
    if len(saves) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
stages.training.fit.Distiller._save_checkpoint = save
sharded = []
class Watched(stages.training.fit.Distiller):
    def resume_or_begin(self):
        super().resume_or_begin()
        sharded.append((self.is_fsdp_enabled, self.args.world_size))
stages.training.fit.Distiller = Watched
for folder in map(Path, json.loads(sys.argv[1])):
    os.chdir(folder)
    os.environ["COT_CHECKPOINT_SECONDS"] = "0" if folder.name == "killed" else "60"
    arguments = ("base", "sequences.jsonl", "code", "out", "loss.csv", "counts.json")
    stages.train.main("small", 5, *map(Path, arguments))
    assert sharded[-1] == ("ACCELERATE_USE_FSDP" in os.environ, 2)
"""
SHARDED = {
    "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT", "ACCELERATE_TORCH_DEVICE": "cpu",
}  # fmt: skip
CELLS = {
    "llama": "",
    "t5": "",
    "qwen2": "    lora: {r: 4, dropout: 0.0, merge: true}\n    schedule: linear\n",
}


@pytest.fixture(scope="module")
def students(tmp_path_factory, byte_tokenizer) -> dict[str, Path]:
    """Without dropout: each process drops something else. A T5 drawn small: as its authors draw one, two
    layers turn rounding into per cents.
    """
    made = {}
    for family in CELLS:
        config = shapes()[family]()
        config.update({"dropout_rate": 0.0, "initializer_factor": 0.3} if family == "t5" else {})
        made[family] = tmp_path_factory.mktemp(family)
        build(config).save_pretrained(made[family])
        byte_tokenizer.save_pretrained(made[family])
    return made


def project(folder: Path, student: Path, more: str = "") -> Path:
    folder.mkdir()
    sha256 = base_sha256(student)
    (folder / "params.yaml").write_text(PARAMS.format(path=student, sha256=sha256) + more)
    write_pointer(Base(path=str(student), sha256=sha256), folder / "base")
    (folder / "code").write_text("00ff  stages/train.py\n")
    rows = [sequence(i, words=i) for i in range(7)] + [sequence(i, "validation") for i in (97, 98, 99)]
    write_sequences(folder / "sequences.jsonl", rows)
    return folder


def torchrun(folders: list[Path], work: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """All cells, one after the other, in two processes; a cell called `killed` dies after its sixth step."""
    (work.parent / "worker.py").write_text(WORKER)
    command = [
        str(shutil.which("torchrun")),
        "--nproc-per-node",
        "2",
        str(work.parent / "worker.py"),
        json.dumps([str(f) for f in folders]),
    ]
    return subprocess.run(
        # the stage fixes its kernels before torch is imported; the worker imports torch first
        command,
        env=environment(work, **FIXED, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def alone(students, tmp_path_factory) -> dict[str, Path]:
    """What one process learns, each text in a row of its own."""
    folder, made = tmp_path_factory.mktemp("alone"), {}
    before = dict(os.environ)
    os.environ |= environment(folder / "work", COT_ROW_TOKENS="60")
    try:
        for family, more in CELLS.items():
            made[family] = project(folder / family, students[family], more)
            os.chdir(made[family])
            train.main("small", 5, *map(Path, ARGUMENTS))
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.chdir(ROOT)
    return made


def assert_learnt_the_same(one: Path, two: Path) -> None:
    """Losses and weights to rounding, all else to the byte."""
    curves = [
        [list(map(float, line.split(","))) for line in (folder / "loss.csv").read_text().splitlines()[1:]]
        for folder in (one, two)
    ]
    assert curves[1] == [pytest.approx(line, rel=1e-5) for line in curves[0]]
    for epoch in ("", "epochs/01", "epochs/04"):
        theirs, ours = (load_file(folder / "out" / epoch / "model.safetensors") for folder in (one, two))
        assert theirs.keys() == ours.keys()
        for name, weights in theirs.items():
            torch.testing.assert_close(ours[name], weights, rtol=1e-3, atol=2e-5, msg=f"{epoch} {name}")
    numbers = [json.loads((folder / "counts.json").read_text()) for folder in (one, two)]
    losses = [float(values.pop("validation_loss")) for values in numbers]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert numbers[0] == numbers[1]
    # one process is pytest's, where torch has chosen its kernels by now
    assert files(one / "out").keys() == files(two / "out").keys() - {"kernels.json"}


@pytest.mark.parametrize("sharded", [False, True], ids=["data-parallel", "sharded"])
def test_two_processes_learn_what_one_learns_and_survive_a_kill(
    sharded: bool, students, alone, tmp_path
) -> None:
    families = [family for family in CELLS if not (sharded and family == "t5")]
    variables, work = SHARDED if sharded else {}, tmp_path / "work"
    whole = [project(tmp_path / family, students[family], CELLS[family]) for family in families]
    # else it would be the first cell again
    killed = project(tmp_path / "killed", students["llama"], more="    clip: 0.9\n")
    done = torchrun([*whole, killed], work, **variables)
    assert done.returncode != 0
    assert done.stderr.count("layout of rows") == len(families) + 1  # one process speaks
    for family, folder in zip(families, whole, strict=True):
        assert_learnt_the_same(alone[family], folder)
    assert not (killed / "out").exists()
    # in the second of four epochs of four steps
    assert [path.name for path in work.glob("*/state-*")] == ["state-6"]

    uninterrupted = project(tmp_path / "uninterrupted", students["llama"], more="    clip: 0.9\n")
    if sharded:
        (killed.parent / "again").mkdir()
        killed = killed.rename(killed.parent / "again" / "cell")
        for folder, place in ((killed, work), (uninterrupted, tmp_path / "other")):
            assert torchrun([folder], place, **variables).returncode == 0
    else:
        for folder, place in ((killed, work), (uninterrupted, tmp_path / "other")):
            stage(folder, place, "torchrun --nproc-per-node 2")
    assert files(killed) == files(uninterrupted)
    assert not list(work.glob("*/state-*"))
    assert len(list(work.glob("*.1.lock"))) == len(families) + 1  # there were two processes


def stage(folder: Path, work: Path, launcher: str) -> None:
    """The command of dvc.yaml, as it stands there."""
    command = [
        sys.executable,
        "-m",
        "stages.train",
        "small",
        "5",
        *ARGUMENTS,
    ]
    subprocess.run(
        command,
        cwd=folder,
        env=environment(work, COT_LAUNCH=launcher),
        check=True,
        capture_output=True,
        timeout=300,
    )


def test_an_encoder_decoder_is_not_sharded(students, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ValueError, match="FSDP cannot shard encoder-decoder students"):
        fit(
            load(students["t5"]),
            {"train": [], "validation": []},
            check_student("t5", {"base": {"path": "x", "sha256": "y"}}),
            0,
            tmp_path,
        )


def test_a_launcher_that_is_not_there_is_named(students, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(project(tmp_path / "llama", students["llama"]))
    monkeypatch.setenv("COT_LAUNCH", "torchrum --nproc-per-node 2")
    with pytest.raises(ValueError, match="torchrum not found; wanted torchrun or accelerate launch"):
        train.main("small", 5, *map(Path, ARGUMENTS))


def test_the_launcher_is_asked_for_this_very_command_once(monkeypatch) -> None:
    called: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *values: called.append(values))
    monkeypatch.setattr(sys, "argv", ["train.py", "small", "5"])
    monkeypatch.setenv("COT_LAUNCH", f"{sys.executable} -m 'a b'")
    train.launch()
    ((program, command, variables),) = called
    assert (program, command) == (
        sys.executable,
        [sys.executable, "-m", "a b", "-m", "stages.train", "small", "5"],
    )
    # a launcher of one process names no rank: it would be started again and again
    assert "COT_LAUNCH" not in variables
    monkeypatch.setenv("WORLD_SIZE", "2")
    train.launch()
    assert len(called) == 1


def test_accelerate_knows_every_setting_of_the_config() -> None:
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.utils import FullyShardedDataParallelPlugin

    path = ROOT / "launch" / "fsdp.yaml"
    assert load_config_from_file(str(path)).distributed_type.value == "FSDP"
    settings = YAML(typ="safe").load(path)["fsdp_config"]
    known = FullyShardedDataParallelPlugin.__dataclass_fields__
    assert {
        name.removeprefix("fsdp_").replace("offload_params", "cpu_offload").replace("version", "fsdp_version")
        for name in settings
    } <= set(known)
