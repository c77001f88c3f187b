"""Keep: a run's results under a name, with their settings; the next run's results then stand beside them.

In: metrics/ and params.yaml as they stand. Out: NAME.json, of cells, LAS, splits, funnels and appraisals what
the report shows, with their axes, and NAME.md, the tables. The report reads what is kept.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

from stages.config.load import check, read_params
from stages.config.run import AXES, Run, as_fields
from stages.records.jsonl import read_object, write_json, write_text
from stages.reporting.pools import (
    Result,
    is_declared,
    read_counts,
    read_dollars,
    read_las,
    read_learns_from,
    settings_of,
)
from stages.reporting.spec import Kind, fields_read
from stages.reporting.values import printed_fields
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
from stages.results.revisions import field_at
from stages.results.statistics import rounded
from tools.doctor.cells import made_otherwise
from tools.terminal import checkout

KEPT = Path("metrics/kept")  # the report reads what lies here, and nothing below
NEEDED = ("summary.json", "table.md", "transfers.md")


def check_name(name: str, out: Path, force: bool) -> None:
    """Raises ValueError for a name that is no file's, or is taken."""
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ValueError(f"name {name!r}: wanted a-z, 0-9 and _ only, it becomes the files' name")
    there = [str(path) for end in (".json", ".md") if (path := out / f"{name}{end}").exists()]
    if there and not force:
        raise ValueError(f"{', '.join(there)}: there already; take another name, or --force to write over it")


def kept_fields(kind: Kind) -> set[str]:
    """What the report shows of a kind of results, and what it shows that with."""
    return {one for field in fields_read(kind) for one in printed_fields(field) if one}


def picked(results: Sequence[Result], fields: Iterable[str]) -> dict[str, Any]:
    """The fields that all results have, as means, each at its path."""
    found: dict[str, Any] = {}
    for path in sorted(fields):
        values = [field_at(one, path) for one in results]
        if None not in values:
            *above, last = path.split(".")
            place = found
            for key in above:
                place = place.setdefault(key, {})
            place[last] = values[0] if len(set(values)) == 1 else fmean(values)
    return found


def kept_row(group: list[Cell], fields: set[str]) -> dict[str, Any]:
    """The scores of a group of seeds with their axes."""
    axes = {axis: name for axis, name in as_fields(group[0]).items() if axis != "seed"}
    scores = {**picked(group, fields), **seed_scores(group)}
    return {**axes, **rounded(scores), "samples": group[0].get("samples", 1)}


def kept_results(metrics: Path, kind: Kind, run: dict[str, Any]) -> list[dict[str, Any]]:
    """Of LAS, or of what comes before the students, what the report shows; each seed by itself."""
    results = read_las(metrics) if kind == "las" else read_counts(metrics, kind)
    fields = kept_fields(kind)
    return [
        {
            **{axis: one[axis] for axis in (*AXES, "simulator") if one.get(axis, "") != ""},
            **picked([one], fields),
        }
        for one in results
        if is_declared(one, run)
    ]


def kept_rows(metrics: Path, run: Run) -> list[dict[str, Any]]:
    """The declared cells, then the transfers to other data sets.

    Raises ValueError where summary.json says something else: the tables would not be those of params.yaml.
    """
    own = group_seeds(read_own(metrics / "cells", run))
    targets = group_targets(read_transfers(metrics / "transfers", run), run)
    path = metrics / "summary.json"
    if read_object(path) != summarize_cells(own, targets):
        raise ValueError(f"{path} is not of the cells that params.yaml declares: `dvc repro` first")
    elsewhere = [groups_elsewhere(targets, dataset) for dataset in run.datasets]
    fields = kept_fields("cells")
    dollars = read_dollars(metrics / "cost_accuracy.csv")
    return [
        kept_row([{**cell, "dollars": dollars.get(cell["cell"])} for cell in group], fields)
        for groups in (own, *elsewhere)
        for group in groups.values()
    ]


def main(
    name: Annotated[str, typer.Argument(help="Of a-z, 0-9 and _, such as my_first_run.")],
    metrics: Annotated[Path, typer.Option(help="Where the results are.")] = Path("metrics"),
    out: Annotated[Path, typer.Option(help="Where they are kept.")] = KEPT,
    force: Annotated[bool, typer.Option("--force", help="Write over what is kept under this name.")] = False,
) -> None:
    """Keep this run's summary and tables under a name, with the settings of params.yaml, for the report."""
    checkout()
    check_name(name, out, force)
    missing = [file for file in NEEDED if not (metrics / file).is_file()]
    if missing:
        raise ValueError(f"{metrics}: no {', '.join(missing)}: `dvc repro` makes them")
    params = read_params()
    if stale := made_otherwise(params):
        raise ValueError(
            f"params.yaml: {len(stale)} stages were run with other parameters, first {stale[0]}, and would be"
            " kept under these: `dvc repro` first"
        )
    settings = settings_of(params, read_learns_from(metrics / "rendered"))
    kept: dict[str, Any] = {"cells": kept_rows(metrics, check("run", params["run"], Run))}
    others: tuple[Kind, ...] = ("las", "splits", "funnels", "appraisals")
    kept |= {kind: found for kind in others if (found := kept_results(metrics, kind, params["run"]))}
    tables = [(metrics / file).read_text(encoding="utf-8") for file in NEEDED[1:]]
    write_json(out / f"{name}.json", {"settings": settings, **kept})
    write_text(out / f"{name}.md", "\n".join(tables))
    typer.echo(f"kept as {out / name}.json and .md")
