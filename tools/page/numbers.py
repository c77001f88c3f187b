"""Numbers: what metrics/ says of a run, as the page draws it. A file that is not there yet leaves a gap."""

import csv
from pathlib import Path
from typing import Any

from stages.config.run import Run, cell_name, declared_cells, declared_transfers
from stages.records.jsonl import read_object
from stages.results.cells import Cell, cell_label, read_cell, seed_scores
from stages.results.statistics import wilson

METRICS = Path("metrics")
CORPUS = ("dataset", "split", "teacher", "curation")
LOSSES = ("train_loss", "validation_loss")
ROWS = ("rows_in", "rows_out", "questions_in", "questions_out")
SHARES = ("chance", "teacher_accuracy", "no_answer_rate", "completion_rate", "format_rate")
# what a student's data may have cost -> how the page names it
COSTS = {
    "dollars": "all dollars",
    "teacher": "the teacher's dollars",
    "tokens_out": "tokens that the teacher wrote",
    "completions": "completions of the teacher",
    "annotation": "dollars of annotation",
    "questions": "train questions",
}
Numbers = dict[str, Any]


def trained(cell: Cell) -> str:
    """The name of a cell's training, however its student is asked."""
    return cell_name({**cell, "decoding": None, "target": None})


def corpus_of(cell: Cell) -> str:
    return "-".join(cell[axis] for axis in CORPUS)


def present_cells(run: Run) -> list[Cell]:
    """The declared cells and transfers that are scored. Raises ValueError where none is."""
    declared = [(METRICS / "cells", name) for name in declared_cells(run)]
    declared += [(METRICS / "transfers", name) for name in declared_transfers(run)]
    found = [(folder / f"{name}.json", name) for folder, name in declared]
    cells = [read_cell(path) | {"cell": name} for path, name in found if path.is_file()]
    if not cells:
        raise ValueError(
            f"{METRICS}/cells: none of the {len(declared)} cells that `run` declares; `dvc repro` makes them"
        )
    return [{**cell, "label": cell_label(cell)} for cell in cells]


def grid(cells: list[Cell]) -> Numbers:
    """A line a way of teaching, a column a data set and split; accuracy with its 95 % Wilson interval.

    {"columns": [[dataset, split, target]], "lines": [{"label", "values": [number or null]}]}. Seeds are
    averaged, their interval is over the questions.
    """
    groups: dict[tuple[str, str, str, str | None], list[Cell]] = {}
    for cell in cells:
        place = (cell["label"], cell["dataset"], cell["split"], cell["target"])
        groups.setdefault(place, []).append(cell)
    columns = list(dict.fromkeys(key[1:] for key in groups))
    columns.sort(key=lambda column: (column[2] is not None, column[1]))
    labels = dict.fromkeys(key[0] for key in groups)
    lines = [
        {"label": label, "values": [value_of(groups.get((label, *column))) for column in columns]}
        for label in labels
    ]
    return {"columns": columns, "lines": lines}


def value_of(group: list[Cell] | None) -> Numbers | None:
    if group is None:
        return None
    scores = seed_scores(group)
    low, high = wilson(scores["accuracy"] * scores["n"], group[0]["n"])
    also = {name: group[0][name] for name in SHARES if group[0].get(name) is not None}
    return {**scores, "low": low, "high": high, **also, "words": group[0]["length"]["words"]["mean"]}


def losses(cells: list[Cell]) -> list[Numbers]:
    """The loss curve of every student that is trained, or being trained."""
    found = []
    for name, cell in {trained(cell): cell for cell in cells}.items():
        path = METRICS / f"loss/{name}.csv"
        rows = list(csv.DictReader(path.open(encoding="utf-8"))) if path.is_file() else []
        if rows:
            counts = METRICS / f"training/{name}.json"
            told = read_object(counts) if counts.is_file() else {}
            found.append(
                {axis: cell[axis] for axis in ("dataset", "split", "label", "seed")}
                | {column: [number(row[column]) for row in rows] for column in LOSSES}
                | {"selected": told.get("epoch_selected")}
            )
    return found


def number(text: str) -> float | None:
    return float(text) if text else None


def funnel_files(cell: Cell) -> dict[Path, str]:
    """The funnels of a cell's teacher and of its mentor -> whose they are."""
    told = f"{cell['teacher']}/{cell['curation']}"
    files = {METRICS / f"funnels/{corpus_of(cell)}.json": told}
    if cell["mentor"]:
        asked = "-".join(str(cell[axis]) for axis in ("method", "mentor", "seed"))  # as dvc.yaml names it
        path = METRICS / f"mentored/{corpus_of(cell)}-{asked}.json"
        files[path] = f"{told}, mentor {cell['mentor']} by {cell['method']}, seed {cell['seed']}"
    return files


def funnels(cells: list[Cell]) -> list[Numbers]:
    """What became of the completions of the train questions, the teachers' and the mentors'."""
    whose = {
        path: (cell, told) for cell in cells if cell["teacher"] for path, told in funnel_files(cell).items()
    }
    found = []
    for path, (cell, told) in whose.items():
        if path.is_file():
            train = read_object(path)["train"]
            found.append(
                {axis: cell[axis] for axis in CORPUS}
                | {"whose": told}
                | {count: train[count] for count in ROWS}
                | {"removed": {reason: count for reason, count in train["removed"].items() if count}}
                | {"words": (train.get("length") or {}).get("words_from", {})}
            )
    return found


def costs(cells: list[Cell]) -> Numbers:
    """What every cell's data cost, beside its accuracy; `kinds`: the costs that tell cells apart,
    those first that are known of most."""
    path = METRICS / "cost_accuracy.csv"
    known = {cell["cell"]: cell for cell in cells}
    rows = list(csv.DictReader(path.open(encoding="utf-8"))) if path.is_file() else []
    points = [
        {name: known[row["cell"]][name] for name in ("dataset", "split", "label")}
        | {name: number(row[name]) for name in ("accuracy", "low", "high", *COSTS)}
        for row in rows
        if row["cell"] in known
    ]
    values = {name: [point[name] for point in points if point[name] is not None] for name in COSTS}
    telling = [name for name in COSTS if len(set(values[name])) > 1]
    telling.sort(key=lambda name: -len(values[name]))
    return {"points": points, "kinds": {name: COSTS[name] for name in telling}}


def run_numbers(run: Run) -> Numbers:
    cells = present_cells(run)
    own = [cell for cell in cells if cell["target"] is None]
    return {
        "cells": [cell["cell"] for cell in cells],
        "declared": len(declared_cells(run)) + len(declared_transfers(run)),
        "grid": grid(cells),
        "losses": losses(own),
        "funnels": funnels(own),
        "costs": costs(own),
    }
