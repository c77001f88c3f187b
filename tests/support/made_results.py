"""Made-up results for a report: cells of two seeds, a transfer, another student, a run that was kept."""

import json
from pathlib import Path
from typing import Any

from made_cells import axes_of, write_cell

RUN: dict[str, list[Any]] = {
    "datasets": ["a", "b"],
    "splits": ["official", "sample"],
    "teachers": ["small"],
    "curations": ["d1"],
    "methods": ["fine_tune_cot"],
    "baselines": ["fine_tune", "zero_shot_cot"],
    "students": ["tiny"],
    "seeds": [0, 1, 2],
    "decodings": ["greedy", "short"],
    "transfers": ["c", "e"],
}
PARAMS: dict[str, Any] = {
    "run": {"preset": "made_up", **RUN},
    "students": {"tiny": {"epochs": 5}},
    "methods": {"fine_tune": {}, "fine_tune_cot": {"alpha": 0.3}, "zero_shot_cot": {}},
    "decodings": {"greedy": {"max_new_tokens": 200}, "short": {"max_new_tokens": 128}},
    "datasets": {"a": {"subtasks": ["x", "y"]}, "b": {"subtasks": None}},
    "curations": {"d1": {}},
}
LEARNS_FROM = {"fine_tune": "answers", "fine_tune_cot": "rationales", "zero_shot_cot": "nothing"}
CELL = {
    "accuracy": 0.5,
    "n": 10,
    "samples": 1,
    "chance": 0.25,
    "teacher_accuracy": 0.75,
    "teacher_n": 8,
    "length": {"words": {"median": 12.0}},
}
ITEM: dict[str, Any] = {
    "title": "A table",
    "source": "made up",
    "where": {"split": ["official", "sample"]},
    "columns": {
        "A": {"where": {"dataset": "a"}, "n": 12},
        "B": {"where": {"dataset": "b"}},
        "on C": {"where": {"dataset": "a", "target": "c"}},
        "AVG": {"mean_of": ["A", "B"]},
    },
    "rows": {
        "Random": {"published": [25.0, None, None, 25.0], "ours": {}, "field": "chance", "by": []},
        "Teacher": {"ours": {"teacher": ["big", "*"]}, "field": "teacher_accuracy", "by": ["teacher"]},
        "Direct": {
            "published": [50.0, 60.0, 10.0, 55.0],
            "ours": {"method": "fine_tune", "student": ["paper_student", "*"]},
        },
        "Absent": {"ours": {"method": "few_shot"}},
        "Retired": {"published": [1.0, 2.0, 3.0, 4.0]},
    },
}


def kept_cell(name: str, **numbers: float) -> dict[str, Any]:
    """A cell as a kept run has it: its axes without the seed, which is in its name all the same."""
    axes = axes_of(name)
    del axes["seed"]
    return {**axes, **numbers}


def write_kept(metrics: Path, name: str, cells: list[dict[str, Any]], **settings: Any) -> None:
    path = metrics / "kept" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {"settings": settings} if settings else {}
    path.write_text(json.dumps({**known, "cells": cells}), encoding="utf-8")


def write_rendered(metrics: Path) -> None:
    for method, learns_from in LEARNS_FROM.items():
        path = metrics / "rendered" / f"a-official-{method}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"method": method, "learns_from": learns_from}), encoding="utf-8")


def write_results(metrics: Path) -> None:
    """The kept run repeats one cell of the tree, and adds another and a transfer."""
    cells = metrics / "cells"
    write_cell(cells, "a-official-fine_tune-tiny-0-greedy", **CELL | {"accuracy": 0.4})
    write_cell(cells, "a-official-fine_tune-tiny-1-greedy", **CELL | {"accuracy": 0.6})
    write_cell(cells, "b-official-fine_tune-tiny-0-greedy", **CELL | {"accuracy": 0.9})
    write_cell(cells, "a-sample-fine_tune-paper_student-0-greedy", **CELL)
    write_cell(cells, "a-official-small-d1-fine_tune_cot-tiny-0-greedy", **CELL)
    moved = {"accuracy": 0.1, "n": 100}
    write_cell(metrics / "transfers", "a-official-fine_tune-tiny-0-greedy-c", **CELL | moved)
    write_rendered(metrics)
    (metrics / "splits").mkdir()
    rows = {"rows": {"train": 7, "validation": 2, "test": 10}}
    (metrics / "splits" / "a-official.json").write_text(json.dumps(rows), encoding="utf-8")
    kept = [
        kept_cell("a-official-fine_tune-tiny-0-greedy", accuracy=0.0, n=10, n_seeds=1),
        kept_cell("a-official-small-d4-fine_tune_cot-tiny-0-greedy", accuracy=0.3, n=10, n_seeds=2),
        kept_cell("a-official-fine_tune-other-0-greedy-c", accuracy=0.2, n=50),
    ]
    write_kept(metrics, "old", kept)
