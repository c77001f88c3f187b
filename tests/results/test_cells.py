"""The grid's cells: which are declared, what is read and refused, seeds, averages and transfers by hand."""

import json

import pytest
from made_cells import axes_of
from pydantic import ValidationError
from toy_grid import GRID, MARKS, MOVED, TARGETS, WITH, WITHOUT, read_grid, write_grid

from stages.config.run import Run, as_fields, cell_name, declared_cells, declared_transfers
from stages.results.cells import (
    average_scores,
    cell_label,
    group_seeds,
    read_cell,
    read_cells,
    seed_scores,
    summarize_cells,
    transfer_scores,
)
from stages.results.statistics import rounded
from stages.results.tables import percent


@pytest.fixture
def folder(tmp_path):
    write_grid(tmp_path)
    return tmp_path / "cells"


@pytest.fixture
def grid(tmp_path):
    """Groups of cells, and of transfers by target."""
    write_grid(tmp_path)
    return read_grid(tmp_path)


def test_cells_are_the_product_in_order():
    assert list(declared_cells(Run.model_validate(GRID))) == list(MARKS)
    lists = {
        "methods": ["a", "b", "c"],
        "students": ["s", "t"],
        "baselines": ["x", "y"],
        "curations": ["k", "l"],
        "decodings": ["greedy", "drawn"],
    }
    wide = declared_cells(Run.model_validate({**GRID, **lists}))
    assert len(wide) == 2 * 1 * 1 * 2 * 3 * 2 * 2 * 2 + 2 * 1 * 2 * 2 * 2 * 2
    assert declared_cells(Run.model_validate({**GRID, "teachers": [], "baselines": []})) == {}


def test_transfers_are_all_cells_times_all_targets():
    assert list(declared_transfers(Run.model_validate(TARGETS))) == list(MOVED)
    assert declared_transfers(Run.model_validate(GRID)) == {}


def test_axes_of_declared_cells():
    run = Run.model_validate(TARGETS)
    for name, axes in {**declared_cells(run), **declared_transfers(run)}.items():
        assert axes == axes_of(name)
        assert (axes["teacher"], axes["curation"]) in (("scripted_2", "answer"), (None, None))
        assert (axes["target"] is None) == (name in MARKS)


AGAIN = {
    "students": ["tiny", "large"],
    "mentors": ["large"],
    "mentored": ["tiny"],
    "first_methods": ["with_steps"],
    "second_methods": ["weighted"],
}


def test_mentored_and_second_students_are_cells_with_names_labels_and_fields_of_their_own(tmp_path):
    before = declared_cells(Run.model_validate({**GRID, "students": ["tiny", "large"]}))
    more = declared_cells(Run.model_validate({**GRID, **AGAIN}))
    own = {name: axes for name, axes in more.items() if name not in before}
    assert {(axes["dataset"], axes["seed"]) for axes in own.values()} == {
        (dataset, seed) for dataset in GRID["datasets"] for seed in (0, 1)
    }
    assert len(own) == 4 * (1 + 2)  # of tiny with its mentor; of both a second training
    corpus = "toy_a-sample-scripted_2-answer"
    labels = {
        f"{corpus}-with_steps-tiny-0-large-greedy": "with_steps (scripted_2/answer/tiny, mentor large)",
        f"{corpus}-weighted-tiny-0-with_steps-greedy": "weighted (scripted_2/answer/tiny, after with_steps)",
    }
    for name, label in labels.items():
        assert cell_label(more[name]) == label
        (tmp_path / f"{name}.json").write_text(json.dumps(as_fields(more[name])))
        assert read_cell(tmp_path / f"{name}.json") == more[name]
    plain = as_fields(more[f"{corpus}-with_steps-tiny-0-greedy"])
    assert not plain.keys() & {"mentor", "first"}  # the files of a grid without either stay as they were


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("d-s-t-k-m-tiny-0-greedy", "m (t/k/tiny)"),
        ("d-s-t-k-m-tiny-0-drawn", "m (t/k/tiny/drawn)"),
        ("d-s-m-tiny-0-greedy-e", "m (tiny)"),
        ("d-s-m-greedy-0-drawn", "m (greedy/drawn)"),
    ],
)
def test_a_label_names_the_decoding_unless_it_is_greedy(name, label):
    assert cell_label(axes_of(name)) == label
    assert cell_name(axes_of(name)) == name


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
    (folder / "toy_b-sample-no_steps-tiny-1-greedy.json").unlink()
    with pytest.raises(ValueError, match="1 of 8 declared cells: toy_b-sample-no_steps-tiny-1-greedy"):
        read_cells(folder, list(MARKS))
    with pytest.raises(ValueError, match="no cells"):
        read_cells(folder, [])


