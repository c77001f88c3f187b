"""`cot work`: what is listed and what is cleared."""

import fcntl
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stages.training.kept import keep_finished
from tools.work import app

A, B, C = (letter * 32 for letter in "abc")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COT_WORK", str(tmp_path))
    for name in (A, B, C):
        (tmp_path / name).mkdir()
    (tmp_path / A / "best.pt").write_bytes(b"x" * 1234)
    keep_finished(tmp_path / A, {"best": 3})
    for steps in (9, 10):
        (tmp_path / B / f"state-{steps}").mkdir()
    for path in ((tmp_path / C),):
        os.utime(path, (0, 0))
    return tmp_path


def said(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.output


def test_the_list_says_how_far_each_is(home: Path) -> None:
    lines = [line for line in said("list").splitlines() if line.startswith("│")]
    cells = {line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:-1]] for line in lines}
    assert cells[A][0] == "finished, epoch 3 kept"
    assert int(cells[A][1].replace(",", "")) == 1234 + (home / A / "finished.json").stat().st_size
    assert cells[B][0] == "stopped after 10 steps"
    assert (cells[C][0], cells[C][2]) == ("no state yet", "1970-01-01 00:00")


def test_tokenised_texts_are_listed_and_cleared(home: Path) -> None:
    (home / "tokens" / "key").mkdir(parents=True)
    (home / "tokens" / "key" / "train.arrow").write_bytes(b"x" * 99)
    assert "tokenised texts" in said("list")
    assert said("clear", "--yes") == "4 trainings removed\n"
    assert not (home / "tokens" / "key").exists()


def test_clear_takes_what_nobody_trains(home: Path) -> None:
    assert "would remove 3 trainings" in said("clear")
    assert said("clear", "--older", "7", "--yes") == "1 trainings removed\n"
    with (home / f"{B}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert said("clear", "--yes") == "1 trainings removed; 1 are being trained\n"
    assert said("clear", "--yes") == "1 trainings removed\n"
    assert "0 trainings, 0 bytes" in said("list")


def test_what_is_somebody_elses_stays(home: Path) -> None:
    for name in ("thesis", "x/state-abc"):
        (home / name).mkdir(parents=True)
    (home / "thesis" / "draft.tex").write_text("words")
    assert "thesis" not in said("list")
    told = said("clear")
    assert all(f"{home / name}: " in told for name in (A, B, C))
    assert said("clear", "--yes") == "3 trainings removed\n"
    assert (home / "thesis" / "draft.tex").read_text() == "words"
    assert (home / "x" / "state-abc").exists()
