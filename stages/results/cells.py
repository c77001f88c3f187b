"""Cells: read from their files, averaged over seeds and over data sets.

A transfer is a cell of a student that learned one data set and was asked another, its target. Averages over
data sets are unweighted, as in CasCoD Table 1 (there ARC-E and ARC-C count twice); the same by question
stands beside them.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.config.decoding import GREEDY
from stages.config.run import AXES, SELDOM, Run, declared_cells, declared_transfers
from stages.records.jsonl import read_object
from stages.results.statistics import rounded, spread

Cell = dict[str, Any]  # a cell's axes, its label, and its numbers
Groups = dict[tuple[str, str, str], list[Cell]]  # (split, label, data set asked) -> one cell per seed
Targets = dict[str, Groups]  # target -> the transfers to it, grouped by the data set that was learned
Scores = dict[str, float]  # accuracy, n, ...
# what some cells have beside their accuracy
ALSO = ("accuracy_best_test_epoch", "majority_accuracy", "subtask_average", "consistency")


def cell_label(cell: Mapping[str, Any]) -> str:
    """ "method (teacher/curation/student/decoding)"; a baseline has no teacher and no curation, and `greedy`
    is left out. After it ", mentor NAME" or ", after METHOD", within the parentheses.
    """
    named = [cell[axis] for axis in ("teacher", "curation", "student") if cell[axis]]
    named += [cell["decoding"]] if cell["decoding"] != GREEDY else []
    mentor = f", mentor {cell['mentor']}" if cell.get("mentor") else ""
    first = f", after {cell['first']}" if cell.get("first") else ""
    return f"{cell['method']} ({'/'.join(named)}{mentor}{first})"


def corpus_name(cell: Cell) -> str:
    """ "teacher/curation", what a student was taught with; "-" for a baseline."""
    return f"{cell['teacher']}/{cell['curation']}" if cell["teacher"] else "-"


def read_cell(path: Path) -> Cell:
    """A cell's axes and numbers. Raises ValueError for a file without all axes."""
    cell: Cell = dict.fromkeys(SELDOM) | read_object(path)
    if missing := [axis for axis in AXES if axis not in cell]:
        raise ValueError(
            f"{path}: no field `{missing[0]}`, wanted the cell's axes: `dvc repro` writes it, under today's"
            " name; then delete this file"
        )
    return cell


def read_cells(folder: Path, names: Collection[str]) -> list[Cell]:
    """The named cells, in their order.

    Raises ValueError for missing ones and for cells of other test questions than their data set's.
    """
    if not names:
        raise ValueError(
            "params.yaml: `run` declares no cells: wanted methods or baselines, students and seeds"
        )
    missing = [name for name in names if not (folder / f"{name}.json").exists()]
    if missing:
        raise ValueError(
            f"{folder}: no file for {len(missing)} of {len(names)} declared cells: {', '.join(missing[:5])}"
        )
    cells = []
    sizes: dict[tuple[str, str], int] = {}
    for name in names:
        cell = read_cell(folder / f"{name}.json")
        marks = len(cell["correct"])
        wanted = sizes.setdefault((cell["target"] or cell["dataset"], cell["split"]), marks)
        if not marks == cell["n"] == wanted:
            raise ValueError(
                f"{folder}/{name}.json: {marks} marks for n {cell['n']}, wanted {wanted} as in its neighbours"
            )
        cells.append({**cell, "cell": name, "label": cell_label(cell)})
    return cells


def read_own(folder: Path, run: Run) -> list[Cell]:
    """The declared cells: students on the test part of what they learned."""
    return read_cells(folder, declared_cells(run))


def read_transfers(folder: Path, run: Run) -> list[Cell]:
    """The declared transfers, of a student to its own data set too; [] where no target is declared."""
    return read_cells(folder, declared_transfers(run)) if run.transfers else []


def group_seeds(cells: list[Cell]) -> Groups:
    groups: Groups = defaultdict(list)
    for cell in cells:
        groups[cell["split"], cell["label"], cell["dataset"]].append(cell)
    return dict(groups)


