"""Cells: the declared ones read from their files, and several seeds of one as a single score."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.config.run import axes
from stages.results.statistics import spread, wilson

Cell = dict[str, Any]  # a cell's axes, its label, and its numbers
Groups = dict[tuple[str, str, str], list[Cell]]  # (split, label, dataset) -> one cell per seed
# what some cells have beside their accuracy
ALSO = ("accuracy_best_test_epoch", "subtask_average", "consistency")


def label(cell: Cell) -> str:
    """ "method (teacher/curation/student)"; a baseline has its student only."""
    return (
        f"{cell['method']} ({'/'.join(filter(None, (cell['teacher'], cell['curation'], cell['student'])))})"
    )


def read_cells(folder: Path, names: list[str]) -> list[Cell]:
    """The named cells, in their order. Raises ValueError for missing ones and for cells of other test
    questions than their dataset's.
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
    found: list[Cell] = [
        {**json.loads((folder / f"{name}.json").read_text(encoding="utf-8")), **axes(name)} for name in names
    ]
    sizes: dict[tuple[str, str], int] = {}
    for name, cell in zip(names, found, strict=True):
        wanted = sizes.setdefault((cell["target"] or cell["dataset"], cell["split"]), len(cell["correct"]))
        if not len(cell["correct"]) == cell["n"] == wanted:
            raise ValueError(
                f"{folder}/{name}.json: {len(cell['correct'])} marks for n {cell['n']}, wanted {wanted} as in"
                " its neighbours"
            )
    return [{**cell, "cell": name, "label": label(cell)} for name, cell in zip(names, found, strict=True)]


def grouped(found: list[Cell]) -> Groups:
    groups: Groups = defaultdict(list)
    for cell in found:
        groups[cell["split"], cell["label"], cell["dataset"]].append(cell)
    return dict(groups)


def apart(values: Sequence[float]) -> dict[str, float]:
    """How far several seeds lie apart: `sd`, `min` and `max`; {} for one seed."""
    return (
        {name: round(number, 4) for name, number in spread(values).items() if name != "mean"}
        if len(values) > 1
        else {}
    )


def over_seeds(group: list[Cell]) -> dict[str, float]:
    """Mean accuracy of a group's seeds with n and their number, its `sd`, `min` and `max` over several; other
    scores that all have, as means.
    """
    accuracies = [cell["accuracy"] for cell in group]
    scores = {
        "accuracy": round(fmean(accuracies), 4),
        "n": group[0]["n"],
        "n_seeds": len(group),
        **apart(accuracies),
    }
    also = [field for field in ALSO if all(field in cell for cell in group)]
    return scores | {field: round(fmean(cell[field] for cell in group), 4) for field in also}


def averages(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean accuracy over datasets, each counting alike, and each question counting alike."""
    total = sum(score["n"] for score in scores)
    by_question = sum(score["accuracy"] * score["n"] for score in scores) / total
    mean = {
        "accuracy": round(fmean(score["accuracy"] for score in scores), 4),
        "accuracy_by_question": round(by_question, 4),
    }
    return {**mean, "n": total, "n_datasets": len(scores)}


def percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f}"


def seeds_text(scores: Mapping[str, float]) -> str:
    """What follows a mean over several seeds, in %: ", sd 2.1, 50.0-56.7"; nothing for one seed."""
    return (
        f", sd {percent(scores['sd'])}, {percent(scores['min'])}-{percent(scores['max'])}"
        if "sd" in scores
        else ""
    )


def score_text(scores: Mapping[str, float]) -> str:
    """What `over_seeds` found, in %: the mean, half its 95 % Wilson interval, and how far several seeds lie
    apart.
    """
    low, high = wilson(scores["accuracy"] * scores["n"], int(scores["n"]))
    return f"{percent(scores['accuracy'])} ±{50 * (high - low):.1f}{seeds_text(scores)}"
