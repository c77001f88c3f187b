"""Students as teachers and as bases, end to end in real DVC: a mentor and a second training of one data set.
What is joined, and rounds: tests/corpus/test_join.py.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from projects import Project

from stages.config.base import read_pointer
from stages.records.completion import read_completions

CORPUS = "gen_last_letter-sample-scripted-d1"
FAN_IN = {"summarize", "cost_accuracy", "report"}


@pytest.fixture
def project(tmp_path: Path, random_student: Callable[[str], Path]) -> Project:
    """Two students, the second one with adapters, of a run without baselines."""
    (tmp_path / "repository").mkdir()
    project = Project(tmp_path / "repository", random_student("llama"))
    for axis, names in {
        "datasets": ["gen_last_letter"],
        "baselines": [],
        "students": ["small", "large"],
    }.items():
        project.change("run", axis, to=names)
    lora = {"r": 2, "alpha": 4, "dropout": 0.0, "targets": ["q_proj"], "merge": False}
    project.like("students", "large", "small", lora=lora)
    project.change("mentors", to={"large": {"samples": 2, "max_new_tokens": 3, "hints": True}})
    return project


def test_a_mentor_and_a_second_training(project: Project) -> None:
    project.change("run", "mentors", to=["large"])
    project.change("run", "mentored", to=["small"])
    project.change("run", "first_methods", to=["fine_tune_cot"])
    project.change("run", "second_methods", to=["std_cot"])
    project.change("methods", "std_cot", "second", to={"lr": 1e-5, "epochs": 2})
    taught = f"{CORPUS}-fine_tune_cot-large-0"
    own = f"{CORPUS}-fine_tune_cot-small-0-large"
    second = [f"{CORPUS}-std_cot-{student}-0-fine_tune_cot" for student in ("small", "large")]
    ran = project.ran()
    wanted = {f"{stage}@{taught}" for stage in ("mentor", "curate_mentored", "render_mentored")}
    wanted |= {f"train_mentored@{own}", *(f"{stage}_mentored@{own}-greedy" for stage in ("predict", "score"))}
    wanted |= {f"train_second@{name}" for name in second} | {f"render_second@{CORPUS}-std_cot"}
    wanted |= {f"{stage}_second@{name}-greedy" for name in second for stage in ("predict", "score")}
    assert wanted == {name for name in ran if any(word in name for word in ("mentor", "_second@"))}
    asked_only_what_is_learned(project, f"data/mentored/{taught}.jsonl")
    summary = json.loads((project.folder / "metrics/summary.json").read_text())["gen_last_letter-sample"]
    assert {*summary} == {
        "fine_tune_cot (scripted/d1/small)",
        "fine_tune_cot (scripted/d1/large)",
        "fine_tune_cot (scripted/d1/small, mentor large)",
        "std_cot (scripted/d1/small, after fine_tune_cot)",
        "std_cot (scripted/d1/large, after fine_tune_cot)",
    }
    assert "### With a mentor against without" in (project.folder / "metrics/table.md").read_text()
    epochs = json.loads((project.folder / f"metrics/training/{second[0]}.json").read_text())["epochs"]
    assert epochs == 2
    pointer, _ = read_pointer(project.folder / f"data/students/{second[1]}")  # new adapters on the first ones
    assert pointer.path == f"data/students/{CORPUS}-fine_tune_cot-large-0"
    assert project.ran() == set()
    project.change("mentors", "large", "samples", to=1)
    assert project.ran() - FAN_IN <= {"check", *(name for name in wanted if "mentor" in name)}


def asked_only_what_is_learned(project: Project, file: str) -> None:
    """Every train and validation question, and no test question; the missed ones again, with the answer."""
    parts = json.loads((project.folder / "data/splits/gen_last_letter-sample.json").read_text())
    rows = read_completions(project.folder / file)
    assert {row.example_id for row in rows} == {*parts["train"], *parts["validation"]}
    hinted = [row for row in rows if row.rationalised]
    assert hinted
    assert all("Hint: the answer is" in row.prompts[0] for row in hinted)
    assert not any("Hint: the answer is" in row.prompts[0] for row in rows if not row.rationalised)
