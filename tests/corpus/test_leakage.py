"""Leakage: what train shows of the other parts, and which test questions are alike."""

import random
from dataclasses import replace
from typing import Any

import pytest
from toy_cell import sums

from stages.corpus.leakage import NEAR, cluster_label, leakage_report, near_twins


def seen(template_rows: int, template_share: float | None, text_rows: int, text_share: float | None) -> Any:
    return {
        "template_rows": template_rows,
        "template_share": template_share,
        "text_rows": text_rows,
        "text_share": text_share,
    }


def test_leakage_report() -> None:
    texts = ["Is it so?", "IS it  so?", "Is it?", "Why?", "No", "is it so?"]
    examples = [replace(example, question=text) for example, text in zip(sums(6), texts, strict=True)]
    groups = [0, 0, 1, 1, 2, 0]
    parts = {"train": [0, 3], "validation": [], "test": [1, 2, 4]}
    assert leakage_report(parts, examples, groups) == {
        "rows": {"train": 2, "validation": 0, "test": 3, "unused": 1},
        "groups": {"train": 2, "validation": 0, "test": 3, "all": 3},
        "test_seen_in_train": seen(2, 2 / 3, 1, 1 / 3),
        "test_near_train": 1,
        "test_wording_in_train": {
            "rows": 3,
            "equal_rows": 1,
            "equal_share": 1 / 3,
            "equal_pairs": [["toy-0", "toy-1"]],
            "ngram_rows": 0,
            "ngram_share": 0,
            "ngram_pairs": [],
            "subtasks": {},
        },
        "validation_seen_in_train": seen(0, None, 0, None),
        "test_ids": "toy-1 toy-2 toy-4",
        "test_clusters": "0 1 2",
    }


@pytest.mark.parametrize("seed", range(5))
def test_near_twins_are_those_that_brute_force_finds(seed: int) -> None:
    """Of 200 made questions of up to eight words, those that share four fifths of their words with one."""
    rng = random.Random(seed)
    texts = [" ".join(rng.choices("abcdefgh", k=rng.randrange(1, 9))) for _ in range(200)]
    examples = [replace(example, question=text) for example, text in zip(sums(200), texts, strict=True)]
    train, test = [*range(0, 200, 2)], [*range(1, 200, 2)]

    def twins(first: int, second: int) -> bool:
        a, b = ({*texts[row].split()} for row in (first, second))
        return len(a & b) / len(a | b) >= NEAR

    found = near_twins(test, train, examples)
    assert 0 < found < len(test)
    assert found == sum(any(twins(row, other) for other in train) for row in test)


def test_a_question_without_words_has_no_twin() -> None:
    texts = ["1 + 2?", "1 + 2?", "Why 3?", "why 4", "Why not?"]
    examples = [replace(example, question=text) for example, text in zip(sums(5), texts, strict=True)]
    assert near_twins([1, 3, 4], [0, 2], examples) == 1
    assert (
        near_twins([1, 3], [], examples) == near_twins([], [0], examples) == near_twins([], [], examples) == 0
    )


def test_clusters_are_pairs_then_tasks_then_templates() -> None:
    """One label per test id, in their order, and none with a blank: they are read back by splitting."""
    fields = [
        {},
        {"subtask": "odd one  out"},
        {"subtask": "original", "pair": "dev-0"},
        {"pair": "dev-1"},
        {"subtask": "snarks"},
        {},
    ]
    examples = [replace(example, **more) for example, more in zip(sums(6), fields, strict=True)]
    labels = [cluster_label(example, 7) for example in examples]
    assert labels == ["7", "odd_one_out", "dev-0", "dev-1", "snarks", "7"]
    facts = leakage_report({"train": [0], "validation": [], "test": [5, 2, 1]}, examples, [0, 1, 2, 3, 4, 11])
    assert facts["test_ids"].split() == ["toy-5", "toy-2", "toy-1"]
    assert facts["test_clusters"].split() == ["11", "dev-0", "odd_one_out"]
