"""Metrics on rows worked out by hand, published priors, and the score command on files with and without lost
rows.
"""

import json
import os
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_cells import axes_of
from scipy.stats import binomtest

from stages.records.completion import Completion, write_completions
from stages.records.example import Example, write_examples
from stages.results.metrics import (
    chance,
    grade,
    length,
    majority,
    majority_correct,
    most_frequent,
    rates,
    train_prior,
)
from stages.score import (
    best_on_test,
    by_origin,
    cell,
    check_rows,
    consistency,
    main,
    rounded,
    show,
    teacher_accuracy,
)

EXAMPLES = {
    f"toy-{row}": Example(f"toy-{row}", "toy", f"What is {row} plus 1?", str(row + 1), "number")
    for row in range(12)
}
SPLIT = {
    "train": [f"toy-{i}" for i in range(6)],
    "validation": ["toy-6"],
    "test": [f"toy-{i}" for i in (11, 7, 8, 9, 10)],
}


def said(row, text, sample=0, finish="stop", origin="selected", prefix="-->"):
    return Completion(f"toy-{row}", sample, ["q"], [text], [finish], "tiny", prefix, origin)


PREDICTIONS = [
    said(11, "one more --> 12"),
    said(7, "one more --> 9"),
    said(8, "that makes 9"),  # no prefix: right only if read leniently
    said(9, "one more and one more and", finish="length"),
    said(10, "--> 11.0"),
]


def test_rates_by_hand():
    numbers = rates(grade(PREDICTIONS, EXAMPLES))
    assert numbers == {
        **{"accuracy": 0.4, "lenient_accuracy": 0.6, "no_answer_rate": 0.4, "format_rate": 0.6},
        **{"completion_rate": 0.8, "strict_lenient_disagreement": 0.2},
    }


def test_no_answer_is_never_correct():
    rows = [said(row, "nothing") for row in (7, 8)]
    graded = grade(rows, EXAMPLES)
    assert rates(graded)["accuracy"] == 0
    assert rates(graded)["no_answer_rate"] == 1
    assert not graded["correct"].has_nulls()


def test_rows_of_no_example_are_named():
    with pytest.raises(ValueError, match="'toy-99' by tiny"):
        grade([said(99, "1")], EXAMPLES)


def test_length_counts_all_steps_and_agrees_with_numpy():
    rng = random.Random(0)
    rows = [
        replace(said(7, ""), texts=["a" * rng.randint(1, 9) + " b" * rng.randint(0, 30), " c d\n"])
        for _ in range(31)
    ]
    words = [sum(len(text.split()) for text in row.texts) for row in rows]
    characters = [sum(len(text.strip()) for text in row.texts) for row in rows]
    for unit, values in (("words", words), ("characters", characters)):
        mean, median, p90 = np.mean(values), np.median(values), np.percentile(values, 90)
        assert length(grade(rows, EXAMPLES))[unit] == pytest.approx(
            {"mean": mean, "median": median, "p90": p90}
        )


@pytest.mark.parametrize(
    ("answers", "answer_type", "winner"),
    [
        (["1", "2", "2"], "number", "2"),
        (["1", "2", "2.0", "1,000", "1000", "1000.0"], "number", "1,000"),  # equal numbers vote together
        (["2", "1", "1", "2"], "number", "2"),  # a tie goes to the earliest
        ([None, None, "B"], "choice", "B"),  # abstentions do not vote
        ([None, None], "choice", None),
        ([], "text", None),
    ],
)
def test_majority(answers, answer_type, winner):
    assert majority(answers, answer_type) == winner


def test_majority_votes_in_sample_order():
    rows = [said(7, "--> 9", 2), said(7, "--> 8", 1), said(7, "--> 9", 3), said(7, "--> 8", 0)]
    assert majority_correct(grade(rows, EXAMPLES), EXAMPLES) == {"toy-7": True}  # 2 to 2, sample 0 says 8


