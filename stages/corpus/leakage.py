"""Leakage: what the train part already shows of the other parts, and which test questions are alike.

In: examples, their template groups, row positions per part. Out: the report that stands in Git as
metrics/splits/DATASET-SPLIT.json.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from math import ceil
from typing import Any

from stages.records.example import Example

Rows = list[int]  # positions in the list of examples
NEAR = 0.8  # of all words of two questions: from there on they are twins


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


def near_twins(part: Rows, train: Rows, examples: list[Example]) -> int:
    """Rows of `part` with a train question of which it shares at least NEAR of all words that either has.

    A pair that shares so many has one of the rarest words of either in common, and only those are looked up.
    """
    words = {row: set(re.findall(r"[^\W\d_]+", examples[row].question.casefold())) for row in {*part, *train}}
    common = Counter(word for row in train for word in words[row])

    def rarest(row: int) -> list[str]:
        ordered = sorted(words[row], key=lambda word: (common[word], word))
        return ordered[: len(ordered) - ceil(NEAR * len(ordered)) + 1]

    holding: dict[str, list[int]] = defaultdict(list)
    for row in train:
        for word in rarest(row):
            holding[word].append(row)

    def has_twin(row: int) -> bool:
        near = {other for word in rarest(row) for other in holding[word]}
        return any(len(words[row] & words[one]) >= NEAR * len(words[row] | words[one]) for one in near)

    return sum(has_twin(row) for row in part)


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
        "validation_seen_in_train": seen_in_train(parts["validation"], parts["train"], examples, groups),
        "test_ids": " ".join(examples[row].id for row in test),
        "test_clusters": " ".join(cluster_label(examples[row], groups[row]) for row in test),
    }
