"""A small repository with the whole line, in real DVC. What each edit reruns: checking/test_stamps.py."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from projects import Project, ran_in
from ruamel.yaml import YAML

FAN_IN = {"summarize", "cost_accuracy", "report"}  # run if a number moved, which the random student decides
LETTERS, COINS = "gen_last_letter-sample", "gen_coin_flip-sample"
CORPUS, TAUGHT, BARE = "-scripted-d1", "-scripted-d1-fine_tune_cot-small-0", "-zero_shot_cot-small-0"
CELL, PROMPTED = f"{TAUGHT}-greedy", f"{BARE}-greedy"  # the students, as they are asked


def both(*names: str) -> set[str]:
    """The stages of both datasets."""
    return {name.replace("*", dataset) for name in names for dataset in (LETTERS, COINS)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, random_student: Callable[[str], Path]) -> Project:
    folder = tmp_path_factory.mktemp("rerun") / "repository"
    folder.mkdir()
    project = Project(folder, random_student("llama"))
    everything = project.ran()
    run = YAML(typ="safe").load(folder / "params.yaml")["run"]
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    # "${run.AXIS}"
    idle = {
        name
        for name, stage in stages.items()
        if any(run[axis[6:-1]] == [] for axis in stage.get("matrix", {}).values())
    }
    assert {name.split("@")[0] for name in everything} == stages.keys() - idle
    return project


@pytest.fixture
def project(built: Project) -> Project:
    """The built repository, put back afterwards; what was run for a change stays in DVC's cache, out of the
    way.
    """
    kept = {name: (built.folder / name).read_bytes() for name in ("params.yaml", "dvc.lock")}
    stages = built.folder.parent / "stages"
    shutil.copytree(built.folder / "stages", stages)
    metrics = built.folder.parent / "metrics"
    shutil.copytree(built.folder / "metrics", metrics)
    yield built
    for name, text in kept.items():
        (built.folder / name).write_bytes(text)
    for folder in (stages, metrics):
        shutil.rmtree(built.folder / folder.name)
        shutil.move(folder, built.folder / folder.name)
    built.call("dvc", "checkout", "--force", "--quiet")


def test_the_whole_line(project: Project) -> None:
    """Everything ran and left its numbers; then nothing runs, a comment reruns `check` alone, and a changed
    line of the trainer the trainings: `check` says so, and their equal students rerun nothing behind them.
    """
    assert json.loads((project.folder / "metrics/summary.json").read_text())
    for cell in both(f"*{CELL}", f"*{PROMPTED}"):
        scored = json.loads((project.folder / f"metrics/cells/{cell}.json").read_text())
        assert scored["n"] == 9  # 30 % of 30
        assert 0 <= scored["accuracy"] <= 1
    assert "gen_last_letter" in (project.folder / "metrics/table.md").read_text()
    assert project.ran() == set()
    project.edit("stages/training/trainer.py", "import ", "# a remark\nimport ")
    said = project.call("dvc", "repro")
    assert ran_in(said) == {"check"}
    assert "moved" not in said
    project.edit("stages/training/trainer.py", "import ", "LIMIT = 1\nimport ")
    said = project.call("dvc", "repro")
    assert ran_in(said) == {"check", *both(f"train@*{TAUGHT}", f"train_baseline@*{BARE}")}
    assert "stages/training/trainer.py moved: train-small\n" in said


def test_other_questions_rerun_one_data_set_and_transfers_ask_the_students_there_are(
    project: Project,
) -> None:
    project.change("datasets", "gen_coin_flip", "seed", to=1)
    steps = {f"split@{COINS}", f"curate@{COINS}{CORPUS}", f"render@{COINS}{CORPUS}-fine_tune_cot"}
    steps |= {f"train@{COINS}{TAUGHT}", *(f"{step}@{COINS}{CELL}" for step in ("predict", "score"))}
    steps |= {f"{step}_baseline@{COINS}{PROMPTED}" for step in ("predict", "score")}
    steps |= {f"render_baseline@{COINS}-zero_shot_cot", f"exam@{COINS}-small"}
    steps |= {f"logits@{COINS}{CORPUS}-fine_tune_cot-small"}
    first = {"check", "download@gen_coin_flip", "prepare@gen_coin_flip"}
    first |= {f"{stage}@gen_coin_flip-scripted" for stage in ("allot", "teach", "cost", "appraise")}
    assert project.ran() - FAN_IN == first | steps
    project.change(
        "datasets", "gen_shuffled_objects", to={"questions": 20, "seed": 0, "people": 3, "swaps": 1}
    )
    project.change("run", "extra_datasets", to=["gen_shuffled_objects"])
    project.change("run", "transfers", to=["gen_shuffled_objects", "gen_coin_flip"])
    made = {f"{step}_extra@gen_shuffled_objects" for step in ("download", "prepare")}
    made |= {"split_extra@gen_shuffled_objects-sample"}
    targets = ("gen_shuffled_objects", "gen_coin_flip")
    made |= both(*(f"contamination@*-{target}" for target in targets))
    asked = both(
        f"predict_transfer@*{CELL}",
        f"score_transfer@*{CELL}",
        *(f"{step}_transfer_baseline@*{PROMPTED}" for step in ("predict", "score")),
    )
    cells = {f"{name}-{target}" for name in asked for target in targets}
    assert project.ran() == {"check", *FAN_IN, *made, *cells}
    for target, n in (("gen_shuffled_objects", 20), ("gen_coin_flip", 9)):  # all rows, and the test part
        scored = json.loads((project.folder / f"metrics/transfers/{LETTERS}{CELL}-{target}.json").read_text())
        assert (scored["n"], scored["n_train"]) == (n, 19)  # 30 less 9 for test and 2 for validation
    own = json.loads((project.folder / f"metrics/cells/{COINS}{CELL}.json").read_text())
    again = json.loads((project.folder / f"metrics/transfers/{COINS}{CELL}-gen_coin_flip.json").read_text())
    assert again["correct"] == own["correct"]
    summary = json.loads((project.folder / "metrics/summary.json").read_text())
    assert {f"{LETTERS}, transfers", f"{COINS}, transfers"} < summary.keys()


def test_a_student_is_asked_another_way_without_another_training(project: Project) -> None:
    """Of both data sets; the greedy answers stay, and three drawn ones stand beside them in the tables."""
    project.change("run", "decodings", to=["greedy", "drawn"])
    asked = both(
        *(f"{step}@*{TAUGHT}-drawn" for step in ("predict", "score")),
        *(f"{step}_baseline@*{BARE}-drawn" for step in ("predict", "score")),
    )
    assert project.ran() == {"check", *FAN_IN, *asked}
    scored = json.loads((project.folder / f"metrics/cells/{COINS}{TAUGHT}-drawn.json").read_text())
    assert (scored["decoding"], scored["samples"], scored["n"]) == ("drawn", 3, 9)
    summary = json.loads((project.folder / "metrics/summary.json").read_text())
    assert [*summary[COINS]] == [
        "fine_tune_cot (scripted/d1/small)",
        "fine_tune_cot (scripted/d1/small/drawn)",
        "zero_shot_cot (small)",
        "zero_shot_cot (small/drawn)",
    ]
    table = (project.folder / "metrics/table.md").read_text()
    assert "| fine_tune_cot (scripted/d1/small/drawn) - fine_tune_cot (scripted/d1/small) |" in table
    project.change("decodings", "drawn", "max_new_tokens", to=5)
    assert project.ran() - FAN_IN == {"check", *asked}


def test_a_mistyped_key_stops_everything_at_once(project: Project) -> None:
    project.change("students", "small", "learning_rate", to=0.1)
    said = project.call("dvc", "repro", fails=True)
    assert "`students.small.learning_rate`: unknown key; legal keys: kind, base, lr," in said
    assert ran_in(said) == {"check"}


def test_a_killed_repro_goes_on_and_ends_the_same(project: Project) -> None:
    """kill -9 of dvc and of the training it runs, in the middle; then `dvc repro` again, against a training
    never disturbed.
    """
    project.change("students", "small", "epochs", to=40)
    stage, work = f"train@{COINS}{TAUGHT}", project.folder.parent / "work"
    running = subprocess.Popen(
        ["dvc", "repro", stage], cwd=project.folder,
        env=project.environment(COT_CHECKPOINT_SECONDS="0"), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(work.glob("*/state-*")):
        assert running.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert list(work.glob("*/state-*"))
    assert not (project.folder / f"data/students/{COINS}{TAUGHT}/model.safetensors").exists()
    project.call("dvc", "repro", stage)
    assert not list(work.glob("*/state-*"))
    sequences = f"data/sequences/{COINS}{CORPUS}-fine_tune_cot.jsonl"
    project.call(
        sys.executable,
        "-m",
        "stages.train",
        "small",
        "0",
        "data/bases/small",
        sequences,
        "data/code/train-small",
        "../whole",
        "../whole.csv",
        "../whole.json",
    )
    student = project.folder / f"data/students/{COINS}{TAUGHT}"
    for path in student.iterdir():
        assert path.read_bytes() == (project.folder.parent / "whole" / path.name).read_bytes(), path.name
    assert (project.folder.parent / "whole.csv").read_text() == (
        project.folder / f"metrics/loss/{COINS}{TAUGHT}.csv"
    ).read_text()