@pytest.mark.parametrize(
    ("answer_type", "choices", "expected"),
    [
        ("number", None, 0),
        ("text", None, 0),
        ("yes_no", None, 0.5),
        ("choice", ["u", "v", "w"], 1 / 3),
        ("choice", list("abcde"), 0.2),
    ],
)
def test_chance(answer_type, choices, expected):
    assert chance([Example("x-0", "x", "?", "a", answer_type, choices=choices)] * 3) == pytest.approx(
        expected
    )


def test_chance_of_date_understanding():
    """FT Table 1 prints 17.12: 311 of the 369 questions have six options and 58 have five."""
    rows = [Example("d-0", "d", "?", "A", "choice", choices=["x"] * n) for n in [6] * 311 + [5] * 58]
    assert 100 * chance(rows) == pytest.approx((311 / 6 + 58 / 5) / 369 * 100)
    mean_choices = (311 * 6 + 58 * 5) / 369
    # the paper's figure is one over the mean number of options; ours is the mean of one over
    assert round(100 / mean_choices, 2) == 17.12


# Train and test shares of each answer and the "Random" row of Tables 5-8, as the released notebook of
# Fine-tune-CoT prints them.
PUBLISHED = {
    "strategy_qa": ({"no": (0.535246, 0.525473), "yes": (0.464754, 0.474527)}, 50.18),
    "coin_flip": ({"yes": (0.531429, 0.446667), "no": (0.468571, 0.553333)}, 49.66),
    "aqua": (
        {
            "A": (0.2125, 0.248031),
            "B": (0.2154, 0.228346),
            "C": (0.2313, 0.181102),
            "D": (0.201, 0.208661),
            "E": (0.1398, 0.133858),
        },
        20.44,
    ),
}


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_train_prior_equals_the_published_random_rows(dataset):
    shares, random_row = PUBLISHED[dataset]
    train, test = (
        [answer for answer, share in shares.items() for _ in range(round(10_000 * share[part]))]
        for part in (0, 1)
    )
    assert 100 * train_prior(train, test) == pytest.approx(random_row, abs=0.011)


def test_priors_by_hand_and_by_drawing():
    train, test = ["a", "a", "b", "c"], ["a", "b", "b", "z"]
    assert train_prior(train, test) == pytest.approx(sum(x == y for x in train for y in test) / 16) == 4 / 16
    assert most_frequent(train, test) == 0.25
    assert most_frequent(["b", "a"], test) == 0.25
    assert train_prior([], test) == most_frequent([], test) == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (PREDICTIONS[1:], r"1 test ids without rows \['toy-11'\]"),
        ([*PREDICTIONS, said(3, "--> 4")], r"1 ids that are no test ids \['toy-3'\]"),
        ([*PREDICTIONS, PREDICTIONS[0]], r"samples .*'toy-7': \[0\].*, wanted \[0, 1\]"),
        ([*PREDICTIONS, said(7, "--> 8", 1)], r"samples .*'toy-7': \[0, 1\].*, wanted \[0\]"),
        ([*PREDICTIONS, said(7, "--> 8", origin="epoch 1")], "rows 'epoch 1': 4 test ids without rows"),
        ([*PREDICTIONS, said(7, "--> 8", origin="final")], "'toy-7' has origin 'final'"),
        ([replace(row, origin="epoch 1") for row in PREDICTIONS], "rows 'selected': 5 test ids without rows"),
        ([], "5 test ids without rows"),
    ],
)
def test_lost_rows_are_errors(rows, message):
    with pytest.raises(ValueError, match=message):
        by_origin(rows, SPLIT["test"], "predictions")


def test_duplicated_rows_are_errors():
    with pytest.raises(ValueError, match=r"samples .*\[0, 0\]"):
        check_rows([row for row in PREDICTIONS for _ in range(2)], SPLIT["test"], "predictions")


