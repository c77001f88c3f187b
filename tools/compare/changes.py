"""Changes: cells of two revisions, paired question by question, with their tests.

The test ids are in metrics/splits, in the order of the cell's `correct`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from stages.config.run import axes
from stages.results.cells import label
from stages.results.paired import Questions, by_question, questions
from stages.results.revisions import Files, folder
from stages.results.statistics import Interval, holm, mcnemar, paired, paired_interval

LEVEL = 0.05  # of the corrected p below which a difference has a word


@dataclass(frozen=True)
class Change:
    """One cell of which some question changed sides."""

    cell: str
    family: tuple[str, str]  # split and label: what is corrected together
    before: float  # shares of the n questions answered right
    after: float
    n: int
    interval: Interval  # of after - before
    p: float  # uncorrected
    gained: list[str]  # ids
    lost: list[str]


class Comparison(NamedTuple):
    """What became of the cells that both revisions have."""

    changed: list[Change]
    same: list[str]  # no question changed sides
    refused: dict[str, str]  # cell -> why it cannot be compared


def scored_cells(files: Files) -> dict[str, dict[str, Any]]:
    """Cells and transfers by their name: a student on its own test part, and on another dataset's."""
    return folder(files, "cells") | folder(files, "transfers")


def questions_of(cell: str, files: Files) -> Questions:
    """The test questions of a cell, or of a transfer's target; none where there are no ids for them."""
    at = axes(cell)
    return questions(folder(files, "splits"), f"{at['target'] or at['dataset']}-{at['split']}")


def change_of(
    cell: str, before: Mapping[str, int], after: Mapping[str, int], clusters: list[str] | None
) -> Change:
    """Both sides of a cell on the same questions; `clusters` in the order of `after`. Raises ValueError where
    they are not the same.
    """
    new, old = paired(after, before)
    at = axes(cell)
    return Change(
        cell=cell,
        family=(at["split"], label(at)),
        before=sum(old) / len(old),
        after=sum(new) / len(new),
        n=len(new),
        interval=paired_interval(new, old, clusters),
        p=mcnemar(new, old),
        gained=[question for question, mark in before.items() if (mark, after[question]) == (0, 1)],
        lost=[question for question, mark in before.items() if (mark, after[question]) == (1, 0)],
    )


def changes(before: Files, after: Files) -> Comparison:
    """Every cell that both revisions have, compared or refused."""
    found = Comparison([], [], {})
    old = scored_cells(before)
    for cell, numbers in scored_cells(after).items():
        if cell not in old:
            continue
        try:
            asked = questions_of(cell, after)
            marks_before = by_question(questions_of(cell, before), old[cell]["correct"])
            change = change_of(cell, marks_before, by_question(asked, numbers["correct"]), asked.clusters)
        except ValueError as error:
            found.refused[cell] = str(error)
            continue
        if change.gained or change.lost:
            found.changed.append(change)
        else:
            found.same.append(cell)
    return found


def verdicts(changed: list[Change]) -> list[tuple[float, str]]:
    """Per change its corrected p, and a word for it that the test supports."""
    families: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, change in enumerate(changed):
        families[change.family].append(place)
    corrected = [1.0] * len(changed)
    for places in families.values():
        for place, p in zip(places, holm([changed[place].p for place in places]), strict=True):
            corrected[place] = p
    words = [
        ("better" if change.after > change.before else "worse") if p < LEVEL else "no difference shown"
        for change, p in zip(changed, corrected, strict=True)
    ]
    return list(zip(corrected, words, strict=True))
