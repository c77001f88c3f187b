"""The axes of the grid (`run` in params.yaml) and the cells they span. The lists are DVC's matrix axes."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from stages.config.load import Block

# What tells cells apart, each a field of the cell's JSON. None (null) stands where a cell has none: a
# baseline has no teacher and no curation, a student on its own test part no target. `mentor` is the student
# whose rationales join the teacher's, `first` the method of the training before this one.
AXES = tuple("dataset split teacher curation method student seed mentor first decoding target".split())
SELDOM = ("mentor", "first")  # a cell without one has no such field in its JSON
Axes = dict[str, Any]  # axis -> name, or the number of a seed, or None
Lists = dict[str, Sequence[int | str]]  # axis -> what stands there

Value = TypeVar("Value", int, str)


def slugs(values: list[str]) -> list[str]:
    """Names that can stand in a stage's name, in a path and in a block's path.

    DVC joins them by "-" and drops a cell silently when two clash. A dot would split `students.NAME`.
    """
    bad = [value for value in values if not re.fullmatch(r"[a-z0-9_]+", value)]
    if bad:
        raise ValueError(f"{bad} must consist of a-z, 0-9 and _")
    return distinct(values)


def distinct(values: list[Value]) -> list[Value]:
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
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], AfterValidator(distinct)]
    decodings: Annotated[Slugs, Field(min_length=1)]  # how every student is asked, without training it again
    # who foresees the students' answers, with and without their rationales
    simulators: Slugs = Field(default_factory=list)
    # students whose own rationales of the train questions join the teacher's; who learns from both
    mentors: Slugs = Field(default_factory=list)
    mentored: Slugs = Field(default_factory=list)
    # methods whose students are trained a second time; the methods of that second training
    first_methods: Slugs = Field(default_factory=list)
    second_methods: Slugs = Field(default_factory=list)


def cell_name(axes: Mapping[str, Any]) -> str:
    """The name of a cell or of a transfer, as DVC joins the values of its axes."""
    return "-".join(str(axes[axis]) for axis in AXES if axes.get(axis) is not None)


def as_fields(axes: Mapping[str, Any]) -> Axes:
    """The axes as fields of a cell's JSON."""
    return {axis: axes.get(axis) for axis in AXES if axis not in SELDOM or axes.get(axis) is not None}


def methods_of(run: Run) -> list[str]:
    """Every method of the run, each once."""
    return [*dict.fromkeys([*run.methods, *run.baselines, *run.second_methods])]


def product_cells(**lists: Sequence[int | str]) -> dict[str, Axes]:
    """Name -> axes of the product of some axes' lists."""
    cells = [
        {**dict.fromkeys(AXES), **dict(zip(lists, values, strict=True))}
        for values in product(*lists.values())
    ]
    return {cell_name(axes): axes for axes in cells}


def declared_cells(run: Run) -> dict[str, Axes]:
    """Name -> axes of all cells: distilled ones, those with a mentor, those of a second training, baselines;
    names as DVC joins them.
    """
    cut: Lists = {"dataset": run.datasets, "split": run.splits}
    corpus: Lists = {**cut, "teacher": run.teachers, "curation": run.curations}
    last: Lists = {"seed": run.seeds, "decoding": run.decodings}
    taught: Lists = {**corpus, "method": run.methods}
    again: Lists = {**corpus, "method": run.second_methods, "student": run.students}
    return {
        **product_cells(**taught, student=run.students, **last),
        **product_cells(**taught, student=run.mentored, **last, mentor=run.mentors),
        **product_cells(**again, **last, first=run.first_methods),
        **product_cells(**cut, method=run.baselines, student=run.students, **last),
    }


def declared_transfers(run: Run) -> dict[str, Axes]:
    """All cells once per target, which comes last in the name.

    A dataset that is its own target is there too: DVC's matrix leaves none out.
    """
    moved = [{**axes, "target": target} for axes in declared_cells(run).values() for target in run.transfers]
    return {cell_name(axes): axes for axes in moved}
