"""Papers: every table and figure, the preset that makes it, what that takes, and our numbers of it.

In: presets/, params.yaml, stages/reporting/published, metrics/report. docs/papers.md is what this prints.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from stages.config.load import check, read_params
from stages.config.method import method_of
from stages.config.run import Run, declared_cells, declared_transfers
from stages.reporting.spec import FOLDER, read_paper
from stages.results.tables import as_markdown
from tools.presets.reading import SIZES, preset_names, read_items, read_preset, sizes_of
from tools.terminal import checkout

REPORT = Path("metrics/report")
HEAD = """# The papers' tables and figures

`cot papers` prints this page from the presets and from metrics/report. An item's preset makes it, with the
paper's numbers and ours side by side:

```bash
cot presets run ft_table6 --size tiny
```

Under a size stands how many students are trained, and how many test parts students are asked. `cot doctor`
says the hours, the dollars and the disk. The smaller sizes learn from what is published: the first lines of
a file of [presets/](../presets) say what that changes. The last column counts our numbers in the report.
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


def effort_text(name: str, size: str, params: dict[str, Any]) -> str:
    if size not in sizes_of(name):
        return "-"
    trained, asked = effort(name, size, params)
    return f"{trained:,} / {asked:,}"


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


def paper_rows(paper: str, params: dict[str, Any]) -> Iterator[list[str]]:
    """A row an item and preset; an item that is a text has its notes alone."""
    made = makers()
    ours = numbers_of_ours(paper)
    for key, item in read_paper(paper).items.items():
        for name in made.get((paper, key), [""]):
            sizes = [effort_text(name, size, params) if name else "" for size in SIZES]
            numbers = str(ours[item.title]) if name else "notes"
            yield [item.title, f"`{name}`" if name else "", *sizes, numbers]


def main() -> None:
    """Print which preset makes which item of which paper, what it takes, and what there is of ours."""
    checkout()
    params = read_params()
    parts = [HEAD]
    for paper in sorted(path.stem for path in FOLDER.glob("*.yaml")):
        rows = list(paper_rows(paper, params))
        parts.append(f"## {read_paper(paper).name}\n\n[All numbers, and the notes](../{REPORT / paper}.md)\n")
        parts.append(as_markdown([["item", "preset", *SIZES, "ours"], *rows]))
    typer.echo("\n".join(parts), nl=False)
