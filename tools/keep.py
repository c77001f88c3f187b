"""Keep: a run's results under a name, with their settings; the next run's results then stand beside them.

In: metrics/ and params.yaml as they stand. Out: NAME.json, the scores over seeds with their axes, and
NAME.md, the tables. The report reads what is kept.
"""

import json
import re
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

from stages.config.load import check, read_params
from stages.config.run import Run, as_fields
from stages.records.jsonl import write_json, write_text
from stages.reporting.pools import read_learns_from, settings_of
from stages.results.cells import (
    Cell,
    group_seeds,
    group_targets,
    groups_elsewhere,
    read_own,
    read_transfers,
    seed_scores,
    summarize_cells,
)
from stages.results.statistics import rounded
from tools.terminal import checkout

REPORTED = (
    "completion_rate",
    "chance",
    "train_prior",
    "teacher_accuracy",
    "teacher_n",
    "teacher_accuracy_whole",
    "teacher_n_whole",
)
NEEDED = ("summary.json", "table.md", "transfers.md")


def check_name(name: str, out: Path, force: bool) -> None:
    """Raises ValueError for a name that is no file's, or is taken."""
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ValueError(f"name {name!r}: wanted a-z, 0-9 and _ only, it becomes the files' name")
    there = [str(path) for end in (".json", ".md") if (path := out / f"{name}{end}").exists()]
    if there and not force:
        raise ValueError(f"{', '.join(there)}: there already; take another name, or --force to write over it")


def reported(group: list[Cell]) -> dict[str, Any]:
    """What else of its cells a report prints, as means over seeds where all seeds have it."""
    there = [field for field in REPORTED if all(cell.get(field) is not None for cell in group)]
    means: dict[str, Any] = {field: fmean(cell[field] for cell in group) for field in there}
    curves = [cell.get("epochs", {}) for cell in group]
    shared = set.intersection(*map(set, curves))
    curve = {
        epoch: {"accuracy": fmean(one[epoch]["accuracy"] for one in curves), "n": curves[0][epoch]["n"]}
        for epoch in sorted(shared, key=int)
    }
    return means | ({"epochs": curve} if curve else {})


def kept_row(group: list[Cell]) -> dict[str, Any]:
    """The scores of a group of seeds with their axes."""
    axes = {axis: name for axis, name in as_fields(group[0]).items() if axis != "seed"}
    scores = {**seed_scores(group), **reported(group)}
    return {**axes, **rounded(scores), "samples": group[0].get("samples", 1)}


def kept_rows(metrics: Path, run: Run) -> list[dict[str, Any]]:
    """The declared cells, then the transfers to other data sets.

    Raises ValueError where summary.json says something else: the tables would not be those of params.yaml.
    """
    own = group_seeds(read_own(metrics / "cells", run))
    targets = group_targets(read_transfers(metrics / "transfers", run), run)
    path = metrics / "summary.json"
    if json.loads(path.read_text(encoding="utf-8")) != summarize_cells(own, targets):
        raise ValueError(f"{path} is not of the cells that params.yaml declares: `dvc repro` first")
    elsewhere = [groups_elsewhere(targets, dataset) for dataset in run.datasets]
    return [kept_row(group) for groups in (own, *elsewhere) for group in groups.values()]


def main(
    name: Annotated[str, typer.Argument(help="Of a-z, 0-9 and _, such as my_first_run.")],
    metrics: Annotated[Path, typer.Option(help="Where the results are.")] = Path("metrics"),
    out: Annotated[Path, typer.Option(help="Where they are kept.")] = Path("metrics/kept"),
    force: Annotated[bool, typer.Option("--force", help="Write over what is kept under this name.")] = False,
) -> None:
    """Keep this run's summary and tables under a name, with the settings of params.yaml, for the report."""
    checkout()
    check_name(name, out, force)
    missing = [file for file in NEEDED if not (metrics / file).is_file()]
    if missing:
        raise ValueError(f"{metrics}: no {', '.join(missing)}: `dvc repro` makes them")
    params = read_params()
    settings = settings_of(params, read_learns_from(metrics / "rendered"))
    rows = kept_rows(metrics, check("run", params["run"], Run))
    tables = [(metrics / file).read_text(encoding="utf-8") for file in NEEDED[1:]]
    write_json(out / f"{name}.json", {"settings": settings, "cells": rows})
    write_text(out / f"{name}.md", "\n".join(tables))
    typer.echo(f"kept as {out / name}.json and .md: `cot report` reads it")
