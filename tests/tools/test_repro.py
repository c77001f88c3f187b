"""`cot repro`: cells side by side in worktrees, results at home, what is left when something ends it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML
from small_pipeline import SmallPipeline

from tools.repro.cells import Cell
from tools.repro.deal import deal, duration
from tools.repro.places import default_jobs, environments, visible_gpus
from tools.repro.worktree import absolute, link_bases


def wait_for(what: Callable[[], bool], seconds: float = 200) -> None:
    latest = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < latest, "it did not come"
        time.sleep(0.05)


def begun(pipeline: SmallPipeline, stage: str) -> int:
    """The process of a stage that has begun, 0 before."""
    lines = pipeline.journal.read_text().splitlines() if pipeline.journal.exists() else []
    return next((int(line.split()[-1]) for line in lines if line.startswith(f"{stage} ")), 0)


def alive(process: int) -> bool:
    return psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE


def run_dvc(folder: Path, *words: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=folder,
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_side_by_side_as_one_after_the_other(tmp_path: Path) -> None:
    """dvc.lock as by `dvc repro`, to the byte; each cell once; uncommitted changes count; nothing is left."""
    alone = SmallPipeline(tmp_path / "alone", "abcd")
    run_dvc(alone.folder, "repro", JOURNAL=str(alone.journal))
    beside = SmallPipeline(tmp_path / "beside", "abcd")
    status, said = beside.repro("--jobs", "2", CUDA_VISIBLE_DEVICES="5,7", COT_DEVICE="cuda")
    assert status == 0, said
    for name in ("dvc.lock", "metrics/table.md", "metrics/cells/c.json", "metrics/loss/c.json"):
        assert (beside.folder / name).read_bytes() == (alone.folder / name).read_bytes()
    ran = beside.ran()
    assert sorted(name for name, *_ in ran) == alone.names()
    trained = [(gpu, Path(folder).name) for name, gpu, folder, _ in ran if name.startswith("train@")]
    assert set(trained) == {("5", "worker1"), ("7", "worker2")}
    assert [line.split()[0] for line in said.splitlines() if " of 4  worker" in line] == list("1234")
    assert beside.left() == []

    (beside.folder / "step.txt").write_text("another step")  # tracked, changed, not committed
    (beside.folder / "local/own.txt").write_text("another own")
    assert beside.repro("--jobs", "2")[0] == 0
    cells = [f"{stage}@{cell}" for stage in ("train", "score") for cell in "abcd"]
    assert beside.names() == sorted(["check", *cells, "summarize"])
    weights = beside.folder / "data/students/a/weights"
    assert "another step" in weights.read_text()
    assert run_dvc(beside.folder, "status").startswith("Data and pipelines are up to date")
    assert beside.repro("--jobs", "2")[0] == 0
    assert beside.names() == []


SECOND = """
  train_second:
    matrix: *cell
    cmd: >-
      python step.py train_second@${item.cell} data/again/${item.cell}/weights
      data/students/${item.cell}/weights data/students/a/weights
    deps: ["data/students/${item.cell}", data/students/a]
    outs: ["data/again/${item.cell}"]
"""


def test_trainings_that_wait_for_others_are_a_wave_of_their_own(tmp_path: Path) -> None:
    """Each goes on from its own first student and from a's: all of them side by side, after those."""
    alone, beside = (SmallPipeline(tmp_path / name, "abc") for name in ("alone", "beside"))
    for pipeline in (alone, beside):
        with (pipeline.folder / "dvc.yaml").open("a") as file:
            file.write(SECOND)
    run_dvc(alone.folder, "repro", JOURNAL=str(alone.journal))
    status, said = beside.repro("--jobs", "2")
    assert status == 0, said
    assert (beside.folder / "dvc.lock").read_bytes() == (alone.folder / "dvc.lock").read_bytes()
    ran = beside.ran()
    assert sorted(name for name, *_ in ran) == alone.names()
    again = {Path(folder).name for name, _, folder, _ in ran if name.startswith("train_second@")}
    assert again == {"worker1", "worker2"}
    assert beside.left() == []


def test_a_worker_has_the_weights_that_a_block_names(tmp_path: Path) -> None:
    """Those of another run's student are in no commit, and no stage of the cell depends on them. What lies
    elsewhere is found from there: nothing is put beside the worker.
    """
    root, side = tmp_path / "root", tmp_path / "root/.dvc/tmp/side"
    worktree = side / "worker1"
    for name in ("data/students/first", "students/tracked", "whole", "../outside"):
        (root / name).mkdir(parents=True)
        (root / name / "model.safetensors").write_text(name)
    (worktree / "students/tracked").mkdir(parents=True)
    (worktree / "students/tracked/model.safetensors").write_text("as in the commit")
    bases = ["data/students/first", "students/tracked", "nowhere", "../outside", str(root / "whole")]
    blocks = {f"s{number}": {"base": {"path": path}} for number, path in enumerate(bases)}
    YAML().dump({"students": blocks, "teachers": {"t": {"backend": "human"}}}, root / "params.yaml")
    link_bases(root, worktree)
    assert (worktree / "data/students/first/model.safetensors").read_text() == "data/students/first"
    assert (worktree / "students/tracked/model.safetensors").read_text() == "as in the commit"
    assert sorted(path.name for path in worktree.iterdir()) == ["data", "students"]
    assert [path.name for path in side.iterdir()] == ["worker1"]


