"""Accuracy as what chooses the epoch: asked as `predict` asks, of the weights as they are, and out of the way
of the training.
"""

import json
import subprocess
from pathlib import Path

import pytest
from test_train import environment, write_project

from stages.checking.stamps import of_training
from stages.config.load import read_params
from stages.config.run import Run
from stages.records.example import Example, write_examples
from stages.training.state import Progress


@pytest.mark.parametrize(
    ("epochs", "kept"),
    [
        ([(0.5, 0.2), (0.4, 0.2), (0.3, 0.1)], 2),  # as many right, less loss; then fewer right
        ([(0.5, 0.2), (0.6, 0.2)], 1),
        ([(0.5, 0.0), (9.0, 0.1)], 2),  # however large the loss
        ([(None, 0.3), (None, 0.3)], 1),
        ([(0.5, None), (0.4, None), (0.6, None)], 2),  # the loss alone
        ([(None, None), (None, None)], 2),  # nothing: the last
    ],
)
def test_the_epoch_that_is_kept(epochs: list[tuple[float | None, float | None]], kept: int) -> None:
    progress = Progress()
    for number, (loss, accuracy) in enumerate(epochs, 1):
        progress.end_epoch(1, loss, number == len(epochs), accuracy)
    assert progress.best == kept


@pytest.fixture
def project(random_student, tmp_path: Path) -> list[str]:
    """A training of a random student, and the questions that it is asked between epochs."""
    more = "    select: accuracy\ndecoding: {max_new_tokens: 8}\nmethods: {fine_tune_cot: {format: paper}}\n"
    command = write_project(tmp_path, random_student("llama"), rows=6, more=more)
    examples = [Example(f"q{n}", "made", f"question {n}", str(n), "number") for n in range(4)]
    write_examples(tmp_path / "examples.jsonl", examples)
    split = {"train": ["q0"], "validation": ["q1", "q2"], "test": ["q3"]}
    (tmp_path / "split.json").write_text(json.dumps(split))
    (tmp_path / "demonstrations.txt").write_text("")
    return [*command, "--asked", "fine_tune_cot", "examples.jsonl", "split.json", "demonstrations.txt"]


def test_a_training_says_how_many_it_answers_and_goes_as_without(project: list[str], tmp_path: Path) -> None:
    given = environment(tmp_path / "work")
    ended = subprocess.run(project, cwd=tmp_path, env=given, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert 0 <= counts["validation_accuracy"] <= 1
    curve = (tmp_path / "loss.csv").read_text()

    params = tmp_path / "params.yaml"
    params.write_text(params.read_text().replace("select: accuracy", "select: loss"))
    subprocess.run(project, cwd=tmp_path, env=given, check=True, capture_output=True)
    assert (tmp_path / "loss.csv").read_text() == curve
    assert "validation_accuracy" not in json.loads((tmp_path / "counts.json").read_text())


def test_what_it_needs_is_named(project: list[str], tmp_path: Path) -> None:
    given = environment(tmp_path / "work")
    ended = subprocess.run(project[:-5], cwd=tmp_path, env=given, check=False, capture_output=True, text=True)
    assert "`select: accuracy` needs --asked" in ended.stderr
    (tmp_path / "split.json").write_text(json.dumps({"train": ["q0"], "validation": [], "test": ["q3"]}))
    ended = subprocess.run(project, cwd=tmp_path, env=given, check=False, capture_output=True, text=True)
    assert "split.json: no validation questions" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_asking_and_reading_are_in_the_stamp_only_where_they_choose() -> None:
    params = read_params()
    run = Run(**params["run"])
    by_loss = of_training("tiny", params, run)
    assert "stages/training/trainer.py" in by_loss
    reading = {"stages/text/answers.py", "stages/training/accuracy.py", "params.yaml: decoding"}
    assert not reading & by_loss.keys()
    params["students"]["tiny"]["select"] = "accuracy"
    by_accuracy = of_training("tiny", params, run)
    assert reading < by_accuracy.keys()
    assert by_loss.items() <= by_accuracy.items()