def test_cell():
    numbers = rounded(cell({"selected": PREDICTIONS[::-1]}, EXAMPLES, SPLIT))
    interval = binomtest(2, 5).proportion_ci(method="wilson")
    assert (numbers["accuracy"], numbers["accuracy_low"], numbers["accuracy_high"]) == (
        0.4,
        round(interval.low, 4),
        round(interval.high, 4),
    )
    # in the order of the split's test ids, whatever the order of the rows
    assert numbers["correct"] == "10001"
    assert (
        numbers["n"],
        numbers["n_train"],
        numbers["samples"],
        numbers["chance"],
        numbers["train_prior"],
    ) == (5, 6, 1, 0, 0)
    assert not {"majority_accuracy", "accuracy_best_test_epoch", "teacher_accuracy"} & numbers.keys()


def test_cell_of_several_samples():
    rows = [
        said(row, f"--> {row + 1 if sample < right else 0}", sample)
        for row, right in ((11, 3), (7, 2), (8, 1), (9, 0), (10, 3))
        for sample in range(3)
    ]
    numbers = cell({"selected": rows}, EXAMPLES, SPLIT)
    assert numbers["accuracy"] == pytest.approx(9 / 15)
    assert numbers["majority_accuracy"] == 3 / 5
    assert numbers["samples"] == 3
    assert numbers["correct"] == "11001"
    assert numbers["n"] == 5
    alone = cell({"selected": [row for row in rows if row.sample == 0]}, EXAMPLES, SPLIT)
    # samples add no questions
    assert numbers["accuracy_high"] - numbers["accuracy_low"] > 0.9 * (
        alone["accuracy_high"] - alone["accuracy_low"]
    )


def test_numbers_of_several_samples_stand_at_their_k():
    rows = [
        said(row, f"--> {row + 1 if sample < 2 else 0}", sample)
        for row in (11, 7, 8, 9, 10)
        for sample in range(4)
    ]
    numbers = rounded(cell({"selected": rows}, EXAMPLES, SPLIT))
    assert numbers["at_k"] == {
        "1": {"pass": 0.5, "majority": 0.5},
        "2": {"pass": 0.8333, "majority": 0.5},
        "4": {"pass": 1.0, "majority": 0.5},
    }
    # the earliest of two equally frequent answers is right each time
    assert numbers["majority_accuracy"] == 1.0
    assert "at_k" not in cell({"selected": PREDICTIONS}, EXAMPLES, SPLIT)


def tasks(subtasks, pairs=()):
    pairs = pairs or [None] * len(subtasks)
    return {
        name: replace(EXAMPLES[name], subtask=task, pair=pair)
        for name, task, pair in zip(SPLIT["test"], subtasks, pairs, strict=True)
    }


def test_subtasks():
    """Right are 11 and 10."""
    numbers = cell(
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
    plain = cell({"selected": PREDICTIONS}, EXAMPLES, SPLIT)
    assert {**numbers} == {
        **plain,
        "subtasks": numbers["subtasks"],
        "subtask_average": numbers["subtask_average"],
    }


def test_subtasks_of_several_samples_count_questions_once():
    rows = [
        said(row, f"--> {row + 1 if sample else 0}", sample)
        for row in (11, 7, 8, 9, 10)
        for sample in range(4)
    ]
    numbers = cell({"selected": rows}, EXAMPLES | tasks(["a", "a", "b", "b", "b"]), SPLIT)
    assert numbers["subtasks"] == {"a": {"n": 2, "accuracy": 0.75}, "b": {"n": 3, "accuracy": 0.75}}


def test_contrast_sets():
    """11 and 10 are right, and 7, 8, 9 wrong: of the sets (11, 10), (7, 8) and the lone 9 one of two is
    consistent.
    """
    kinds, pairs = ["original", "original", "contrast", "original", "contrast"], ["p", "q", "q", "r", "p"]
    numbers = cell({"selected": PREDICTIONS}, EXAMPLES | tasks(kinds, pairs), SPLIT)
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
    axes = axes_of("mix-sample-t-d1-std_cot-tiny-0-toy")
    main(*files, **axes, learned=tmp_path / "own.json")
    numbers = json.loads(files[-1].read_text())
    assert numbers["n_train"] == 3
    assert axes.items() <= numbers.items()
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
        f"epoch {epoch}": [said(7, f"--> {answer}", origin=f"epoch {epoch}")]
        for epoch, answer in ((1, 0), (2, 8), (10, 8))
    }
    groups = {"selected": [said(7, "--> 0")], **epochs}
    # the first of equals
    assert best_on_test(groups, EXAMPLES) == {"accuracy_best_test_epoch": 1.0, "best_test_epoch": 2}
    numbers = cell(groups, EXAMPLES, {**SPLIT, "test": ["toy-7"]})
    assert numbers["accuracy"] == 0
    assert numbers["accuracy_best_test_epoch"] == 1
    assert best_on_test({"selected": []}, EXAMPLES) == {}


