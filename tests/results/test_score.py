"""Score: the numbers of a cell, and the command on files with and without lost rows."""

import json
from dataclasses import replace

import pytest
from made_cells import axes_of
from scipy.stats import binomtest
from toy_cell import EXAMPLES, PREDICTIONS, SPLIT, prediction

from stages.config.run import as_fields
from stages.records.completion import write_completions
from stages.records.example import write_examples
from stages.results.metrics import consistency
from stages.results.statistics import rounded
from stages.score import best_on_test, main, print_mistakes, score_cell, show_mistakes, teacher_accuracy


def test_cell():
    numbers = rounded(score_cell({"selected": PREDICTIONS[::-1]}, EXAMPLES, SPLIT))
    interval = binomtest(2, 5).proportion_ci(method="wilson")
    assert numbers["accuracy"] == 0.4
    assert numbers["accuracy_low"] == round(interval.low, 4)
    assert numbers["accuracy_high"] == round(interval.high, 4)
    # in the order of the split's test ids, whatever the order of the rows
    assert numbers["correct"] == "10001"
    counted = [numbers[name] for name in ("n", "n_train", "samples", "chance", "train_prior")]
    assert counted == [5, 6, 1, 0, 0]
    assert not {"majority_accuracy", "accuracy_best_test_epoch", "teacher_accuracy"} & numbers.keys()


def test_cell_of_several_samples():
    rows = [
        prediction(row, f"--> {row + 1 if sample < right else 0}", sample)
        for row, right in ((11, 3), (7, 2), (8, 1), (9, 0), (10, 3))
        for sample in range(3)
    ]
    numbers = score_cell({"selected": rows}, EXAMPLES, SPLIT)
    assert numbers["accuracy"] == pytest.approx(9 / 15)
    assert numbers["majority_accuracy"] == 3 / 5
    assert numbers["samples"] == 3
    assert numbers["correct"] == "11001"
    assert numbers["n"] == 5
    alone = score_cell({"selected": [row for row in rows if row.sample == 0]}, EXAMPLES, SPLIT)
    # samples add no questions
    assert numbers["accuracy_high"] - numbers["accuracy_low"] > 0.9 * (
        alone["accuracy_high"] - alone["accuracy_low"]
    )


def test_numbers_of_several_samples_stand_at_their_k():
    rows = [
        prediction(row, f"--> {row + 1 if sample < 2 else 0}", sample)
        for row in (11, 7, 8, 9, 10)
        for sample in range(4)
    ]
    numbers = rounded(score_cell({"selected": rows}, EXAMPLES, SPLIT))
    assert numbers["at_k"] == {
        "1": {"pass": 0.5, "majority": 0.5},
        "2": {"pass": 0.8333, "majority": 0.5},
        "4": {"pass": 1.0, "majority": 0.5},
    }
    # the earliest of two equally frequent answers is right each time
    assert numbers["majority_accuracy"] == 1.0
    assert "at_k" not in score_cell({"selected": PREDICTIONS}, EXAMPLES, SPLIT)


def tasks(subtasks, pairs=()):
    pairs = pairs or [None] * len(subtasks)
    return {
        name: replace(EXAMPLES[name], subtask=task, pair=pair)
        for name, task, pair in zip(SPLIT["test"], subtasks, pairs, strict=True)
    }


