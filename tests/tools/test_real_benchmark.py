"""`cot benchmark student`: what its lines compare is the same work."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from typer.testing import CliRunner

from tools.benchmark import app, real

TINY = ROOT / "students" / "tiny"
WORDS = "a coin is heads up and alice flips it then bob does not".split()


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up texts in the place of the published ones, and lines that begin no process."""

    def text(place: int, words: int) -> str:
        return " ".join(WORDS[(place + word) % len(WORDS)] for word in range(words))

    pairs = [[text(place, 5 + place % 4), text(place, 6 + place % 7)] for place in range(20)]
    four = [[*pair, "so the answer is", text(place, 2)] for place, pair in enumerate(pairs)]
    monkeypatch.setattr(real, "published_parts", lambda _: {"multiarith": pairs, "bbh_cascod": four})

    def run(command: list[str], **_: Any) -> Any:
        folder, mirror, work, line, size, _threads = command[3:]
        found = real.measure_line(Path(folder), Path(mirror), work, line, int(size))
        return subprocess.CompletedProcess(command, 0, f"{json.dumps(found)}\n")

    monkeypatch.setattr(subprocess, "run", run)


def lines_of(work: str, size: int) -> dict[str, dict[str, Any]]:
    done: list[int] = []
    found = real.measure_work(TINY, Path("mirror"), work, size, 1, lambda: done.append(1))
    assert len(done) == len(real.WORKS[work])
    return {line["layout"]: line for line in found}


@pytest.mark.parametrize("work", ["train", "cascod"])
def test_training_lines_have_one_loss_and_gradient(work: str) -> None:
    lines = lines_of(work, 9)
    near = 0.02
    for line in lines.values():
        tolerance = 2e-5 if line["layout"].endswith("float32") else near
        assert line["loss"] == pytest.approx(lines[real.WORKS[work][0]]["loss"], rel=tolerance)
        assert line["gradient_norm"] == pytest.approx(
            lines[real.WORKS[work][0]]["gradient_norm"], rel=max(near, tolerance)
        )
    if work == "cascod":
        assert lines["ours bfloat16"]["tokens_in"] < lines["padded bfloat16"]["tokens_in"] * 0.7


def test_greedy_answers_are_the_same_in_float32() -> None:
    lines = lines_of("greedy", 16)
    # a batch that no 16 questions fill is left out, but for the line that the texts are compared with
    assert list(lines) == ["generate 64 float32", "generate 8 bfloat16", "ours float32", "ours bfloat16"]
    assert len({line["tokens_out"] for line in lines.values()}) == 1
    assert lines["ours float32"]["equal_texts"] == lines["generate 64 float32"]["equal_texts"] == 1
    assert 0 <= lines["ours bfloat16"]["equal_texts"] <= 1


def test_the_command_writes_its_run(tmp_path: Path) -> None:
    out = tmp_path / "student.json"
    words = [
        "student",
        str(TINY),
        "--mirror",
        "m",
        "--only",
        "samples",
        "--questions",
        "16",
        "--out",
        str(out),
    ]
    made = CliRunner().invoke(app, words)
    assert made.exit_code == 0, made.output
    (run,) = json.loads(out.read_text())["runs"]
    assert run["name"] == "samples tiny"
    assert [line["layout"] for line in run["lines"]] == real.WORKS["samples"]
    assert len({line["tokens_out"] for line in run["lines"]}) == 1
    assert all("said" not in line for line in run["lines"])
