"""Cells: how often each stage of dvc.yaml runs, and what of it dvc.lock has already.

DVC itself is not asked: it knows one params.yaml, this one any.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from stages.config.load import find, read_yaml
from tools.tables import print_table

AXIS = re.compile(r"\$\{(run\.\w+)\}")
LEFT_OUT = ("check", "summarize", "cost_accuracy", "report")  # seconds, and they run every time


@dataclass
class Count:
    """Of a stage: its cells, those that dvc.lock has with these parameters, those of them whose outputs are
    here.
    """

    cells: int = 0
    recorded: int = 0
    here: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.cells + other.cells, self.recorded + other.recorded, self.here + other.here)


def matrix_keys(stage: Mapping[str, Any], params: dict[str, Any]) -> list[str]:
    """The cells of a stage, as DVC joins the values of its matrix; [""] of one without."""
    if "matrix" not in stage:
        return [""]
    lists = []
    for values in stage["matrix"].values():
        if isinstance(values, str):
            block, _, axis = AXIS.fullmatch(values)[1].partition(".")  # type: ignore[index]
            values = find(params, block).get(axis) or []
        lists.append(map(str, values))
    return list(dict.fromkeys("-".join(names) for names in product(*lists)))


def has_same_params(entry: Mapping[str, Any], params: dict[str, Any]) -> bool:
    """Whether an entry of dvc.lock was made with these parameters."""
    for where, value in entry.get("params", {}).get("params.yaml", {}).items():
        there: Any = params
        for key in where.split("."):
            there = there.get(key) if isinstance(there, dict) else None
        if there != value:
            return False
    return True


def read_stages() -> tuple[dict[str, Any], dict[str, Any]]:
    """The stages of dvc.yaml, and the entries of dvc.lock."""
    lock = Path("dvc.lock")
    return read_yaml(Path("dvc.yaml"))["stages"], read_yaml(lock)["stages"] if lock.is_file() else {}


def made_otherwise(params: dict[str, Any]) -> list[str]:
    """The cells of this grid that dvc.lock has with other parameters, NAME@CELL."""
    if not Path("dvc.lock").is_file():
        return []
    stages, entries = read_stages()
    names = [
        f"{name}@{key}" if key else name
        for name, stage in stages.items()
        for key in matrix_keys(stage, params)
    ]
    return [name for name in names if name in entries and not has_same_params(entries[name], params)]


def count_stages(
    params: dict[str, Any],
    stages: Mapping[str, Any],
    entries: Mapping[str, Any],
    counted: set[tuple[str, str, str]] | None = None,
) -> dict[str, Count]:
    """Stage -> its cells, in the order of dvc.yaml, but for those that are `counted`: grids with the same
    blocks share cells.

    What dvc.lock has may run anew all the same, if its code or files moved: `dvc repro --dry` knows.
    """
    counts = {}
    blocks = json.dumps({kind: block for kind, block in params.items() if kind != "run"}, sort_keys=True)
    counted = set() if counted is None else counted
    for name, stage in stages.items():
        if name in LEFT_OUT:
            continue
        keys = [key for key in matrix_keys(stage, params) if (name, key, blocks) not in counted]
        counted |= {(name, key, blocks) for key in keys}
        recorded = [
            entry
            for key in keys
            if (entry := entries.get(f"{name}@{key}" if key else name)) and has_same_params(entry, params)
        ]
        here = [entry for entry in recorded if all(Path(out["path"]).exists() for out in entry["outs"])]
        counts[name] = Count(len(keys), len(recorded), len(here))
    return {name: count for name, count in counts.items() if count.cells}


def print_stages(grids: Iterable[dict[str, Any]]) -> None:
    """What a run has to do, stage by stage."""
    counts: dict[str, Count] = {}
    read = read_stages()
    counted: set[tuple[str, str, str]] = set()
    for params in grids:
        for stage, count in count_stages(params, *read, counted).items():
            counts[stage] = counts.get(stage, Count()) + count
    rows = [(stage, count.cells, count.recorded, count.here) for stage, count in counts.items()]
    print_table(("stage", "cells", "in dvc.lock", "and here"), rows)