def test_cells_of_other_questions_are_refused(folder):
    path = folder / "toy_b-sample-no_steps-tiny-1-greedy.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "correct": "111", "n": 3}))
    with pytest.raises(ValueError, match=r"tiny-1-greedy\.json: 3 marks for n 3, wanted 4"):
        read_cells(folder, list(MARKS))


def test_undeclared_cells_are_ignored(folder):
    (folder / "toy_c-sample-no_steps-tiny-0-greedy.json").write_text("{}")
    assert [cell["cell"] for cell in read_cells(folder, list(MARKS))] == list(MARKS)


def test_cells_without_axes_are_refused(folder):
    path = folder / "toy_b-sample-no_steps-tiny-1-greedy.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"tiny-1-greedy\.json: no field `dataset`"):
        read_cell(path)


def test_summary(folder):
    summary = summarize_cells(group_seeds(read_cells(folder, list(MARKS))), {})
    assert list(summary) == ["toy_a-sample", "toy_b-sample", "average-sample"]
    spread = {"sd": 0.0707, "min": 0.7, "max": 0.8}
    best = {"accuracy_best_test_epoch": 0.85}
    assert summary["toy_a-sample"][WITH] == {"accuracy": 0.75, "n": 10, "n_seeds": 2, **spread, **best}
    spread = {"sd": 0.1768, "min": 0.5, "max": 0.75}
    assert summary["toy_b-sample"][WITHOUT] == {"accuracy": 0.625, "n": 4, "n_seeds": 2, **spread}
    # (0.75 + 0.5) / 2 and (7.5 + 2) / 14
    means = {"accuracy": 0.625, "accuracy_by_question": 0.6786, "n": 14, "n_datasets": 2}
    assert summary["average-sample"][WITH] == means


def test_one_seed_does_not_vary():
    assert seed_scores([{"accuracy": 0.5, "n": 4}]) == {"accuracy": 0.5, "n": 4, "n_seeds": 1}


def test_transfers_by_hand(grid):
    students = transfer_scores(*grid, "sample", "toy_a")
    assert list(students) == [WITH, WITHOUT]
    scores = students[WITH]
    assert scores["toy_a"]["accuracy"] == 0.75
    spread = {"sd": 0.0, "min": 0.5, "max": 0.5}
    best = {"accuracy_best_test_epoch": 0.6}
    assert scores["toy_b"] == {"accuracy": 0.5, "n": 4, "n_seeds": 2, **spread, **best}
    # 0.5 of 4 and 0.05 of 20
    assert scores["OOD"] == {"accuracy": 0.275, "accuracy_by_question": 0.125, "n": 24, "n_datasets": 2}
    by_question = round((7.5 + 2 + 1) / 34, 4)
    means = {"accuracy": 0.4333, "accuracy_by_question": by_question, "n": 34, "n_datasets": 3}
    assert rounded(scores["AVERAGE"]) == means
    # its own target is no transfer
    assert list(transfer_scores(*grid, "sample", "toy_b")[WITH]) == ["toy_b", "toy_c", "OOD", "AVERAGE"]
    assert transfer_scores(grid[0], {}, "sample", "toy_a") == {}


def test_a_dataset_that_is_only_its_own_target_has_no_transfer(grid):
    own, targets = grid
    summary = summarize_cells(own, {"toy_b": targets["toy_b"]})
    assert [place for place in summary if "transfers" in place] == ["toy_a-sample, transfers"]


def test_averages_of_the_paper():
    """CasCoD Table 1, two rows: its AVG counts every data set alike, whatever its number of questions."""
    sizes = (1303, 5381, 2546, 2376, 1172)
    rows = {49.6: (59.4, 37.0, 28.3, 70.6, 52.7), 41.8: (54.2, 28.7, 21.6, 59.6, 45.1)}
    for printed, percents in rows.items():
        scores = [{"accuracy": percent / 100, "n": n} for percent, n in zip(percents, sizes, strict=True)]
        means = average_scores(scores)
        assert round(100 * means["accuracy"], 1) == printed
        assert means["accuracy_by_question"] != means["accuracy"]


def test_an_accuracy_is_rounded_once() -> None:
    """49 of 284 are 17.2535 %: from the four decimals of its file, 0.1725, one would print 17.2."""
    scores = seed_scores([{"accuracy": 0.1725, "n": 284}])
    assert scores["accuracy"] == 49 / 284
    assert percent(scores["accuracy"]) == "17.3"
    two = seed_scores([{"accuracy": 0.1725, "n": 284}, {"accuracy": 0.169, "n": 284}])
    assert two["accuracy"] == pytest.approx((49 + 48) / 568, abs=1e-12)
