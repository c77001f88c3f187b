"""Accuracy as what chooses the epoch: asked as `predict` asks, of the weights as they are, and out of the way
of the training.
"""

import json
import subprocess
from pathlib import Path

import pytest
from test_train import environment, write_project

from stages.checking.stamps import of_exam, of_training
from stages.config.load import read_params
from stages.config.run import Run
from stages.exam import main
from stages.records.exam import Exam, read_exam, write_exam
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


QUESTIONS = [Example(f"q{n}", "made", f"question {n}", str(n), "number") for n in range(4)]


@pytest.fixture
def project(random_student, tmp_path: Path) -> list[str]:
    """A training of a random student, and the questions that it is asked between epochs."""
    more = (
        "    select: accuracy\ndecodings: {greedy: {max_new_tokens: 8}}\n"
        "methods: {fine_tune_cot: {format: paper}}\n"
    )
    command = write_project(tmp_path, random_student("llama"), rows=6, more=more)
    write_exam(tmp_path / "exam.json", Exam(QUESTIONS[1:3], ""))
    return [*command, "--exam", "fine_tune_cot", "exam.json"]


def test_a_training_says_how_many_it_answers_and_goes_as_without(project: list[str], tmp_path: Path) -> None:
    given = environment(tmp_path / "work")
    ended = subprocess.run(project, cwd=tmp_path, env=given, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert 0 <= counts["validation_accuracy"] <= 1
    curve = [line.rpartition(",")[0] for line in (tmp_path / "loss.csv").read_text().splitlines()]
    assert f"{counts['validation_accuracy']:.6f}" in (tmp_path / "loss.csv").read_text()

    params = tmp_path / "params.yaml"
    params.write_text(params.read_text().replace("select: accuracy", "select: loss"))
    subprocess.run(project, cwd=tmp_path, env=given, check=True, capture_output=True)
    assert (tmp_path / "loss.csv").read_text().splitlines() == curve
    assert "validation_accuracy" not in json.loads((tmp_path / "counts.json").read_text())


def test_what_it_needs_is_named(project: list[str], tmp_path: Path) -> None:
    given = environment(tmp_path / "work")
    ended = subprocess.run(project[:-3], cwd=tmp_path, env=given, check=False, capture_output=True, text=True)
    assert "`select: accuracy` needs --exam" in ended.stderr
    assert "Traceback" not in ended.stderr


def write_exam_of(folder: Path, select: str, validation: list[str]) -> str:
    """What the stage writes for a student that is chosen so."""
    (folder / "params.yaml").write_text(
        f"students: {{one: {{base: {{path: x, sha256: y}}, select: {select}}}}}\n"
    )
    write_examples(folder / "examples.jsonl", QUESTIONS)
    split = {"train": ["q0"], "validation": validation, "test": ["q3"]}
    (folder / "split.json").write_text(json.dumps(split))
    (folder / "demonstrations.txt").write_text("Q: shown\n")
    main("one", *(Path(name) for name in ("examples.jsonl", "split.json", "demonstrations.txt", "exam.json")))
    return (folder / "exam.json").read_text()


def test_an_exam_is_the_validation_part_and_for_a_student_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_exam_of(tmp_path, "accuracy", ["q2", "q1"])
    assert read_exam(Path("exam.json")) == Exam(QUESTIONS[1:3], "Q: shown\n")
    nothing = write_exam_of(tmp_path, "loss", ["q1"])
    assert nothing == write_exam_of(tmp_path, "loss", ["q0", "q2"]) == write_exam_of(tmp_path, "loss", [])
    assert read_exam(Path("exam.json")).questions == []
    with pytest.raises(ValueError, match=r"split\.json: no validation questions"):
        write_exam_of(tmp_path, "accuracy", [])


def test_asking_and_reading_are_in_the_stamp_only_where_they_choose() -> None:
    params = read_params()
    run = Run(**params["run"])
    by_loss = of_training("tiny", params, run)
    assert "stages/training/trainer.py" in by_loss
    reading = {"stages/text/answers.py", "stages/training/accuracy.py", "params.yaml: decodings.greedy"}
    assert not reading & by_loss.keys()
    nobody = of_exam("tiny", params)
    params["students"]["tiny"]["select"] = "accuracy"
    by_accuracy = of_training("tiny", params, run)
    assert reading < by_accuracy.keys()
    assert by_loss.items() <= by_accuracy.items()
    assert of_exam("tiny", params) != nobody