def group_targets(transfers: list[Cell], run: Run) -> Targets:
    return {
        target: group_seeds([cell for cell in transfers if cell["target"] == target])
        for target in run.transfers
    }


def groups_elsewhere(targets: Targets, dataset: str) -> Groups:
    """What the students of one data set do on all others, each target in the place of their data set."""
    return {
        (split, label, target): group
        for target, groups in targets.items()
        for (split, label, learned), group in groups.items()
        if learned == dataset != target
    }


def seed_spread(values: Sequence[float]) -> Scores:
    """How far several seeds lie apart: `sd`, `min` and `max`; {} for one seed."""
    if len(values) == 1:
        return {}
    return {name: value for name, value in spread(values).items() if name != "mean"}


def exact_accuracy(cell: Cell) -> float:
    """The share that a cell's file has to four decimals: it is so many of its answers, and rounding it twice
    would print 17.2 for 17.253.
    """
    answers = cell["n"] * cell.get("samples", 1)
    return float(round(cell["accuracy"] * answers) / answers)


def seed_scores(group: list[Cell]) -> Scores:
    """A group's mean accuracy with `n` and `n_seeds`, over several seeds its `sd`, `min` and `max`.

    Other scores that all of its cells have stand beside them as means.
    """
    accuracies = [exact_accuracy(cell) for cell in group]
    scores = {"accuracy": fmean(accuracies), "n": group[0]["n"], "n_seeds": len(group)}
    also = [field for field in ALSO if all(field in cell for cell in group)]
    means = {field: fmean(cell[field] for cell in group) for field in also}
    return {**scores, **seed_spread(accuracies), **means}


def average_scores(scores: Sequence[Mapping[str, float]]) -> Scores:
    """Mean accuracy over data sets, each counting alike, and each question counting alike."""
    total = sum(score["n"] for score in scores)
    by_question = sum(score["accuracy"] * score["n"] for score in scores) / total
    return {
        "accuracy": fmean(score["accuracy"] for score in scores),
        "accuracy_by_question": by_question,
        "n": total,
        "n_datasets": len(scores),
    }


def average_transfers(dataset: str, own: Scores, elsewhere: dict[str, Scores]) -> dict[str, Scores]:
    """A student's scores on its own data set and each target, the mean over these and over all.

    The means are "OOD" and "AVERAGE": no data set has such a name.
    """
    outside = average_scores([*elsewhere.values()])
    overall = average_scores([own, *elsewhere.values()])
    return {dataset: own, **elsewhere, "OOD": outside, "AVERAGE": overall}


def transfer_scores(own: Groups, targets: Targets, split: str, dataset: str) -> dict[str, dict[str, Scores]]:
    """What `average_transfers` says of one data set's students, by their label.

    {} where there is no other target.
    """
    others = {target: groups for target, groups in targets.items() if target != dataset}
    places = [place for place in own if (place[0], place[2]) == (split, dataset) and others]
    return {
        place[1]: average_transfers(
            dataset,
            seed_scores(own[place]),
            {target: seed_scores(groups[place]) for target, groups in others.items()},
        )
        for place in places
    }


def summarize_cells(own: Groups, targets: Targets) -> dict[str, Any]:
    """What DVC diffs.

    {"DATASET-SPLIT": {label: scores}}, the same of "average-SPLIT", the averages over data sets, and
    {"DATASET-SPLIT, transfers": {label: {target: scores}}}.
    """
    summary: dict[str, Any] = defaultdict(dict)
    by_label: dict[tuple[str, str], list[Scores]] = defaultdict(list)
    for (split, label, dataset), group in own.items():
        summary[f"{dataset}-{split}"][label] = seed_scores(group)
        by_label[split, label].append(seed_scores(group))
    for (split, label), scores in by_label.items():
        summary[f"average-{split}"][label] = average_scores(scores)
    for split, dataset in dict.fromkeys((split, dataset) for split, _, dataset in own):
        if moved := transfer_scores(own, targets, split, dataset):
            summary[f"{dataset}-{split}, transfers"] = moved
    found: dict[str, Any] = rounded(dict(summary))
    return found