def test_subtasks():
    """Right are 11 and 10."""
    numbers = score_cell(
        {"selected": PREDICTIONS}, EXAMPLES | tasks(["sums", "sums", "more", "more", "more"]), SPLIT
    )
    assert numbers["subtasks"] == {
        "more": {"n": 3, "accuracy": pytest.approx(1 / 3)},
        "sums": {"n": 2, "accuracy": 0.5},
    }
    assert numbers["subtask_average"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert numbers["accuracy"] == 0.4
    assert numbers["accuracy"] == pytest.approx(
        sum(task["n"] * task["accuracy"] for task in numbers["subtasks"].values()) / 5
    )
    plain = score_cell({"selected": PREDICTIONS}, EXAMPLES, SPLIT)
    assert {**numbers} == {
        **plain,
        "subtasks": numbers["subtasks"],
        "subtask_average": numbers["subtask_average"],
    }


def test_subtasks_of_several_samples_count_questions_once():
    rows = [
        prediction(row, f"--> {row + 1 if sample else 0}", sample)
        for row in (11, 7, 8, 9, 10)
        for sample in range(4)
    ]
    numbers = score_cell({"selected": rows}, EXAMPLES | tasks(["a", "a", "b", "b", "b"]), SPLIT)
    assert numbers["subtasks"] == {"a": {"n": 2, "accuracy": 0.75}, "b": {"n": 3, "accuracy": 0.75}}


def test_contrast_sets():
    """11 and 10 are right, and 7, 8, 9 wrong: the set (11, 10) is consistent, (7, 8) is not, 9 is none."""
    kinds, pairs = ["original", "original", "contrast", "original", "contrast"], ["p", "q", "q", "r", "p"]
    numbers = score_cell({"selected": PREDICTIONS}, EXAMPLES | tasks(kinds, pairs), SPLIT)
    interval = binomtest(1, 2).proportion_ci(method="wilson")
    assert (numbers["consistency"], numbers["pairs"]) == (0.5, 2)
    assert (numbers["consistency_low"], numbers["consistency_high"]) == pytest.approx(
        (interval.low, interval.high)
    )
    assert numbers["subtasks"] == {
        "contrast": {"n": 2, "accuracy": 0.5},
        "original": {"n": 3, "accuracy": pytest.approx(1 / 3)},
    }
    right = dict.fromkeys(SPLIT["test"], True)
    everything = [replace(EXAMPLES[name], pair="p") for name in SPLIT["test"]]
    assert consistency(right, everything)["consistency"] == 1
    # one wrong answer spoils the set
    assert consistency(right | {"toy-9": False}, everything)["consistency"] == 0
    assert consistency(right, [EXAMPLES[name] for name in SPLIT["test"]]) == {}


def test_a_transfer_is_scored_on_questions_that_were_not_learned(tmp_path):
    write_examples(tmp_path / "examples.jsonl", EXAMPLES.values())
    write_completions(tmp_path / "predictions.jsonl", PREDICTIONS)
    own = {"train": ["mix-1", "mix-2", "toy-3"], "validation": ["mix-3"], "test": ["toy-7"]}
    (tmp_path / "split.json").write_text(json.dumps(SPLIT))
    (tmp_path / "own.json").write_text(json.dumps(own))
    files = [tmp_path / name for name in ("examples.jsonl", "split.json", "predictions.jsonl", "cell.json")]
    axes = axes_of("mix-sample-t-d1-std_cot-tiny-0-greedy-toy")
    (tmp_path / "known.json").write_text(json.dumps({"equal_rows": 1, "ngram_rows": 2, "rows": 5}))
    main(*files, **axes, learned=tmp_path / "own.json", contamination=tmp_path / "known.json")
    numbers = json.loads(files[-1].read_text())
    assert numbers["n_train"] == 3
    assert numbers["contamination"] == {"equal_rows": 1, "ngram_rows": 2}
    assert as_fields(axes).items() <= numbers.items()
    for part in ("train", "validation"):
        (tmp_path / "own.json").write_text(json.dumps({**own, part: ["mix-1", "toy-8", "toy-10"]}))
        with pytest.raises(
            ValueError,
            match=(
                r"split\.json: the student was trained or chosen on 2 of its 5 test questions, first toy-10"
            ),
        ):
            main(*files, **axes, learned=tmp_path / "own.json")


def test_best_test_epoch_stands_beside_the_selected_one():
    epochs = {
        f"epoch {epoch}": [prediction(7, f"--> {answer}", origin=f"epoch {epoch}")]
        for epoch, answer in ((1, 0), (2, 8), (10, 8))
    }
    groups = {"selected": [prediction(7, "--> 0")], **epochs}
    # the first of equals
    assert best_on_test(groups, EXAMPLES) == {
        "accuracy_best_test_epoch": 1.0,
        "best_test_epoch": 2,
        "epochs": {str(epoch): {"accuracy": right, "n": 1} for epoch, right in ((1, 0), (2, 1), (10, 1))},
    }
    numbers = score_cell(groups, EXAMPLES, {**SPLIT, "test": ["toy-7"]})
    assert numbers["accuracy"] == 0
    assert numbers["accuracy_best_test_epoch"] == 1
    assert best_on_test({"selected": []}, EXAMPLES) == {}


def test_teacher_accuracy_in_both_scopes():
    rows = [prediction(row, f" {row + 1 if row % 2 else 0}.", answer_prefix="") for row in range(12)] + [
        prediction(8, " 9.", 1, answer_prefix="")
    ]
    scores = teacher_accuracy(rows, EXAMPLES, SPLIT["test"])
    assert scores == {
        "teacher_accuracy": 3 / 5,
        "teacher_n": 5,
        "teacher_accuracy_whole": 0.5,
        "teacher_n_whole": 12,
    }
    elsewhere = teacher_accuracy(
        [row for row in rows if row.example_id in SPLIT["train"]], EXAMPLES, SPLIT["test"]
    )
    assert elsewhere == {
        "teacher_accuracy": None,
        "teacher_n": 0,
        "teacher_accuracy_whole": 0.5,
        "teacher_n_whole": 6,
    }
    assert teacher_accuracy([], EXAMPLES, SPLIT["test"])["teacher_accuracy_whole"] is None


def test_show_puts_disagreements_first(capsys):
    print_mistakes(PREDICTIONS, EXAMPLES, 2)
    printed = capsys.readouterr().out
    assert printed.index("--- toy-8 sample 0: gold '9', strict None, lenient '9'") < printed.index(
        "--- toy-7"
    )
    assert "toy-9" not in printed
    print_mistakes(PREDICTIONS, EXAMPLES | tasks(["a", "b", "c", "d", "e"]), 1)
    assert "--- toy-8 (c) sample 0: gold '9'" in capsys.readouterr().out
    print_mistakes(PREDICTIONS, EXAMPLES, 10)
    # right answers on which both readings agree are not shown
    assert capsys.readouterr().out.count("--- toy-") == 3


def test_command(tmp_path, capsys):
    write_examples(tmp_path / "examples.jsonl", EXAMPLES.values())
    (tmp_path / "split.json").write_text(json.dumps({**SPLIT, "templates": {}}))
    write_completions(
        tmp_path / "teacher.jsonl", [prediction(row, f" {row + 1}.", answer_prefix="") for row in range(12)]
    )
    write_completions(tmp_path / "predictions.jsonl", PREDICTIONS)
    files = [tmp_path / name for name in ("examples.jsonl", "split.json", "predictions.jsonl", "cell.json")]
    axes = axes_of("toy-sample-fine_tune-tiny-7-greedy")
    show_mistakes(*files[:3], 1)
    assert "--- toy-8" in capsys.readouterr().out
    main(*files, **axes, teacher_completions=tmp_path / "teacher.jsonl")
    numbers = json.loads(files[-1].read_text())
    assert as_fields(axes).items() <= numbers.items()
    assert (numbers["method"], numbers["seed"], numbers["teacher"], numbers["target"]) == (
        *("fine_tune", 7),
        *(None, None),
    )
    assert numbers["accuracy"] == 0.4
    assert numbers["teacher_accuracy"] == 1.0
    (tmp_path / "split.json").write_text(json.dumps({**SPLIT, "test": []}))
    with pytest.raises(ValueError, match="no test ids"):
        main(*files, **axes)
