"""Leakage: what the train part already shows of the other parts, and which test questions are alike.

In: examples, their template groups, row positions per part. Out: the report that stands in Git as
metrics/splits/DATASET-SPLIT.json.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from stages.corpus.contamination import contamination
from stages.corpus.overlap import (
    ROUNDING,
    Numbers,
    as_sets,
    different_sets,
    find_near,
    number_words,
)
from stages.records.example import Example

Rows = list[int]  # positions in the list of examples
NEAR = 0.8  # of all words of two questions: from there on they are twins
WORD = re.compile(r"[^\W\d_]+")


def plain_question(example: Example) -> str:
    """The question up to case and blanks."""
    return " ".join(example.question.casefold().split())


def cluster_label(example: Example, group: int) -> str:
    """The questions that are alike have the same: contrast pair, else task, else template group's number.

    A word without blanks. Such questions are not independent, so a bootstrap draws them together
    (stages/results/statistics.py).
    """
    return "_".join((example.pair or example.subtask or str(group)).split())


def seen_in_train(
    part: Rows, train: Rows, examples: list[Example], groups: list[int]
) -> dict[str, float | int | None]:
    """Rows of `part` whose template, and whose text up to case and blanks, also occurs in train.

    Counts, and shares; None: no rows.
    """
    texts = [plain_question(example) for example in examples]
    facts: dict[str, float | int | None] = {}
    for name, values in (("template", groups), ("text", texts)):
        known = {values[row] for row in train}
        count = sum(values[row] in known for row in part)
        facts |= {f"{name}_rows": count, f"{name}_share": count / len(part) if part else None}
    return facts


def needed_words(first: Numbers, second: Numbers) -> Numbers:
    """The fewest shared ones for which two sets of these sizes share NEAR of all their words."""
    needed: Numbers = np.ceil(NEAR / (1 + NEAR) * (first + second) - ROUNDING).astype(np.int64)
    return needed


def near_twins(part: Rows, train: Rows, examples: list[Example]) -> int:
    """Rows of `part` with a train question of which it shares at least NEAR of all words that either has.

    A question without words has none.
    """
    if not (part and train):
        return 0
    texts = (examples[row].question.casefold() for row in [*train, *part])
    sets, which = different_sets(as_sets(*number_words(WORD.findall(text) for text in texts)))
    in_train = np.zeros(sets.shape[0], np.int64)
    in_train[which[: len(train)]] = 1
    twins = in_train * (np.diff(sets.indptr) > 0)

    def settle(left: Numbers, right: Numbers) -> Numbers:
        pairs = in_train[left] != in_train[right]
        twins[left[pairs]] = twins[right[pairs]] = 1
        labels: Numbers = np.maximum(in_train, twins)  # whose twin is known is looked for no more
        return labels

    find_near(sets, needed_words, in_train, settle)
    return int(twins[which[len(train) :]].sum())


def leakage_report(parts: Mapping[str, Rows], examples: list[Example], groups: list[int]) -> dict[str, Any]:
    """Rows and template groups per part, what train already shows, ids and clusters of the test questions.

    The last two are in Git so that cells can be paired question by question, of two revisions too, without
    data (stages/results/paired.py).
    """
    rows = {part: len(places) for part, places in parts.items()}
    test = parts["test"]
    return {
        "rows": rows | {"unused": len(examples) - sum(rows.values())},
        "groups": (
            {part: len({groups[row] for row in places}) for part, places in parts.items()}
            | {"all": len(set(groups))}
        ),
        "test_seen_in_train": seen_in_train(test, parts["train"], examples, groups),
        "test_near_train": near_twins(test, parts["train"], examples),
        "test_wording_in_train": contamination(
            [examples[row] for row in parts["train"]], [examples[row] for row in test]
        ),
        "validation_seen_in_train": seen_in_train(parts["validation"], parts["train"], examples, groups),
        "test_ids": " ".join(examples[row].id for row in test),
        "test_clusters": " ".join(cluster_label(examples[row], groups[row]) for row in test),
    }
