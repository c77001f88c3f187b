"""The grid's cells and the tables made of them."""

import csv
import json
import re

import pytest
from pydantic import ValidationError

from stages.config.run import Run, axes, cells
from stages.statistics import holm, mcnemar, wilson
from stages.summarize import accuracy_table, grouped, main, markdown, paired_table, read_cells, summary

GRID = {
    **{"preset": "toy", "datasets": ["toy_a", "toy_b"], "splits": ["sample"], "teachers": ["scripted_2"], "curations": ["answer"]},
    **{"methods": ["with_steps"], "baselines": ["no_steps"], "students": ["tiny"], "seeds": [0, 1]},
}
MARKS = {
    "toy_a-sample-scripted_2-answer-with_steps-tiny-0": "1111111100",
    "toy_a-sample-scripted_2-answer-with_steps-tiny-1": "1111111000",
    "toy_b-sample-scripted_2-answer-with_steps-tiny-0": "1010",
    "toy_b-sample-scripted_2-answer-with_steps-tiny-1": "1010",
    "toy_a-sample-no_steps-tiny-0": "1000000000",
    "toy_a-sample-no_steps-tiny-1": "0000000000",
    "toy_b-sample-no_steps-tiny-0": "1010",
    "toy_b-sample-no_steps-tiny-1": "1110",
}
WITH, WITHOUT = "with_steps (scripted_2/answer/tiny)", "no_steps (tiny)"


@pytest.fixture
def folder(tmp_path):
    for name, marks in MARKS.items():
        accuracy = marks.count("1") / len(marks)
        low, high = wilson(marks.count("1"), len(marks))
        numbers = {"n": len(marks), "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high, "correct": marks}
        numbers |= {"chance": 0.5, "train_prior": 0.4, "train_most_frequent": 0.6}
        if "scripted_2" in name:
            numbers |= {"teacher_accuracy": 0.9, "accuracy_best_test_epoch": accuracy + 0.1, "best_test_epoch": 3}
        (tmp_path / f"{name}.json").write_text(json.dumps(numbers))
    return tmp_path


def test_cells_are_the_product_in_order():
    assert cells(Run.model_validate(GRID)) == list(MARKS)
    wide = Run.model_validate({**GRID, "methods": ["a", "b", "c"], "students": ["s", "t"], "baselines": ["x", "y"], "curations": ["k", "l"]})
    assert len(set(cells(wide))) == len(cells(wide)) == 2 * 1 * 1 * 2 * 3 * 2 * 2 + 2 * 1 * 2 * 2 * 2
    assert cells(Run.model_validate({**GRID, "teachers": [], "baselines": []})) == []


@pytest.mark.parametrize("name", MARKS)
def test_axes_invert_names(name):
    assert "-".join(filter(None, axes(name).values())) == name
    assert bool(axes(name)["teacher"]) == ("scripted_2" in name)
    assert axes(name)["student"] == "tiny"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"datasets": []}, "at least 1"),
        ({"splits": []}, "at least 1"),
        ({"methods": ["with-steps"]}, "must consist of"),
        ({"students": ["Tiny"]}, "must consist of"),
        ({"teachers": ["a/b"]}, "must consist of"),
        ({"datasets": [""]}, "must consist of"),
        ({"datasets": ["toy_a", "toy_b", "toy_a"]}, "'toy_a'.* listed twice"),
        ({"seeds": [1, 1]}, "listed twice"),
        ({"seeds": [-1]}, "greater than or equal"),
        ({"seeds": ["0"]}, "valid integer"),
        ({"unknown": 1}, "not permitted"),
    ],
)
def test_run_refuses(change, message):
    with pytest.raises(ValidationError, match=message):
        Run.model_validate({**GRID, **change})


def test_missing_cell_is_named(folder):
    (folder / "toy_b-sample-no_steps-tiny-1.json").unlink()
    with pytest.raises(ValueError, match="1 of 8 declared cells: toy_b-sample-no_steps-tiny-1"):
        read_cells(folder, list(MARKS))
    with pytest.raises(ValueError, match="no cells"):
        read_cells(folder, [])


def test_cells_of_other_questions_are_refused(folder):
    path = folder / "toy_b-sample-no_steps-tiny-1.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "correct": "111", "n": 3}))
    with pytest.raises(ValueError, match=r"tiny-1\.json: 3 marks for n 3, wanted 4"):
        read_cells(folder, list(MARKS))


