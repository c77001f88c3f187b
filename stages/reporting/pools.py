"""Pools: the results under metrics/ that a paper's tables are made of, and what they were made with.

Results are cells, transfers, LAS, splits, funnels, teachers' appraisals, and those of runs that were kept.
"""

import csv
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.config.load import find
from stages.config.method import method_block, resolve_method
from stages.config.run import AXES
from stages.records.jsonl import read_object
from stages.results.cells import read_cell

Result = dict[str, Any]  # axes, settings, alpha, and the numbers of a file
Settings = dict[str, Any]  # as `settings_of` makes them; {} where they are unknown
# a variant of a method stands as its base method: in words, what of its block is not that one's, alpha apart
VARIANT = "variant"
# what tells lines of a table apart: seeds are averaged, and LAS has who foresees the student's answers
LINE_AXES = (*(axis for axis in AXES if axis != "seed"), "simulator", VARIANT)
# of the method's block, as text: one more name by which results are chosen; "" where unknown or where the
# method has none
ALPHA = "alpha"
# as a target: the unweighted mean over all targets that the student did not learn (CasCoD Figure 6)
UNSEEN = "OOD"
# what comes before students -> the axes that its files' names join by "-"
COUNTED = {
    "splits": ("dataset", "split"),
    "funnels": ("dataset", "split", "teacher", "curation"),
    "appraisals": ("dataset", "teacher"),
}
LISTS = {  # axis -> the lists of `run` that its names stand in
    "dataset": ("datasets", "extra_datasets"),
    "split": ("splits",),
    "teacher": ("teachers",),
    "curation": ("curations",),
    "method": ("methods", "baselines", "second_methods"),
    "student": ("students",),
    "mentor": ("mentors",),
    "first": ("first_methods",),
    "decoding": ("decodings",),
    "seed": ("seeds",),
    "target": ("transfers",),
    "simulator": ("simulators",),
}


def read_learns_from(rendered: Path) -> dict[str, str]:
    """Method -> what it learns from, as `render` says in metrics/rendered."""
    found = [read_object(path) for path in sorted(rendered.glob("*.json"))]
    return {one["method"]: one["learns_from"] for one in found if "learns_from" in one}


def settings_of(params: dict[str, Any], learns_from: dict[str, str]) -> Settings:
    """The blocks of params.yaml that a run's cells were made with, and what its methods learn from.

    Raises ValueError for a name without a block.
    """
    run = find(params, "run")

    def blocks(kind: str, *lists: str) -> dict[str, Any]:
        return {name: find(params, f"{kind}.{name}") for listed in lists for name in run.get(listed, [])}

    # of a data set what people vary; the rest of it is in stages/datasets
    varied = params.get("datasets") or {}
    datasets = [name for listed in LISTS["dataset"] for name in run.get(listed, [])]
    known = params.get("methods") or {}  # where a block may be missing
    methods = {name: method_block(name, known) for listed in LISTS["method"] for name in run.get(listed, [])}
    bases = {name: resolve_method(name, known)[0] for name in methods}
    return {
        "preset": run["preset"],
        "students": blocks("students", *LISTS["student"]),
        "methods": {**{base: method_block(base, known) for base in bases.values()}, **methods},
        "learns_from": {base: learns_from[name] for name, base in bases.items() if name in learns_from},
        "decodings": blocks("decodings", *LISTS["decoding"]),
        "subtasks": {name: chosen for name in datasets if (chosen := varied.get(name, {}).get("subtasks"))},
        "curations": blocks("curations", *LISTS["curation"]),
    }


def is_declared(result: Result, run: dict[str, Any]) -> bool:
    """Whether `run` spans this result.

    One that it does not was left by another run, with settings that params.yaml no longer tells.
    """
    return all(
        result.get(axis) in (None, "") or any(result[axis] in run.get(listed, []) for listed in lists)
        for axis, lists in LISTS.items()
    )


