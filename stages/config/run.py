"""The axes of the grid (`run` in params.yaml) and the cells they span. The lists are DVC's matrix axes."""

import re
from itertools import product
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from stages.config.load import Block

Value = TypeVar("Value", int, str)


def slugs(values: list[str]) -> list[str]:
    """Values become parts of stage names and paths, joined by "-": DVC drops a cell silently when two names
    clash.

    Differs: DESIGN.md allows a dot too, but a dot in a block's name splits its path, `students.x.y`.
    """
    bad = [value for value in values if not re.fullmatch(r"[a-z0-9_]+", value)]
    if bad:
        raise ValueError(f"{bad} must consist of a-z, 0-9 and _")
    return once(values)


def once(values: list[Value]) -> list[Value]:
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise ValueError(f"{twice} listed twice")
    return values


Slugs = Annotated[list[str], AfterValidator(slugs)]


class Run(Block):
    """What is run: distilled cells are the product of all axes, baseline cells need no teacher."""

    preset: str  # the overlay in use, for the reader
    datasets: Annotated[Slugs, Field(min_length=1)]
    extra_datasets: Slugs = Field(default_factory=list)  # downloaded and prepared, not trained on
    # datasets, or extra ones, that every student is also asked: what it learned elsewhere
    transfers: Slugs = Field(default_factory=list)
    splits: Annotated[Slugs, Field(min_length=1)]
    teachers: Slugs  # who is asked, how, and how often
    curations: Slugs  # filters and budget
    methods: Slugs  # what is trained on a teacher's completions
    baselines: Slugs  # methods that need none: prompting the bare student, training on gold answers
    students: Slugs
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], AfterValidator(once)]
    # who foresees the students' answers, with and without their rationales
    simulators: Slugs = Field(default_factory=list)


def cells(run: Run) -> list[str]:
    """The names of all cells, as DVC joins them: distilled ones, then baselines."""
    distilled = product(
        run.datasets, run.splits, run.teachers, run.curations, run.methods, run.students, run.seeds
    )
    baseline = product(run.datasets, run.splits, run.baselines, run.students, run.seeds)
    return ["-".join(map(str, values)) for values in (*distilled, *baseline)]


def transfer_cells(run: Run) -> list[str]:
    """The names of all cells once per target, the target last. A dataset that is its own target is there too:
    DVC's matrix leaves none out.
    """
    return [f"{name}-{target}" for name in cells(run) for target in run.transfers]


def axes(name: str) -> dict[str, str]:
    """The axis values in a cell's name; a baseline's teacher and curation are "", and so is the target but in
    a transfer.
    """
    values = name.split("-")
    target = values.pop() if len(values) in (6, 8) else ""
    if len(values) == 5:
        values[2:2] = ["", ""]
    return dict(
        zip(
            ("dataset", "split", "teacher", "curation", "method", "student", "seed", "target"),
            [*values, target],
            strict=True,
        )
    )
