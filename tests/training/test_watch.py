"""A training that is watched: its curve is there after each epoch, and its result is the same."""

from pathlib import Path
from typing import Any

import pytest
from test_train import sequence, settings

from stages.config import tracking
from stages.students.load import load
from stages.training.curve import curve_of, write_curve
from stages.training.fit import fit
from stages.training.steps import tokenize_parts
from stages.training.watch import Watch


class Reader:
    """A tracker that reads the curve's file whenever it is told something."""

    told: list[tuple[int, dict[str, float], int]] = []  # noqa: RUF012
    starts: list[bool] = []  # noqa: RUF012
    file: Path

    def __init__(self, run: str, resume: bool) -> None:
        self.starts.append(resume)

    def log(self, numbers: Any, step: int) -> None:
        epochs = len(self.file.read_text().splitlines()) - 1
        self.told.append((step, dict(numbers), epochs))

    def show(self, rows: Any) -> None: ...

    def close(self) -> None: ...


def test_a_watched_training(random_student, tmp_path, monkeypatch) -> None:
    curve = tmp_path / "loss.csv"
    for name, value in (("told", []), ("starts", []), ("file", curve)):
        monkeypatch.setattr(Reader, name, value, raising=False)
    monkeypatch.setitem(tracking.TRACKERS, "reader", Reader)
    monkeypatch.setenv("COT_TRACKING", "reader")
    rows = [sequence(i) for i in range(8)] + [sequence(8, "validation")]
    values = settings(epochs=3)
    found = []
    for work, watch in ((tmp_path / "alone", None), (tmp_path / "watched", Watch("cell", curve))):
        student = load(random_student("gpt2"))
        found.append(fit(student, tokenize_parts(rows, student, 512), values, 3, work, watch=watch))
    alone, watched = found
    assert (tmp_path / "alone/best.pt").read_bytes() == (tmp_path / "watched/best.pt").read_bytes()
    assert alone.history == watched.history
    assert Reader.starts == [False]
    # two steps an epoch, then the epoch, by which time the file has it
    assert [(step, epochs) for step, _, epochs in Reader.told] == [
        (1, 0), (2, 0), (2, 1), (3, 1), (4, 1), (4, 2), (5, 2), (6, 2), (6, 3),
    ]  # fmt: skip
    assert [numbers for _, numbers, _ in Reader.told[2::3]] == alone.history
    losses = [numbers["loss"] for _, numbers, _ in Reader.told if "loss" in numbers]
    assert [sum(pair) / 2 for pair in zip(losses[::2], losses[1::2], strict=True)] == [
        pytest.approx(line["train_loss"]) for line in alone.history
    ]
    write_curve(tmp_path / "at_the_end.csv", curve_of(alone.history))
    assert curve.read_bytes() == (tmp_path / "at_the_end.csv").read_bytes()


def test_the_curve_has_the_accuracy_where_it_was_taken(tmp_path) -> None:
    line = {"epoch": 1, "train_loss": 2.0, "validation_loss": None}
    write_curve(tmp_path / "a.csv", curve_of([line]))
    assert (tmp_path / "a.csv").read_text() == "epoch,train_loss,validation_loss\n1,2.000000,\n"
    write_curve(tmp_path / "b.csv", curve_of([line | {"validation_accuracy": 0.25}]))
    assert (tmp_path / "b.csv").read_text() == (
        "epoch,train_loss,validation_loss,validation_accuracy\n1,2.000000,,0.250000\n"
    )
    write_curve(tmp_path / "c.csv", [])
    assert (tmp_path / "c.csv").read_text() == "epoch,train_loss,validation_loss\n"