def test_undeclared_cells_are_ignored(folder):
    (folder / "toy_c-sample-no_steps-tiny-0.json").write_text("{}")
    assert [cell["cell"] for cell in read_cells(folder, list(MARKS))] == list(MARKS)


def test_summary(folder):
    numbers = summary(grouped(read_cells(folder, list(MARKS))))
    assert list(numbers) == ["toy_a-sample", "toy_b-sample", "average-sample"]
    assert numbers["toy_a-sample"][WITH] == {"accuracy": 0.75, "n": 10, "n_seeds": 2, "sd": 0.0707, "accuracy_best_test_epoch": 0.85}
    assert numbers["toy_b-sample"][WITHOUT] == {"accuracy": 0.625, "n": 4, "n_seeds": 2, "sd": 0.1768}
    # (0.75 + 0.5) / 2 and (7.5 + 2) / 14
    assert numbers["average-sample"][WITH] == {"accuracy": 0.625, "accuracy_by_question": 0.6786, "n": 14, "n_datasets": 2}


def test_accuracy_table(folder):
    head, *rows = accuracy_table(grouped(read_cells(folder, list(MARKS))), "sample", GRID["datasets"])
    assert head == ["", "toy_a", "toy_b", "average"]
    table = {row[0]: row[1:] for row in rows}
    assert list(table) == ["chance", "train prior", "most frequent train answer", "teacher scripted_2", WITH, f"{WITH}, best test epoch", WITHOUT]
    assert table["teacher scripted_2"] == ["90.0", "90.0", "90.0"]
    assert table["train prior"][0] == "40.0"
    low, high = wilson(7.5, 10)
    assert table[WITH] == [f"75.0 ±{50 * (high - low):.1f}", table[WITH][1], "62.5"]
    assert table[WITH][1].startswith("50.0 ±")
    assert table[f"{WITH}, best test epoch"] == ["85.0", "60.0", "72.5"]


def test_a_teacher_that_was_not_asked_the_test_questions_has_no_number(folder):
    for name in MARKS:
        if name.startswith("toy_b"):
            path = folder / f"{name}.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "teacher_accuracy": None}))
    rows = accuracy_table(grouped(read_cells(folder, list(MARKS))), "sample", GRID["datasets"])
    assert ["teacher scripted_2", "90.0", "-", "-"] in rows


def test_paired_table(folder):
    head, *rows = paired_table(grouped(read_cells(folder, list(MARKS))), "sample", GRID["datasets"])
    assert head == ["", "toy_a", "toy_b"]
    assert len(rows) == 1
    assert rows[0][0] == f"{WITH} - {WITHOUT}"
    # toy_a: seven questions are won (the first 2 to 1), the eighth 1 to 0; toy_b: one is lost
    p_values = holm([mcnemar([1] * 8, [0] * 8), mcnemar([0], [1])])
    assert rows[0][1:] == [f"+70.0 (p {p_values[0]:.3f})", f"-12.5 (p {p_values[1]:.3f})"] == ["+70.0 (p 0.016)", "-12.5 (p 1.000)"]


def test_markdown():
    assert markdown([["", "a"], ["x", "1"]]) == "|  | a |\n| --- | --- |\n| x | 1 |\n"


def test_command(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(json.dumps({"run": GRID}))  # JSON is YAML
    out = [tmp_path / "out" / name for name in ("summary.json", "table.md", "accuracy.csv")]
    main(folder, *out)
    assert "accuracy in %, split sample" in capsys.readouterr().out
    assert set(json.loads(out[0].read_text())) == {"toy_a-sample", "toy_b-sample", "average-sample"}
    text = out[1].read_text()
    assert "## Split sample" in text
    assert "### Distilled against baselines" in text
    assert len({len(re.findall(r"\|", line)) for line in text.split("###")[0].splitlines() if line.startswith("|")}) == 1
    rows = list(csv.DictReader(out[2].open()))
    assert [row["cell"] for row in rows] == list(MARKS)
    wanted = {"dataset": "toy_a", "split": "sample", "method": "with_steps", "corpus": "scripted_2/answer", "student": "tiny", "seed": "0"}
    assert wanted.items() <= rows[0].items()
    assert rows[0]["accuracy"] == "0.8"
    assert rows[-1]["corpus"] == "-"
    assert float(rows[0]["low"]) < 0.8 < float(rows[0]["high"])
    before = [path.read_bytes() for path in out]
    main(folder, *out)
    assert before == [path.read_bytes() for path in out]
