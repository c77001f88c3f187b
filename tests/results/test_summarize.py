"""Summarize: the tables made of the grid's cells, and the command."""

import csv
import json
import re

import pytest
from toy_grid import GRID, MARKS, MOVED, REPORTS, TARGETS, WITH, WITHOUT, read_grid, write_grid

from stages.results.cells import group_seeds, read_cells, seed_scores
from stages.results.statistics import wilson
from stages.results.tables import accuracy_table, as_markdown, sample_table, task_table, transfer_table
from stages.summarize import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """cells, transfers and splits, and the working directory meanwhile."""
    write_grid(tmp_path)
    (tmp_path / "splits").mkdir()
    for name, report in REPORTS.items():
        (tmp_path / "splits" / f"{name}.json").write_text(json.dumps(report))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own_groups(folder):
    return group_seeds(read_cells(folder / "cells", list(MARKS)))


def change_cell(path, **numbers):
    path.write_text(json.dumps({**json.loads(path.read_text()), **numbers}))


def summarize(folder, run):
    """The paths of what the command writes."""
    (folder / "params.yaml").write_text(json.dumps({"run": run}))  # JSON is YAML
    out = [folder / "out" / name for name in ("summary.json", "table.md", "transfers.md", "accuracy.csv")]
    transfers = folder / ("transfers" if "transfers" in run else "nowhere")
    main(folder / "cells", transfers, folder / "splits", *out)
    return out


def test_accuracy_table(folder):
    head, *rows = accuracy_table(own_groups(folder), "sample", GRID["datasets"])
    assert head == ["", "toy_a", "toy_b", "average"]
    table = {row[0]: row[1:] for row in rows}
    best = f"{WITH}, best test epoch"
    references = ["chance", "train prior", "most frequent train answer", "teacher scripted_2"]
    assert list(table) == [*references, WITH, best, WITHOUT]
    assert table["teacher scripted_2"] == ["90.0", "90.0", "90.0"]
    assert table["train prior"][0] == "40.0"
    low, high = wilson(7.5, 10)
    # two seeds: sd = half their distance x the root of 2
    assert table[WITH] == [f"75.0 ±{50 * (high - low):.1f}, sd 7.1, 70.0-80.0", table[WITH][1], "62.5"]
    assert table[WITH][1].startswith("50.0 ±")
    assert table[best] == ["85.0", "60.0", "72.5"]


def test_a_teacher_that_was_not_asked_the_test_questions_has_no_number(folder):
    for path in (folder / "cells").glob("toy_b-*"):
        change_cell(path, teacher_accuracy=None)
    rows = accuracy_table(own_groups(folder), "sample", GRID["datasets"])
    assert ["teacher scripted_2", "90.0", "-", "-"] in rows


def test_markdown():
    assert as_markdown([["", "a"], ["x", "1"]]) == "|  | a |\n| --- | --- |\n| x | 1 |\n"


def test_command(folder, capsys):
    summary, table, transfers, csv_file = out = summarize(folder, GRID)
    assert "accuracy in %, split sample" in capsys.readouterr().out
    assert set(json.loads(summary.read_text())) == {"toy_a-sample", "toy_b-sample", "average-sample"}
    text = table.read_text()
    assert "## Split sample" in text
    assert "### Distilled against baselines" in text
    first = [line for line in text.split("###")[0].splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in first}) == 1
    assert "None: `run.transfers` of params.yaml names no other dataset." in transfers.read_text()
    rows = list(csv.DictReader(csv_file.open()))
    assert [row["cell"] for row in rows] == list(MARKS)
    axes = {"dataset": "toy_a", "split": "sample", "method": "with_steps", "student": "tiny", "seed": "0"}
    wanted = {**axes, "decoding": "greedy", "corpus": "scripted_2/answer", "accuracy": "0.8"}
    assert wanted.items() <= rows[0].items()
    assert rows[-1]["corpus"] == "-"
    assert float(rows[0]["low"]) < 0.8 < float(rows[0]["high"])
    before = [path.read_bytes() for path in out]
    assert [path.read_bytes() for path in summarize(folder, GRID)] == before


