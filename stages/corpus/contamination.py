"""Contamination: how many test questions a train part holds, all of their words or eight in a row."""

from collections.abc import Iterable, Sequence
from typing import Any

from stages.config.contamination import Contamination
from stages.corpus.overlap import Numbers
from stages.corpus.wording import NONE, shared_wording
from stages.records.example import Example

SHOWN = 3  # pairs of ids
Facts = dict[str, Any]


def contamination(train: Sequence[Example], test: Sequence[Example]) -> Facts:
    """Test questions with all words, and with an 8-gram, of a train question: rows, shares, pairs of ids.

    {"rows": 1662, "equal_rows": 100, "equal_share": 0.06, "equal_pairs": [[id of train, id of test], ...],
    "ngram_rows": ..., "ngram_share": ..., "ngram_pairs": ..., "subtasks": {"strategyqa": {the same}}}.
    A share of no rows is None. Only subtasks that share something are there.
    """
    shared = shared_wording(train, test)

    def pairs(first: Numbers, rows: Iterable[int]) -> list[list[str]]:
        return [[train[first[row]].id, test[row].id] for row in rows if first[row] != NONE]

    def counts(rows: Sequence[int]) -> Facts:
        facts: Facts = {"rows": len(rows)}
        for name, first in shared._asdict().items():
            found = pairs(first, rows)
            facts[f"{name}_rows"] = len(found)
            facts[f"{name}_share"] = len(found) / len(rows) if rows else None
            facts[f"{name}_pairs"] = found[:SHOWN]
        return facts

    subtasks: dict[str, list[int]] = {}
    for row, example in enumerate(test):
        if example.subtask:
            subtasks.setdefault(example.subtask, []).append(row)
    found = {name: counts(rows) for name, rows in subtasks.items()}
    sharing = {name: facts for name, facts in found.items() if facts["equal_rows"] or facts["ngram_rows"]}
    return counts(range(len(test))) | {"subtasks": sharing}


def refuse_contaminated(dataset: str, target: str, facts: Facts, settings: Contamination) -> None:
    """Raises ValueError where more of a target, or of one of its subtasks, is learned than is allowed."""
    if [dataset, target] in settings.allow:
        return
    parts = {target: facts} | {f"{target}, subtask {name}": part for name, part in facts["subtasks"].items()}
    name, worst = max(parts.items(), key=lambda part: part[1]["equal_share"] or 0)
    share = worst["equal_share"] or 0
    if share <= settings.share:
        return
    shown = ", ".join(f"{asked} (there {learned})" for learned, asked in worst["equal_pairs"][:2])
    instead = "leave the target out of `run.transfers`"
    if dataset == target:
        instead = "keep equal questions together (`distinct: true` in a split of `scheme: sample`)"
    raise ValueError(
        f"{name}: {worst['equal_rows']} of {worst['rows']} test questions ({share:.1%}) stand word for word"
        f" in the train part of {dataset}, such as {shown}; wanted at most {settings.share:.1%}. Either"
        f" {instead}, or say in params.yaml that it is known:"
        f" `contamination: {{allow: [[{dataset}, {target}]]}}`"
    )
