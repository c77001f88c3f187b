"""Changes: cells of two revisions, paired question by question, with their tests.

The test ids are in metrics/splits, in the order of the cell's `correct`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from stages.config.decoding import GREEDY
from stages.config.run import cell_name
from stages.results.cells import Cell, cell_label
from stages.results.paired import Questions, asked_questions, marks_by_id
from stages.results.revisions import Files, read_objects
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


def scored_cells(files: Files) -> dict[str, Cell]:
    """Cells and transfers by their name: a student on its own test part, and on another dataset's.

    Cells from before students were asked in several ways stand under the name that they have now.
    """
    found = read_objects(files, "cells") | read_objects(files, "transfers")
    named = {name: {"decoding": GREEDY, **cell} for name, cell in found.items()}
    return {cell_name(cell) if "dataset" in cell else name: cell for name, cell in named.items()}


def questions_of(cell: Cell, files: Files) -> Questions:
    """The test questions of a cell, or of a transfer's target; none where there are no ids for them."""
    place = f"{cell['target'] or cell['dataset']}-{cell['split']}"
    return asked_questions(read_objects(files, "splits"), place)


def change_of(
    name: str,
    cell: Cell,
    before: Mapping[str, int],
    after: Mapping[str, int],
    clusters: list[str] | None,
) -> Change:
    """Both sides of a cell on the same questions; `clusters` in the order of `after`.

    Raises ValueError where they are not the same.
    """
    new, old = paired(after, before)
    return Change(
        cell=name,
        family=(cell["split"], cell_label(cell)),
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
    for name, numbers in scored_cells(after).items():
        if name not in old:
            continue
        cell = old[name] | numbers  # a revision's cells may be from before their axes stood in them
        try:
            if "dataset" not in cell:
                raise ValueError("scored before its axes stood in its file, at both revisions")
            asked = questions_of(cell, after)
            marks_before = marks_by_id(questions_of(cell, before), old[name]["correct"])
            marks_after = marks_by_id(asked, numbers["correct"])
            change = change_of(name, cell, marks_before, marks_after, asked.clusters)
        except ValueError as error:
            found.refused[name] = str(error)
            continue
        if change.gained or change.lost:
            found.changed.append(change)
        else:
            found.same.append(name)
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
