"""`cot study lines`: lines of any grids against the first, every number counted by hand."""

import json
from pathlib import Path

import pytest
from made_cells import write_cell
from toy_grid import MARKS, REPORTS, write_marks
from typer.testing import CliRunner

from stages.results.statistics import holm, mcnemar, paired_bootstrap
from tools.study import app

WITH, WITHOUT = "*-scripted_2-answer-with_steps-tiny-*", "*-sample-no_steps-tiny-*"


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    write_marks(tmp_path / "cells", MARKS)
    (tmp_path / "splits").mkdir()
    for place, report in REPORTS.items():
        (tmp_path / "splits" / f"{place}.json").write_text(json.dumps(report), encoding="utf-8")
    return tmp_path


def call(metrics: Path, *patterns: str) -> list[list[str]]:
    result = CliRunner().invoke(app, ["lines", *patterns, "--metrics", str(metrics)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    head, _, *rows = [line for line in result.output.splitlines() if line.startswith("|")]
    return [[field.strip() for field in row[1:-1].split("|")] for row in (head, *rows)]


def told(first: list[float], second: list[float], p: float) -> str:
    low, high = paired_bootstrap(first, second)
    mean = sum(first) / len(first) - sum(second) / len(second)
    return f"{100 * mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}, p {p:.3f})"


def test_each_line_is_tested_against_the_first_and_corrected_over_all(metrics: Path) -> None:
    third = {name.replace("with_steps", "third"): "1" * len(marks) for name, marks in MARKS.items()}
    write_marks(metrics / "cells", {name: marks for name, marks in third.items() if "third" in name})
    head, *rows = call(metrics, WITHOUT, WITH, "*-third-*")
    assert head == ["", "toy_a-sample", "toy_b-sample"]
    assert [row[0] for row in rows] == [
        "no_steps (tiny)",
        "with_steps (scripted_2/answer/tiny)",
        "",
        "third (scripted_2/answer/tiny)",
        "",
    ]
    assert [row[1].split(" ")[0] for row in rows[:2] + rows[3:4]] == ["5.0", "75.0", "100.0"]
    none = {"a": [0.5] + [0.0] * 9, "b": [1, 0.5, 1, 0]}
    steps = {"a": [1] * 7 + [0.5, 0, 0], "b": [1, 0, 1, 0]}
    every = {"a": [1.0] * 10, "b": [1.0] * 4}
    pairs = [(one[at], none[at]) for one in (steps, every) for at in "ab"]
    corrected = holm([mcnemar(*pair) for pair in pairs])
    wanted = [told(*pair, p) for pair, p in zip(pairs, corrected, strict=True)]
    assert [*rows[2][1:], *rows[4][1:]] == wanted


@pytest.mark.parametrize(
    ("patterns", "error"),
    [
        ([WITH], "alone: wanted two lines or more"),
        ([WITH, "*-nothing-*"], r"'\*-nothing-\*': no cell in .*cells has such a name"),
        ([WITH, "*-tiny-*"], "names 2 lines, wanted one: no_steps .*, with_steps"),
        ([WITH, "toy_a-sample-no_steps-*"], r"line 2 has the seeds .*toy_a-sample.* the first one .*toy_b"),
        ([WITH, WITH], r"with_steps \(scripted_2/answer/tiny\) is named twice"),
        ([WITH, "/toy*"], r"'/toy\*': wanted names of cells in .*cells, and no path"),
        ([WITH, "*-no_steps-tiny-0-*"], r"line 2 has the seeds \{'toy_a-sample': \[0\]"),
    ],
)
def test_lines_that_cannot_stand_side_by_side(metrics: Path, patterns: list[str], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        call(metrics, *patterns)


def test_without_test_ids_nothing_is_paired(metrics: Path) -> None:
    (metrics / "splits/toy_b-sample.json").unlink()
    with pytest.raises(ValueError, match=rf"{metrics}/splits/toy_b-sample\.json not found"):
        call(metrics, WITH, WITHOUT)


def test_a_student_that_was_asked_another_data_set_is_refused(metrics: Path) -> None:
    name = "toy_a-sample-scripted_2-answer-moved-tiny-0-greedy-toy_b"
    write_cell(metrics / "cells", name, correct="10", n=2, accuracy=0.5)
    with pytest.raises(ValueError, match=r"moved .* was asked another data set"):
        call(metrics, WITH, "*-moved-*")
