"""`cot work`: what is listed and what is cleared."""

import fcntl
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stages.training.kept import keep_finished
from tools.work import app


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COT_WORK", str(tmp_path))
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "best.pt").write_bytes(b"x" * 1234)
    keep_finished(tmp_path / "a", {"best": 3})
    for steps in (9, 10):
        (tmp_path / "b" / f"state-{steps}").mkdir()
    for path in ((tmp_path / "c"),):
        os.utime(path, (0, 0))
    return tmp_path


def said(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.output


def test_the_list_says_how_far_each_is(home: Path) -> None:
    lines = [line for line in said("list").splitlines() if line.startswith("│")]
    cells = {line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:-1]] for line in lines}
    assert cells["a"][0] == "finished, epoch 3 kept"
    assert int(cells["a"][1].replace(",", "")) == 1234 + (home / "a" / "finished.json").stat().st_size
    assert cells["b"][0] == "stopped after 10 steps"
    assert (cells["c"][0], cells["c"][2]) == ("no state yet", "1970-01-01 00:00")


def test_tokenised_texts_are_listed_and_cleared(home: Path) -> None:
    (home / "tokens" / "key").mkdir(parents=True)
    (home / "tokens" / "key" / "train.arrow").write_bytes(b"x" * 99)
    assert "tokenised texts" in said("list")
    assert said("clear", "--yes") == "4 trainings removed\n"
    assert not (home / "tokens" / "key").exists()


def test_clear_takes_what_nobody_trains(home: Path) -> None:
    assert "would remove 3 trainings" in said("clear")
    assert said("clear", "--older", "7", "--yes") == "1 trainings removed\n"
    with (home / "b.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert said("clear", "--yes") == "1 trainings removed; 1 are being trained\n"
    assert said("clear", "--yes") == "1 trainings removed\n"
    assert "0 trainings, 0 bytes" in said("list")