def test_a_failing_cell_ends_the_run_and_no_other_cell(tmp_path: Path) -> None:
    pipeline = SmallPipeline(tmp_path, "abc")
    (pipeline.folder / "texts/a").write_text("fail " * 9)  # the largest: the first that is dealt
    (pipeline.folder / "step.py").write_text(
        (pipeline.folder / "step.py")
        .read_text()
        .replace('"fail" in', 'name.startswith("train") and "fail" in')
    )
    status, said = pipeline.repro("--jobs", "2")
    assert status == 1
    assert "failed: a (worker" in said
    assert "train@a: no such luck" in said
    assert str(pipeline.folder / ".dvc/tmp/side/worker1.log") in said
    assert "a failed; what was finished is kept" in said
    assert pipeline.left() == []
    assert "train@b" in pipeline.names()
    assert "train@b" in (pipeline.folder / "dvc.lock").read_text()
    (pipeline.folder / "texts/a").write_text("well")
    assert pipeline.repro("--jobs", "2")[0] == 0
    assert not {"train@b", "score@b"} & set(pipeline.names())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_ends_the_trainings_and_keeps_what_was_finished(tmp_path: Path, number: int) -> None:
    pipeline = SmallPipeline(tmp_path, "abc")
    (pipeline.folder / "texts/a").write_text("slow " * 9)
    process = pipeline.start("--jobs", "2")
    assert process.stdout is not None
    said = ""
    while " b " not in said and (line := process.stdout.readline()):
        said += line
    training = begun(pipeline, "train@a")
    assert alive(training), said
    process.send_signal(number)
    rest, _ = process.communicate(timeout=200)
    assert process.returncode == 128 + number
    assert "Traceback" not in rest
    assert "failed" not in rest
    assert not alive(training)
    assert pipeline.left() == []
    pipeline.ran()
    (pipeline.folder / "texts/a").write_text("quick")
    assert pipeline.repro("--jobs", "2")[0] == 0
    assert "train@b" not in pipeline.names()


def test_a_killed_worker_fails_and_a_killed_parent_leaves_no_training(tmp_path: Path) -> None:
    pipeline = SmallPipeline(tmp_path, "ab")
    (pipeline.folder / "texts/a").write_text("slow " * 9)
    process = pipeline.start("--jobs", "2")
    wait_for(lambda: bool(begun(pipeline, "train@a")))
    training = begun(pipeline, "train@a")
    above = psutil.Process(training).parents()  # a shell may stand between
    next(process for process in above if "tools.repro.worker" in process.cmdline()).kill()
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 1
    assert "the worker's process was ended" in said
    assert not alive(training)
    assert pipeline.left() == []

    pipeline.ran()
    process = pipeline.start("--jobs", "2")
    wait_for(lambda: bool(begun(pipeline, "train@a")))
    training = begun(pipeline, "train@a")
    busy = subprocess.run(
        [sys.executable, "-m", "tools", "repro", "--jobs", "2"],
        cwd=pipeline.folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert "another `cot repro` works here" in busy.stderr
    process.kill()
    process.communicate(timeout=200)
    wait_for(lambda: not alive(training))
    assert pipeline.left()
    (pipeline.folder / "texts/a").write_text("quick")
    assert pipeline.repro("--jobs", "2")[0] == 0
    assert pipeline.left() == []


def test_a_worker_a_gpu_and_its_share_of_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = tmp_path / "nvidia-smi"
    listing.write_text("#!/bin/sh\necho 'GPU 0: H200 (UUID: GPU-1)'\necho 'GPU 1: H200 (UUID: GPU-2)'\n")
    listing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("COT_DEVICE", raising=False)
    assert visible_gpus() == ["0", "1"]
    assert default_jobs() == 2
    given = environments(3, visible_gpus(), 8, None)
    assert [one["CUDA_VISIBLE_DEVICES"] for one in given] == ["0", "1", "0"]
    assert {one["OMP_NUM_THREADS"] for one in given} == {"2"}
    assert environments(2, [], 8, "1")[0]["OMP_NUM_THREADS"] == "1"
    assert "CUDA_VISIBLE_DEVICES" not in environments(2, [], 8, "1")[0]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert visible_gpus() == ["3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("COT_DEVICE", "cpu")
    assert visible_gpus() == []


class Recorder:
    """A worker in memory."""

    def __init__(self, wrong: str = "") -> None:
        self.seen: list[str] = []
        self.wrong = wrong

    def run(self, cell: Cell) -> str | None:
        self.seen.append(cell.name)
        return "wrong" if cell.name == self.wrong else None

    def stop(self) -> None: ...


def test_no_cell_is_begun_after_a_failure() -> None:
    cells = [Cell(name, [], [], {}, 0) for name in "abc"]
    worker, home = Recorder("b"), Recorder()
    said: list[str] = []
    assert deal(cells, [worker], home, said.append) == ["b"]
    assert worker.seen == ["a", "b"]
    assert home.seen == ["a"]
    assert said[0].startswith("1 of 3  worker 1  a")
    assert json.loads(json.dumps(cells[0].as_dict())) == cells[0].as_dict()


def test_durations_read_well() -> None:
    assert [duration(seconds) for seconds in (0.4, 61, 3725)] == ["0 s", "1 min 1 s", "1 h 2 min"]


def test_paths_in_variables_are_those_of_the_checkout() -> None:
    given = absolute({"COT_STORE": "answers.sqlite", "COT_WORK": "/work", "COT_DEVICE": "cpu"})
    assert given == {"COT_STORE": os.path.abspath("answers.sqlite"), "COT_WORK": "/work", "COT_DEVICE": "cpu"}