def test_command_with_transfers(folder, capsys):
    # pairs of which a fifth, and of seed 1 three tenths, are right throughout
    tasks = {"contrast": {"n": 10, "accuracy": 0.5}, "original": {"n": 10, "accuracy": 0.25}}
    for path in (folder / "transfers").glob("*-toy_c.json"):
        consistency = 0.3 if "-1-greedy-toy_c" in path.name else 0.2
        change_cell(path, subtasks=tasks, subtask_average=0.375, consistency=consistency, pairs=10)
    summary, _, transfers, csv_file = summarize(folder, TARGETS)
    assert "learned on toy_b, split sample" in capsys.readouterr().out
    found = json.loads(summary.read_text())
    assert {"toy_a-sample, transfers", "toy_b-sample, transfers", "average-sample"} < set(found)
    text = transfers.read_text()
    titles = ["## Learned on toy_a, split sample", "## Learned on toy_b, split sample"]
    assert re.findall("^## .*", text, re.M) == titles
    assert re.findall("^### Tasks .*", text, re.M) == ["### Tasks of toy_c"] * 2
    assert text.count("| consistent (n 10) | 25.0, sd 7.1, 20.0-30.0 | 25.0, sd 7.1, 20.0-30.0 |") == 2
    scores = found["toy_a-sample, transfers"][WITH]
    assert (scores["toy_c"]["consistency"], scores["toy_c"]["subtask_average"]) == (0.25, 0.375)
    assert "consistency" not in scores["toy_b"]
    assert len(list(csv.DictReader(csv_file.open()))) == len(MARKS)  # transfers are no cells of their own
    missing = next(iter(MOVED))
    (folder / "transfers" / f"{missing}.json").unlink()
    with pytest.raises(ValueError, match=rf"1 of {len(MOVED)} declared cells: {missing}"):
        summarize(folder, TARGETS)


def test_contamination_stands_below_the_table(folder):
    """Of toy_c's twenty questions toy_a's train part has three; of toy_b's nothing is shared."""
    for path in (folder / "transfers").glob("toy_a-*-toy_c.json"):
        change_cell(path, contamination={"equal_rows": 3, "ngram_rows": 12})
    for path in (folder / "transfers").glob("toy_a-*-toy_b.json"):
        change_cell(path, contamination={"equal_rows": 0, "ngram_rows": 0})
    text = summarize(folder, TARGETS)[2].read_text()
    assert re.findall("^Contamination.*", text, re.M) == [
        "Contamination: 3 of 20 questions of toy_c stand word for word in the train part of toy_a, 12 share"
        " eight words in a row with it."
    ]
    assert text.index("Learned on toy_a") < text.index("Contamination") < text.index("Learned on toy_b")


def test_transfer_table(folder):
    own, targets = read_grid(folder)
    head, *rows = transfer_table(own, targets, "sample", "toy_a")
    averages = ["OOD", "OOD by question", "average", "average by question"]
    assert head == ["", "toy_a (own)", "toy_b", "toy_c", *averages]
    assert rows[0] == ["chance", *["50.0"] * 7]
    low, high = wilson(1, 20)
    assert rows[1][0] == WITH
    assert rows[1][3:] == [f"5.0 ±{50 * (high - low):.1f}, sd 0.0, 5.0-5.0", "27.5", "12.5", "43.3", "30.9"]
    assert transfer_table(own, {}, "sample", "toy_a") == []
    assert transfer_table(own, {"toy_b": targets["toy_b"]}, "sample", "toy_b") == []


def test_tables_of_tasks_and_samples(folder):
    at_k = {
        "1": {"pass": 0.5, "majority": 0.5},
        "2": {"pass": 0.7, "majority": 0.5},
        "16": {"pass": 0.9, "majority": 0.6},
    }
    for seed in (0, 1):
        tasks = {"contrast": {"n": 4, "accuracy": 0.5}, "original": {"n": 6, "accuracy": 0.25 * seed}}
        means = {"subtask_average": (2 + 1.5 * seed) / 10, "consistency": 0.25, "pairs": 4}
        path = folder / "cells" / f"toy_a-sample-no_steps-tiny-{seed}-greedy.json"
        change_cell(path, at_k=at_k, subtasks=tasks, **means)
    groups = own_groups(folder)
    assert task_table(groups, "sample", "toy_a") == [
        ["", WITHOUT],
        ["contrast (n 4)", "50.0"],
        ["original (n 6)", "12.5"],
        ["average over tasks", "27.5, sd 10.6, 20.0-35.0"],
        ["consistent (n 4)", "25.0, sd 0.0, 25.0-25.0"],
    ]
    scores = seed_scores(groups["sample", WITHOUT, "toy_a"])
    assert (scores["subtask_average"], scores["consistency"]) == (0.275, 0.25)
    assert sample_table(groups, "sample", "toy_a") == [
        ["", "avg@16", "maj@2", "maj@16", "pass@2", "pass@16"],
        [WITHOUT, "5.0", "50.0", "60.0", "70.0", "90.0"],
    ]
    assert task_table(groups, "sample", "toy_b") == sample_table(groups, "sample", "toy_b") == []