def test_teacher_accuracy_in_both_scopes():
    rows = [said(row, f" {row + 1 if row % 2 else 0}.", prefix="") for row in range(12)] + [
        said(8, " 9.", 1, prefix="")
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
    show(PREDICTIONS, EXAMPLES, 2)
    printed = capsys.readouterr().out
    assert printed.index("--- toy-8 sample 0: gold '9', strict None, lenient '9'") < printed.index(
        "--- toy-7"
    )
    assert "toy-9" not in printed
    show(PREDICTIONS, EXAMPLES | tasks(["a", "b", "c", "d", "e"]), 1)
    assert "--- toy-8 (c) sample 0: gold '9'" in capsys.readouterr().out
    show(PREDICTIONS, EXAMPLES, 10)
    # right answers on which both readings agree are not shown
    assert capsys.readouterr().out.count("--- toy-") == 3


def test_command(tmp_path):
    write_examples(tmp_path / "examples.jsonl", EXAMPLES.values())
    (tmp_path / "split.json").write_text(json.dumps({**SPLIT, "templates": {}}))
    write_completions(tmp_path / "teacher.jsonl", [said(row, f" {row + 1}.", prefix="") for row in range(12)])
    write_completions(tmp_path / "predictions.jsonl", PREDICTIONS)
    files = [tmp_path / name for name in ("examples.jsonl", "split.json", "predictions.jsonl", "cell.json")]
    axes = axes_of("toy-sample-fine_tune-tiny-7")
    main(*files, **axes, peek=1)
    assert not files[-1].exists()
    main(*files, **axes, teacher_completions=tmp_path / "teacher.jsonl")
    numbers = json.loads(files[-1].read_text())
    assert axes.items() <= numbers.items()
    assert (numbers["method"], numbers["seed"], numbers["teacher"], numbers["target"]) == (
        *("fine_tune", 7),
        *(None, None),
    )
    assert numbers["accuracy"] == 0.4
    assert numbers["teacher_accuracy"] == 1.0
    (tmp_path / "split.json").write_text(json.dumps({**SPLIT, "test": []}))
    with pytest.raises(ValueError, match="no test ids"):
        main(*files, **axes)


def mirror(path):
    root = Path(os.environ.get("COT_MIRROR", Path(__file__).parents[3] / "shared" / "upstream"))
    if not root.exists():
        pytest.skip(f"no mirror of the public files at {root}: set COT_MIRROR")
    return root / "github" / path


def test_train_prior_of_the_published_split():
    """StrategyQA's published split and answers give the 50.18 that Tables 5-8 print as Random."""
    log = mirror(
        "kojima-takeshi188/zero_shot_cot/5ef330fcdeec0cd26aee27943504f91f8ec1c33c/dataset/StrategyQA/task.json"
    )
    rows = json.loads(log.read_text(encoding="utf-8"))["examples"]
    answers = [max(row["target_scores"], key=row["target_scores"].__getitem__).lower() for row in rows]
    split = mirror(
        "itsnamgyu/reasoning-teacher/a2ca4d28d3bbabbd77106b76d06885d1a5eac0d9/data/split/strategy_qa__default.json"
    )
    parts = json.loads(split.read_text(encoding="utf-8"))
    train, test = ([answers[row] for row in parts[part]] for part in ("train", "test"))
    assert 100 * train_prior(train, test) == pytest.approx(50.18, abs=0.005)
    assert most_frequent(train, test) == Counter(test)["no"] / len(test)
