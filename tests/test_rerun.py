"""A small repository of its own, the whole line on it, then one change at a time: exactly which stages run?"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

CELL = "gen_last_letter-sample-scripted-d1-fine_tune_cot-small-0"
PROMPTED, DIRECT = (f"gen_last_letter-sample-{method}-small-0" for method in ("zero_shot_cot", "fine_tune"))
CORPUS = "gen_last_letter-sample-scripted-d1"


class Project:
    """A checkout in a folder of its own, with its own small parameters, in which `dvc repro` can be run."""

    def __init__(self, folder: Path, student: Path) -> None:
        self.folder = folder
        for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
            shutil.copy(ROOT / name, folder)
        shutil.copytree(ROOT / "stages", folder / "stages", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "local", folder / "local")
        shutil.copytree(student, folder / "students" / "small")
        sha256 = hashlib.sha256((student / "model.safetensors").read_bytes()).hexdigest()
        params = YAML(typ="safe").load(ROOT / "params.yaml")
        settings = {"questions": 30, "seed": 0, "words": 2}
        params["datasets"] = {"gen_last_letter": {"rows": 30, "source": {"kind": "generated", "settings": settings}}}
        params["students"] = {"small": {"base": {"path": "students/small", "sha256": sha256}, "epochs": 1, "max_tokens": 512}}
        params["decoding"] = {"max_new_tokens": 4}
        params["run"] |= {"datasets": ["gen_last_letter"], "splits": ["sample"], "curations": ["d1"], "students": ["small"], "seeds": [0]}
        self.write(params)
        for command in (["git", "init", "-q"], ["git", "add", "-A"], ["dvc", "init", "-q"]):
            self.call(*command)

    def write(self, params: dict) -> None:
        with (self.folder / "params.yaml").open("w") as file:
            YAML().dump(params, file)

    def change(self, *path: str, to: object) -> None:
        params = YAML(typ="safe").load(self.folder / "params.yaml")
        block = params
        for key in path[:-1]:
            block = block[key]
        block[path[-1]] = to
        self.write(params)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def call(self, *command: str, fails: bool = False) -> str:
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1", "COT_DEVICE": "cpu"}
        environment |= {"COT_WORK": str(self.folder.parent / "work"), "PYTHONPATH": ""}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == fails, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout + done.stderr

    def ran(self) -> set[str]:
        """What `dvc repro` runs now."""
        return set(re.findall(r"Running stage '([^']+)'", self.call("dvc", "repro")))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, random_student: Callable[[str], Path]) -> Project:
    folder = tmp_path_factory.mktemp("rerun") / "repository"
    folder.mkdir()
    project = Project(folder, random_student("llama"))
    everything = project.ran()
    assert {name.split("@")[0] for name in everything} == set(YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"])
    return project


@pytest.fixture
def project(built: Project) -> Project:
    """The built repository, put back afterwards; what was run for a change stays in DVC's cache, out of the way."""
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


def test_nothing_changed_nothing_runs(project: Project) -> None:
    assert project.ran() == set()


def test_the_numbers_are_there(project: Project) -> None:
    summary = json.loads((project.folder / "metrics/summary.json").read_text())
    assert list(summary)
    for cell in (CELL, PROMPTED, DIRECT):
        scored = json.loads((project.folder / f"metrics/cells/{cell}.json").read_text())
        assert scored["n"] == 9  # 30 % of 30
        assert 0 <= scored["accuracy"] <= 1
    assert "gen_last_letter" in (project.folder / "metrics/table.md").read_text()


def test_a_decoding_parameter_reruns_prediction(project: Project) -> None:
    project.change("decoding", "max_new_tokens", to=5)
    always = {"check", f"predict@{CELL}", f"predict_baseline@{PROMPTED}", f"predict_baseline@{DIRECT}"}
    ran = project.ran()
    assert always <= ran
    assert ran <= always | {f"score@{CELL}", f"score_baseline@{PROMPTED}", f"score_baseline@{DIRECT}", "summarize"}


def test_a_comment_in_a_dataset_s_file_changes_no_example_and_stops_there(project: Project) -> None:
    """The scripted teacher's rules stand in that file too, so it is asked again, to the same answers."""
    project.edit("stages/datasets/gen_last_letter.py", '"""', '"""Reworded: ')
    assert project.ran() == {"check", "prepare@gen_last_letter", "teach@gen_last_letter-scripted"}


def test_another_way_to_read_answers_never_generates(project: Project) -> None:
    with (project.folder / "stages/answers.py").open("a") as file:
        file.write("\n# read differently\n")
    scores = {f"score@{CELL}", f"score_baseline@{PROMPTED}", f"score_baseline@{DIRECT}"}
    assert project.ran() - {"check", "prepare@gen_last_letter"} == {f"curate@{CORPUS}", *scores}


def test_a_method_s_text_retrains_that_method(project: Project) -> None:
    project.change("methods", "fine_tune_cot", "format", to="decoder_release")
    ran = project.ran()
    assert ran - {"summarize"} == {"check", f"render@{CORPUS}-fine_tune_cot", f"train@{CELL}", f"predict@{CELL}", f"score@{CELL}"}


def test_a_method_s_code_without_its_text_trains_nothing(project: Project) -> None:
    project.edit("stages/methods/fine_tune_cot.py", '"""', '"""Reworded: ')
    assert project.ran() == {"check", f"render@{CORPUS}-fine_tune_cot", f"predict@{CELL}"}


def test_a_seed_is_a_new_cell(project: Project) -> None:
    project.change("run", "seeds", to=[0, 1])
    new = {cell[:-1] + "1" for cell in (CELL, PROMPTED, DIRECT)}
    ran = project.ran()
    assert {name.split("@")[1] for name in ran if name.split("@")[0].startswith(("train", "predict", "score"))} == new
    assert {name for name in ran if "@" not in name} == {"check", "summarize"}
    assert all("@" not in name or name.endswith("-1") for name in ran)


def test_more_samples_leave_the_first_ones_and_their_students_alone(project: Project) -> None:
    project.change("teachers", "scripted", "samples", to=8)
    assert project.ran() == {"check", "teach@gen_last_letter-scripted", f"curate@{CORPUS}", f"score@{CELL}"}


def test_a_mistyped_key_stops_everything_at_once(project: Project) -> None:
    project.change("students", "small", "learning_rate", to=0.1)
    said = project.call("dvc", "repro", fails=True)
    assert "`students.small.learning_rate`: unknown key (value 0.1); legal keys: base, lr, batch_size" in said
    assert re.findall(r"Running stage '([^']+)'", said) == ["check"]
