"""Metrics on rows worked out by hand, and published priors."""

import json
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from toy_cell import EXAMPLES, PREDICTIONS, prediction

from stages.records.example import Example
from stages.results.metrics import chance, grade, lengths, most_frequent, rates, train_prior


def test_rates_by_hand():
    numbers = rates(grade(PREDICTIONS, EXAMPLES))
    assert numbers == {
        "accuracy": 0.4,
        "lenient_accuracy": 0.6,
        "no_answer_rate": 0.4,
        "format_rate": 0.6,
        "completion_rate": 0.8,
        "strict_lenient_disagreement": 0.2,
    }


def test_no_answer_is_never_correct():
    rows = [prediction(row, "nothing") for row in (7, 8)]
    graded = grade(rows, EXAMPLES)
    assert rates(graded)["accuracy"] == 0
    assert rates(graded)["no_answer_rate"] == 1
    assert not graded["correct"].has_nulls()


def test_rows_of_no_example_are_named():
    with pytest.raises(ValueError, match="'toy-99' by tiny"):
        grade([prediction(99, "1")], EXAMPLES)


def test_length_counts_all_steps_and_agrees_with_numpy():
    rng = random.Random(0)
    rows = [
        replace(prediction(7, ""), texts=["a" * rng.randint(1, 9) + " b" * rng.randint(0, 30), " c d\n"])
        for _ in range(31)
    ]
    words = [sum(len(text.split()) for text in row.texts) for row in rows]
    characters = [sum(len(text.strip()) for text in row.texts) for row in rows]
    for unit, values in (("words", words), ("characters", characters)):
        wanted = {"mean": np.mean(values), "median": np.median(values), "p90": np.percentile(values, 90)}
        assert lengths(grade(rows, EXAMPLES))[unit] == pytest.approx(wanted)


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


ZERO_SHOT_COT = "kojima-takeshi188/zero_shot_cot/5ef330fcdeec0cd26aee27943504f91f8ec1c33c"
REASONING_TEACHER = "itsnamgyu/reasoning-teacher/a2ca4d28d3bbabbd77106b76d06885d1a5eac0d9"


def test_train_prior_of_the_published_split(mirror):
    """StrategyQA's published split and answers give the 50.18 that Tables 5-8 print as Random."""
    task = mirror / "github" / ZERO_SHOT_COT / "dataset/StrategyQA/task.json"
    scores = [row["target_scores"] for row in json.loads(task.read_text(encoding="utf-8"))["examples"]]
    answers = [max(row, key=row.__getitem__).lower() for row in scores]
    split = mirror / "github" / REASONING_TEACHER / "data/split/strategy_qa__default.json"
    parts = json.loads(split.read_text(encoding="utf-8"))
    train, test = ([answers[row] for row in parts[part]] for part in ("train", "test"))
    assert 100 * train_prior(train, test) == pytest.approx(50.18, abs=0.005)
    assert most_frequent(train, test) == Counter(test)["no"] / len(test)
