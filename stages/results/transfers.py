"""Transfers: what a student that learned one dataset makes of others (CasCoD Table 1: in-domain,
out-of-domain, average).

The averages over datasets are unweighted, as printed there: ARC-E and ARC-C count twice (trap 23). The same
by question stands beside them.
"""

from collections.abc import Mapping
from typing import Any

from stages.results.cells import Groups, averages, over_seeds, percent, score_text

Targets = Mapping[str, Groups]  # a target -> the transfer cells to it, grouped by what their students learned
# the student's own dataset, the other targets, "OOD" and "AVERAGE" (no dataset's names) -> accuracy and n
Row = dict[str, dict[str, float]]
NOTE = """Accuracies in %. Own is the test part of what was learned; ± is half the 95 % Wilson interval of the test questions; seeds are averaged
(several: then their sd, least and largest).
OOD: over the other datasets; average: over all. Each dataset counts alike (two parts of one benchmark count twice) or, by question, each question.
"""


def as_datasets(targets: Targets, dataset: str) -> Groups:
    """What the students of one dataset do elsewhere, each target in the place of their dataset."""
    return {
        (s, name, target): group
        for target, groups in targets.items()
        for (s, name, d), group in groups.items()
        if d == dataset != target
    }


def row(dataset: str, here: dict[str, float], there: dict[str, dict[str, float]]) -> Row:
    return {
        dataset: here,
        **there,
        "OOD": averages([*there.values()]),
        "AVERAGE": averages([here, *there.values()]),
    }


def rows_of(own: Groups, targets: Targets, split: str, dataset: str) -> dict[str, Row]:
    """Per label of one dataset's students: the scores on it, on every other target, and their averages; {}
    where there is no other target.
    """
    others = {name: groups for name, groups in targets.items() if name != dataset}
    places = [place for place in own if (place[0], place[2]) == (split, dataset) and others]
    return {
        place[1]: row(
            dataset,
            over_seeds(own[place]),
            {name: over_seeds(groups[place]) for name, groups in others.items()},
        )
        for place in places
    }


def shown(scores: Row, names: list[str], intervals: bool = True) -> list[str]:
    """A row's scores in the table, averages last."""
    columns = [score_text(scores[name]) if intervals else percent(scores[name]["accuracy"]) for name in names]
    means = [
        scores[which][kind] for which in ("OOD", "AVERAGE") for kind in ("accuracy", "accuracy_by_question")
    ]
    return [*columns, *map(percent, means)]


def transfer_table(own: Groups, targets: Targets, split: str, dataset: str) -> list[list[str]]:
    """Header, chance, and a row per label; [] where there is no other target."""
    found = rows_of(own, targets, split, dataset)
    if not found:
        return []
    place = (split, next(iter(found)), dataset)
    others = [name for name in targets if name != dataset]
    here, *there = (
        {"accuracy": groups[place][0]["chance"], "n": groups[place][0]["n"]}
        for groups in (own, *(targets[name] for name in others))
    )
    names = [dataset, *others]
    rows = [
        ["chance", *shown(row(dataset, here, dict(zip(others, there, strict=True))), names, intervals=False)]
    ]
    rows += [[name, *shown(scores, names)] for name, scores in found.items()]
    return [
        ["", f"{dataset} (own)", *others, "OOD", "OOD by question", "average", "average by question"],
        *rows,
    ]


def transfer_summary(own: Groups, targets: Targets) -> dict[str, Any]:
    """{"DATASET-SPLIT, transfers": {label: row}}, for the file that DVC diffs."""
    places = dict.fromkeys((split, dataset) for split, _, dataset in own)
    made = {
        f"{dataset}-{split}, transfers": rows_of(own, targets, split, dataset) for split, dataset in places
    }
    return {name: found for name, found in made.items() if found}
