"""Papers: every table and figure, the preset that makes it, what that takes, and our numbers of it.

In: presets/, params.yaml, stages/reporting/published, metrics/report, metrics/efforts.json. docs/papers.md is
what this prints.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.config.load import check, read_params
from stages.config.method import method_of
from stages.config.run import Run, declared_cells, declared_transfers
from stages.records.jsonl import write_json
from stages.reporting.spec import FOLDER, read_paper
from stages.results.tables import as_markdown
from tools.presets.reading import FULL, SIZES, preset_names, read_items, read_preset, sizes_of
from tools.terminal import checkout

REPORT = Path("metrics/report")
EFFORTS = Path("metrics/efforts.json")
Efforts = dict[str, dict[str, dict[str, Any]]]  # preset -> size -> what it takes (tools/doctor/efforts.py)
HEAD = """# The papers' tables and figures

`cot papers` prints this page from the presets and from metrics/report. An item's preset makes it, with the
paper's numbers and ours side by side:

```bash
cot presets run ft_table6 --size tiny
```

Under a size stands what its preset takes at most: hours of one core in `tiny` and `smol`; in `full` of an
A100, disk for weights, and dollars where somebody is paid ("?": something is left out, see
[what a preset takes](#what-a-preset-takes)). The last column counts our numbers in the report. The smaller
sizes learn from what is published: the first lines of a file of [presets/](../presets) say what that changes.
"""
TAKEN = """## What a preset takes

Trained: students; asked: test parts that students answer; both of all grids. Hours, disk and dollars are
estimates, at most, for a machine without models and answers (`cot papers --estimate`, into
[efforts.json](../metrics/efforts.json)): tokens by counts of texts; hours of a core by
[measured rates](benchmarks.md), of an A100 by arithmetic. Left out are data sets whose files were not at hand
for the estimate, models that teach in the same process, and those that are asked about texts which are not
there yet. `cot doctor` says it of your machine.
"""


def learns(method: str, methods: dict[str, Any]) -> bool:
    """Whether there is something to train: a method that is only asked learns from nothing."""
    return method_of(method, methods)[0].LEARNS_FROM != "nothing"


def effort(name: str, size: str, params: dict[str, Any]) -> tuple[int, int]:
    """Trainings, and test parts that a student is asked, of all grids of a preset."""
    trained = asked = 0
    for overlay in read_preset(name, size).values():
        run = check("run", overlay["run"], Run)
        methods = params["methods"] | (overlay.get("methods") or {})
        cells = declared_cells(run)
        students = {
            tuple(value for axis, value in axes.items() if axis != "decoding")
            for axes in cells.values()
            if learns(axes["method"], methods)
        }
        trained += len(students)
        asked += len(cells) + len(declared_transfers(run))
    return trained, asked


def number_text(value: float) -> str:
    """Of an estimate: below ten with one decimal."""
    return "<0.1" if value < 0.05 else f"{value:,.{0 if value >= 10 else 1}f}"


def effort_text(name: str, size: str, taken: Efforts) -> str:
    """Hours, and of `full` disk and dollars; "-" for a size that it does not have."""
    if (told := taken.get(name, {}).get(size)) is None:
        return "-"
    if size != FULL:
        return f"{number_text(told['core_hours'])} h"
    paid = [f"${number_text(told['dollars'])}"] if told["dollars"] else []
    parts = [f"{number_text(told['gpu_hours'])} h", f"{number_text(told['gigabytes'])} GB", *paid]
    return ", ".join([*parts, *(["?"] if told["unknown"] else [])])


def taken_rows(params: dict[str, Any], taken: Efforts) -> Iterator[list[str]]:
    """A row a preset and size."""
    for name in preset_names():
        for size in sizes_of(name):
            counted = [f"{count:,}" for count in effort(name, size, params)]
            told = taken.get(name, {}).get(size)
            numbers = ["core_hours", "gpu_hours", "gigabytes", "dollars"]
            texts = [number_text(told[one]) if told[one] else "" for one in numbers] if told else [""] * 4
            unknown = dict.fromkeys(one.partition(".")[0] for one in told["unknown"]) if told else []
            yield [f"`{name}`", size, *counted, *texts, ", ".join(unknown)]


def numbers_of_ours(paper: str) -> Counter[str]:
    """Title of an item -> the numbers of ours in the report; none where there is no report."""
    path = REPORT / f"{paper}.csv"
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines()) if path.exists() else []
    return Counter(row["item"] for row in rows if row["side"] == "ours")


def makers() -> dict[tuple[str, str], list[str]]:
    """Paper and key of an item -> the presets that make it."""
    made: dict[tuple[str, str], list[str]] = {}
    for name in preset_names():
        for paper, keys in read_items(name).items():
            for key in keys:
                made.setdefault((paper, key), []).append(name)
    return made


def paper_rows(paper: str, taken: Efforts) -> Iterator[list[str]]:
    """A row an item and preset; an item that is a text has its notes alone."""
    made = makers()
    ours = numbers_of_ours(paper)
    for key, item in read_paper(paper).items.items():
        for name in made.get((paper, key), [""]):
            sizes = [effort_text(name, size, taken) if name else "" for size in SIZES]
            numbers = str(ours[item.title]) if name else "notes"
            yield [item.title, f"`{name}`" if name else "", *sizes, numbers]


def main(
    estimate: Annotated[
        bool,
        typer.Option("--estimate", help=f"Before that, what they take, into {EFFORTS}. Takes a minute."),
    ] = False,
) -> None:
    """Print which preset makes which item of which paper, what it takes, and what there is of ours."""
    checkout()
    params = read_params()
    if estimate:
        from tools.doctor.efforts import all_efforts  # it reads every data set

        write_json(EFFORTS, all_efforts())
    taken: Efforts = json.loads(EFFORTS.read_text(encoding="utf-8"))
    parts = [HEAD]
    for paper in sorted(path.stem for path in FOLDER.glob("*.yaml")):
        rows = list(paper_rows(paper, taken))
        parts.append(f"## {read_paper(paper).name}\n\n[All numbers, and the notes](../{REPORT / paper}.md)\n")
        parts.append(as_markdown([["item", "preset", *SIZES, "ours"], *rows]))
    header = "preset", "size", "trained", "asked", "core h", "A100 h", "GB", "$", "left out"
    parts.append(f"{TAKEN}\n{as_markdown([[*header], *taken_rows(params, taken)])}")
    typer.echo("\n".join(parts), nl=False)
