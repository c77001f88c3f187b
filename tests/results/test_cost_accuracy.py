"""Cost and accuracy: the columns of a small grid worked out by hand, and the order of the table."""

import csv
import json

import pytest
from made_cells import write_cell

from stages import cost_accuracy

GRID = {
    "preset": "toy",
    "datasets": ["toy"],
    "splits": ["sample", "sample_8"],
    "teachers": ["paid", "rules"],
    "curations": ["d1", "d4"],
    "methods": ["fine_tune_cot"],
    "baselines": ["zero_shot_cot", "fine_tune"],
    "students": ["tiny"],
    "seeds": [0, 1],
    "decodings": ["greedy"],
}
STUDENTS = [
    *("paid-d1-fine_tune_cot", "paid-d4-fine_tune_cot", "rules-d1-fine_tune_cot", "rules-d4-fine_tune_cot"),
    *("zero_shot_cot", "fine_tune"),
]
QUESTIONS = {"sample": 70, "sample_8": 8}  # of the train part


def write_cells(folder):
    for split, questions in QUESTIONS.items():
        for place, student in enumerate(STUDENTS):
            for seed in (0, 1):
                right = place + seed
                scores = {"accuracy": right / 10, "accuracy_low": 0.0, "accuracy_high": 1.0, "n": 10}
                marks = "1" * right + "0" * (10 - right)
                name = f"toy-{split}-{student}-tiny-{seed}-greedy"
                write_cell(folder, name, **scores, correct=marks, n_train=questions)


def write_funnels(folder):
    """The teacher answered all questions of the larger part but one, with four completions each."""
    folder.mkdir()
    for split, questions in QUESTIONS.items():
        answered = questions - (split == "sample")
        for curation, budget in (("d1", 1), ("d4", 4)):
            tokens = {"tokens_in": 20 * answered, "tokens_out": 30 * budget * answered}
            for teacher, known in (("paid", tokens), ("rules", dict.fromkeys(tokens))):
                asked = {"completions": budget * answered, **known, "tokens_cached": None}
                train = {"questions_listed": questions, "asked": asked}
                path = folder / f"toy-{split}-{teacher}-{curation}.json"
                path.write_text(json.dumps({"train": train}))


@pytest.fixture
def grid(tmp_path, monkeypatch):
    """Train parts of 70 and 8 questions, a teacher at 0.001 dollars a completion, one without a price."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(json.dumps({"run": GRID}))
    write_cells(tmp_path / "cells")
    write_funnels(tmp_path / "funnels")
    (tmp_path / "costs").mkdir()
    for teacher, dollars in (("paid", 0.001), ("rules", None)):
        path = tmp_path / "costs" / f"toy-{teacher}.json"
        path.write_text(json.dumps({"dollars_per_completion": dollars}))
    (tmp_path / "rendered").mkdir()
    for split in QUESTIONS:
        for method, learns_from in (("zero_shot_cot", "nothing"), ("fine_tune", "answers")):
            path = tmp_path / "rendered" / f"toy-{split}-{method}.json"
            path.write_text(json.dumps({"method": method, "learns_from": learns_from}))
    return tmp_path


def run_table(grid):
    folders = [grid / name for name in ("cells", "costs", "funnels", "rendered")]
    cost_accuracy.main(*folders, grid / "out.csv", grid / "out.md")
    with (grid / "out.csv").open() as file:
        return {found["cell"]: found for found in csv.DictReader(file)}, (grid / "out.md").read_text()


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        # wrong answers were paid, silent ones were not
        ("toy-sample-paid-d1-fine_tune_cot-tiny-0-greedy", ("70", "69", 46.9, 0.069, 46.969)),
        ("toy-sample-paid-d4-fine_tune_cot-tiny-1-greedy", ("70", "276", 46.9, 0.276, 47.176)),
        ("toy-sample_8-paid-d4-fine_tune_cot-tiny-0-greedy", ("8", "32", 5.36, 0.032, 5.392)),
        ("toy-sample-rules-d4-fine_tune_cot-tiny-0-greedy", ("70", "276", 46.9, None, None)),
        ("toy-sample-fine_tune-tiny-0-greedy", ("70", "0", 46.9, 0.0, 46.9)),
        ("toy-sample-zero_shot_cot-tiny-0-greedy", ("0", "0", 0.0, 0.0, 0.0)),
    ],
)
def test_what_a_cell_cost(grid, cell, wanted):
    found = run_table(grid)[0][cell]
    assert (found["questions"], found["completions"]) == wanted[:2]
    asked = 30 * int(found["completions"])
    assert found["tokens_out"] == ("" if "rules" in cell else str(asked))
    money = [float(found[name]) if found[name] else None for name in ("annotation", "teacher", "dollars")]
    assert money == [value if value is None else pytest.approx(value) for value in wanted[2:]]


def test_the_csv_has_every_cell_with_its_score(grid):
    found = run_table(grid)[0]
    assert len(found) == 2 * (2 * 2 + 2) * 2
    wanted = {"accuracy": "0.2", "n": "10", "corpus": "paid/d4", "low": "0.0", "high": "1.0", "seed": "1"}
    assert wanted.items() <= found["toy-sample-paid-d4-fine_tune_cot-tiny-1-greedy"].items()
    assert found["toy-sample-fine_tune-tiny-0-greedy"]["corpus"] == "-"


def test_the_table_is_sorted_by_cost_with_the_unknown_last(grid):
    lines = [line.split(" | ") for line in run_table(grid)[1].splitlines() if line.startswith("| sample")]
    assert len(lines) == 12  # two seeds are one row
    totals = [line[8] for line in lines]
    known = [float(total) for total in totals if total]
    assert len(known) == 8
    assert known == sorted(known)
    assert totals[8:] == [""] * 4
    row = "| sample | fine_tune_cot (paid/d4/tiny) | 70 | 276 | 1,380 | 8,280 | 46.90 | 0.28 | 47.18 | 15.0 ±"
    assert row in run_table(grid)[1]


@pytest.mark.parametrize(
    "gone",
    [
        *(
            "costs/toy-paid.json",
            "funnels/toy-sample-paid-d4.json",
            "cells/toy-sample-fine_tune-tiny-1-greedy.json",
        ),
        "rendered/toy-sample_8-zero_shot_cot.json",
    ],
)
def test_a_missing_file_is_named(grid, gone):
    (grid / gone).unlink()
    with pytest.raises(ValueError, match=gone.split("/")[1].removesuffix(".json")):
        run_table(grid)
