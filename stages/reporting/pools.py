"""The results under metrics/ that a paper's tables are made of: cells, transfers, LAS, splits, funnels, and
the summaries that were kept.
"""

import csv
import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.config.run import axes
from stages.reporting.settings import AXES, Result, Settings, declared, settings_of, with_settings

NAMES = {"splits": AXES[:2], "funnels": AXES[:4]}  # the axes in a file's name; of cells, `axes` reads them
# as a target: the unweighted mean over all targets that the student did not learn (CasCoD Figure 6)
UNSEEN = "OOD"


def placed(names: tuple[str, ...], stem: str) -> dict[str, str]:
    return dict.fromkeys(AXES, "") | dict(zip(names, stem.split("-"), strict=False))


def released(path: Path) -> list[Result]:
    """The cells of a summary that was kept (metrics/released), transfers and their average too: accuracy, n
    and seeds alone.
    """
    summary = json.loads(path.read_text(encoding="utf-8"))
    settings: Settings = summary.pop("settings", {})
    found: list[Result] = []
    for place, labels in summary.items():
        dataset, _, split = place.removesuffix(", transfers").partition("-")
        if dataset == "average":
            continue
        for label, scores in labels.items():
            method, _, corpus = label.removesuffix(")").partition(" (")
            teacher, curation, student = ["", "", *corpus.split("/")][-3:]
            at = dict(zip(AXES, (dataset, split, teacher, curation, method, student, ""), strict=True)) | {
                "kept": path.stem
            }
            targets = {"": scores}
            if place.endswith(", transfers"):
                targets = {
                    target: one for target, one in scores.items() if target not in (dataset, "AVERAGE")
                }
                targets[UNSEEN] = {
                    name: number
                    for name, number in targets[UNSEEN].items()
                    if name in ("accuracy", "n_datasets")
                }
            found += [
                with_settings({**at, "target": target, **one}, settings) for target, one in targets.items()
            ]
    return found


def unseen(transfers: list[Result]) -> list[Result]:
    """Per student the mean accuracy over the data sets that it did not learn, each counting alike, without
    interval.
    """
    groups: dict[tuple[str, ...], list[Result]] = defaultdict(list)
    for one in transfers:
        if one["target"] != one["dataset"]:
            groups[tuple(one[axis] for axis in (*AXES[:-1], "seed"))].append(one)
    names = (*AXES, "seed", "settings", "alpha")
    return [
        {
            **{name: group[0][name] for name in names},
            **{
                "target": UNSEEN,
                "accuracy": fmean(one["accuracy"] for one in group),
                "n_datasets": len(group),
            },
        }
        for group in groups.values()
    ]


def dollars(path: Path) -> dict[str, float]:
    """What a cell's training data cost (cost_accuracy.csv), where that is known."""
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if path.exists() else []
    return {row["cell"]: float(row["dollars"]) for row in rows if row["dollars"]}


def read_results(metrics: Path, params: dict[str, Any]) -> dict[str, list[Result]]:
    """Everything that tables are made of, by the kind that an item asks for; `params` (params.yaml) says what
    the tree's own were made with.
    """
    made = settings_of(params)
    costs = dollars(metrics / "cost_accuracy.csv")

    def read(folder: str) -> list[Result]:
        found = []
        for path in sorted((metrics / folder).glob("*.json")):
            names = (
                placed(NAMES[folder], path.stem)
                if folder in NAMES
                else {**axes(path.stem), "dollars": costs.get(path.stem)}
            )
            result = {**json.loads(path.read_text(encoding="utf-8")), **names}
            found.append(with_settings(result, made if declared(result, params["run"]) else {}))
        return found

    moved = read("transfers")
    kept = [one for path in sorted((metrics / "released").glob("*.json")) for one in released(path)]
    pools = {kind: read(kind) for kind in ("splits", "funnels", "las", "cells")}
    pools["cells"] += [*moved, *unseen(moved), *kept]
    return pools