def made_with(result: Result, settings: Settings) -> Result:
    """A result under its base method, with alpha and what else a variant varies."""
    methods = settings.get("methods", {})
    method, values = resolve_method(result["method"], methods)
    base = methods.get(method, {})
    varied = [f"{key} {value}" for key, value in values.items() if key != ALPHA and base.get(key) != value]
    own = {"method": method, ALPHA: str(values.get(ALPHA, "")), VARIANT: ", ".join(varied)}
    return {**result, "settings": settings, **own}


def placed(found: Result) -> Result:
    """A file's numbers with all axes that tell lines apart, "" for those it has no value on."""
    return {**found, **{axis: found.get(axis) or "" for axis in LINE_AXES}}


def read_kept(path: Path) -> dict[str, list[Result]]:
    """What was kept of a run (metrics/kept) by kind; among its cells the transfers and their means.

    Raises ValueError for cells from before they said how their students were asked.
    """
    kept = read_object(path)
    if old := [cell for cell in kept["cells"] if not cell.get("decoding")]:
        raise ValueError(
            f"{path}: {len(old)} of {len(kept['cells'])} cells have no `decoding`, wanted a name of"
            " `decodings`: keep the run again (`cot keep NAME --force`)"
        )
    found = {
        kind: [made_with({**placed(one), "kept": path.stem}, kept.get("settings", {})) for one in results]
        for kind, results in kept.items()
        if kind != "settings"
    }
    return {**found, "cells": [*found["cells"], *unseen_means(found["cells"])]}


def read_counts(metrics: Path, kind: str) -> list[Result]:
    """Of what comes before the students the files' numbers, with their axes."""
    found = []
    for path in sorted((metrics / kind).glob("*.json")):
        names = dict(zip(COUNTED[kind], path.stem.split("-"), strict=False))
        found.append(placed({**read_object(path), **names}))
    return found


def read_las(metrics: Path) -> list[Result]:
    return [placed(read_cell(path)) for path in sorted((metrics / "las").glob("*.json"))]


def unseen_means(cells: list[Result]) -> list[Result]:
    """Per student the mean accuracy over the targets that it did not learn, each counting alike."""
    groups: dict[tuple[Any, ...], list[Result]] = defaultdict(list)
    for one in cells:
        if one["target"] not in ("", one["dataset"]):
            student = (one[axis] for axis in LINE_AXES if axis != "target")
            groups[*student, one[ALPHA], one.get("seed")].append(one)
    shared = {*LINE_AXES, "seed", ALPHA, "settings", "kept", "n_seeds"}
    return [
        {
            **{name: value for name, value in group[0].items() if name in shared},
            "target": UNSEEN,
            "accuracy": round(fmean(one["accuracy"] for one in group), 4),
            "n_datasets": len(group),
        }
        for group in groups.values()
    ]


def read_dollars(path: Path) -> dict[str, float]:
    """What a cell's training data cost (cost_accuracy.csv), where that is known."""
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if path.exists() else []
    return {row["cell"]: float(row["dollars"]) for row in rows if row["dollars"]}


def read_results(metrics: Path, params: dict[str, Any]) -> dict[str, list[Result]]:
    """Everything that tables are made of, by the kind that an item asks for.

    `params` (params.yaml) says what the tree's own results were made with, those that it declares.
    """
    made = settings_of(params, read_learns_from(metrics / "rendered"))
    dollars = read_dollars(metrics / "cost_accuracy.csv")

    def known(results: list[Result]) -> list[Result]:
        return [made_with(one, made if is_declared(one, params["run"]) else {}) for one in results]

    def scored(folder: str) -> list[Result]:
        paths = sorted((metrics / folder).glob("*.json"))
        return known([placed({**read_cell(path), "dollars": dollars.get(path.stem)}) for path in paths])

    transfers = scored("transfers")
    pools = {kind: known(read_counts(metrics, kind)) for kind in COUNTED}
    pools["las"] = known(read_las(metrics))
    pools["cells"] = [*scored("cells"), *transfers, *unseen_means(transfers)]
    for path in sorted((metrics / "kept").glob("*.json")):
        for kind, results in read_kept(path).items():
            pools[kind] += results
    return pools
