"""Lines of several grids side by side: each against the first, with one correction for all that is tested.

A grid's own tables (stages/summarize.py) compare the lines of that grid. Here it is those of any grids that
were run in this checkout, from metrics/cells and metrics/splits alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from stages.records.jsonl import read_object
from stages.results.cells import Cell, cell_label, read_cell, seed_scores
from stages.results.paired import (
    RESAMPLED,
    Difference,
    Reports,
    asked_questions,
    interval_text,
    p_text,
    paired_difference,
    points_text,
)
from stages.results.statistics import holm
from stages.results.tables import as_markdown, score_text

Line = dict[str, list[Cell]]  # DATASET-SPLIT -> the line's cells, one a seed, in the order of the seeds
NOTE = (
    "Under each line its difference to the first in points on the same questions, with its 95 % interval from"
    " 10,000 paired bootstrap\nresamples, and p of McNemar's exact test, Holm-corrected over all {tests}"
    f" tests of this table.\n{RESAMPLED}\n"
    "Several seeds: of a question's mean over them; the test counts it once.\n"
)


def read_line(folder: Path, pattern: str) -> Line:
    """The cells that a pattern names. Raises ValueError for none and where they are no single line."""
    if "/" in pattern:
        raise ValueError(f"{pattern!r}: wanted names of cells in {folder}, and no path")
    cells = [read_cell(path) for path in sorted(folder.glob(f"{pattern}.json"))]
    if not cells:
        raise ValueError(f"{pattern!r}: no cell in {folder} has such a name; * stands for data set and seed")
    if moved := [cell for cell in cells if cell["target"]]:
        raise ValueError(f"{pattern!r}: {cell_label(moved[0])} was asked another data set, wanted its own")
    if len(labels := sorted({cell_label(cell) for cell in cells})) > 1:
        raise ValueError(f"{pattern!r} names {len(labels)} lines, wanted one: {', '.join(labels)}")
    line: Line = {}
    for cell in sorted(cells, key=lambda cell: int(cell["seed"])):
        line.setdefault(f"{cell['dataset']}-{cell['split']}", []).append(cell)
    return line


def places_of(lines: Sequence[Line]) -> list[str]:
    """What all lines were asked. Raises ValueError unless it is the same for all, with the same seeds."""
    grids = [{place: [cell["seed"] for cell in cells] for place, cells in line.items()} for line in lines]
    odd = next((place for place, grid in enumerate(grids) if grid != grids[0]), None)
    if odd is not None:
        raise ValueError(
            f"line {odd + 1} has the seeds {grids[odd]}, the first one {grids[0]}: wanted the same data sets"
            " and seeds"
        )
    labels = [cell_label(next(iter(line.values()))[0]) for line in lines]
    if twice := [label for place, label in enumerate(labels) if label in labels[:place]]:
        raise ValueError(f"{twice[0]} is named twice: wanted each line once")
    return sorted(grids[0])


def read_reports(folder: Path, places: Sequence[str]) -> Reports:
    """Raises ValueError where the test ids of a place are missing."""
    paths = {place: folder / f"{place}.json" for place in places}
    if missing := [path for path in paths.values() if not path.is_file()]:
        raise ValueError(f"{missing[0]} not found: the stage `split` writes it, with the test ids")
    return {place: read_object(path) for place, path in paths.items()}


def differences(lines: Sequence[Line], places: Sequence[str], reports: Reports) -> list[list[Difference]]:
    """Of each line but the first, place by place, what it has more than the first."""
    first, *others = lines
    asked = {place: asked_questions(reports, place) for place in places}
    return [
        [paired_difference(line[place], first[place], asked[place]) for place in places] for line in others
    ]


def table_of(lines: Sequence[Line], splits: Path) -> str:
    """Accuracies and differences as Markdown. Raises ValueError for lines that cannot be compared."""
    places = places_of(lines)
    reports = read_reports(splits, places)
    found = differences(lines, places, reports)
    corrected = iter(holm([one.p for row in found for one in row]))
    table = [["", *places]]
    for line, row in zip(lines, [[], *found], strict=True):
        table.append([cell_label(line[places[0]][0]), *(score_text(seed_scores(line[at])) for at in places)])
        if row:
            told = [f"{points_text(one.mean)} ({interval_text(one.interval)}, p" for one in row]
            table.append(["", *(f"{text} {p_text(next(corrected))})" for text in told)])
    return f"{as_markdown(table)}\n{NOTE.format(tests=sum(map(len, found)))}"


def main(
    lines: Annotated[
        list[str],
        typer.Argument(
            metavar="PATTERN...",
            help="A line each: names of its cells, * for what differs, in quotes. The first is what the"
            " others are compared with.",
        ),
    ],
    metrics: Annotated[Path, typer.Option(help="Where cells/ and splits/ are.")] = Path("metrics"),
) -> None:
    """Test lines of any grids against the first one.

    Example: cot study lines '*-sample-fine_tune-*' '*-sample-scripted-d4-*'
    """
    if len(lines) < 2:
        raise ValueError(f"{lines[0]!r} alone: wanted two lines or more")
    found = [read_line(metrics / "cells", pattern) for pattern in lines]
    typer.echo(table_of(found, metrics / "splits"))
