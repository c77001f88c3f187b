"""A tracker beside the files: it is told what is known, and where it fails the stage goes on."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.config import tracking
from stages.config.tracking import Tracking, show_costs, show_samples
from stages.records.completion import Completion
from stages.records.example import Example

QUESTION = Example("made-1", "made", "How many?", "7", "number")
ANSWER = Completion("made-1", 0, ["How many?"], ["I count 7."], ["stop"], "small", "")


class Told:
    """A tracker that notes what it is told, and stumbles where it is to."""

    told: list[Any] = []  # noqa: RUF012
    stumbles = ""

    def __init__(self, run: str, resume: bool) -> None:
        self.note("start", run, resume)

    def note(self, kind: str, *values: Any) -> None:
        if kind == self.stumbles:
            raise OSError(f"no network for \x1b]0;{kind}")
        self.told.append((kind, *values))

    def log(self, numbers: Any, step: int) -> None:
        self.note("log", dict(numbers), step)

    def show(self, rows: Any) -> None:
        self.note("show", rows)

    def close(self) -> None:
        self.note("close")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(Told, "told", [])
    monkeypatch.setitem(tracking.TRACKERS, "told", Told)
    monkeypatch.setenv("COT_TRACKING", "told")
    return Told.told


def test_a_tracker_is_told_what_is_known(told: list[Any]) -> None:
    run = Tracking("cell", resume=True)
    run.log({"loss": 0.5, "validation_loss": None}, 3)
    run.close()
    assert told == [("start", "cell", True), ("log", {"loss": 0.5}, 3), ("close",)]


def test_samples_and_costs(told: list[Any]) -> None:
    show_samples("cell", [ANSWER] * 20, [QUESTION])
    show_costs(
        "made-teacher", {"dollars": 0.25, "tokens_in": 7, "paid": True, "tokens_cached": None, "listed": {}}
    )
    rows = [{"question": "How many?", "gold": "7", "said": "I count 7."}] * tracking.SAMPLES
    assert told == [
        ("start", "cell", False),
        ("show", rows),
        ("close",),
        ("start", "made-teacher", False),
        ("log", {"dollars": 0.25, "tokens_in": 7}, 0),
        ("close",),
    ]


@pytest.mark.parametrize("at", ["start", "log", "close"])
def test_a_tracker_that_fails_is_left_with_one_line(
    at: str, told: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Told, "stumbles", at)
    run = Tracking("cell")
    run.log({"loss": 1.0}, 1)
    run.log({"loss": 0.5}, 2)
    run.close()
    line = f"COT_TRACKING=told: no network for \\x1b]0;{at}; the stage goes on without a tracker\n"
    assert capsys.readouterr().err == line
    assert [one[0] for one in told] == {"start": [], "log": ["start"], "close": ["start", "log", "log"]}[at]


@pytest.mark.parametrize("value", ["", "none"])
def test_without_a_tracker_nothing_is_said(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COT_TRACKING", value)
    run = Tracking("cell")
    run.log({"loss": 1.0}, 1)
    assert (run.tracker, capsys.readouterr().err) == (None, "")


def test_a_name_that_is_none_and_a_package_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COT_TRACKING", "tracio")
    Tracking("cell")
    assert "COT_TRACKING=tracio: wanted dvclive, trackio or none; the stage" in capsys.readouterr().err
    monkeypatch.setenv("COT_TRACKING", "trackio")
    monkeypatch.setitem(sys.modules, "trackio", None)
    Tracking("cell")
    assert "`pip install -e '.[tracking]'` brings it; the stage goes on" in capsys.readouterr().err


def test_dvclive_leaves_what_dvc_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dvclive", reason="no dvclive: pip install -e '.[tracking]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COT_TRACKING", "dvclive")
    for resume, steps in ((False, (1, 2)), (True, (3,)), (False, (1,))):
        run = Tracking("cell", resume)
        for step in steps:
            run.log({"loss": 1 / step}, step)
        run.close()
        rows = Path("dvclive/cell/plots/metrics/loss.tsv").read_text().splitlines()
        wanted = {(False, 2): ["1", "2"], (True, 1): ["1", "2", "3"], (False, 1): ["1"]}[resume, len(steps)]
        assert [row.split("\t")[0] for row in rows] == ["step", *wanted]
    told = json.loads(Path("dvclive/cell/metrics.json").read_text())
    assert (told["loss"], told["step"]) == (1.0, 1)
    shown = json.loads(Path("dvclive/cell/dvc.yaml").read_text())
    assert shown == {"metrics": ["metrics.json"], "plots": [{"plots/metrics": {"x": "step"}}]}


def test_trackio_keeps_a_run_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    trackio = pytest.importorskip("trackio", reason="no trackio: pip install -e '.[tracking]'")
    monkeypatch.setenv("COT_TRACKING", "trackio")
    run = Tracking("cell")
    run.log({"loss": 0.5}, 3)
    run.show([{"question": "How many?", "gold": "7", "said": "I count 7."}])
    run.close()
    (kept,) = trackio.Api().runs(tracking.PROJECT)
    assert kept.name == "cell"
    assert (tmp_path / f"{tracking.PROJECT}.db").is_file()
