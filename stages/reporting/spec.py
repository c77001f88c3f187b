"""Spec: what a paper's items print and which of our results stand beside it (published/NAME.yaml, checked).

A pattern is a name on an axis ("*" and "?" as in a shell), or a list: its first is the paper's own, the
others are deviations and shown by name; "!NAME" shuts one out. Columns and panels name exactly what they are;
of a list of names there, the first that was run counts, and a list such as [official, "*"] means what it
means elsewhere: the paper's own first, others as deviations. Besides the axes there is `alpha`, of a method's
block.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML

from stages.config.load import Block
from stages.config.run import SELDOM

FOLDER = Path(__file__).parent / "published"
Pattern = dict[str, str | list[str]]  # axis -> names
Printed = list[float | None]  # one per column, null where the paper has none


def pattern_names(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def is_wild(name: str) -> bool:
    return bool(set(name) & set("*?["))


def is_exact(names: str | list[str]) -> bool:
    """Whether a pattern says in full what may stand there."""
    return not any(is_wild(name) for name in pattern_names(names))


def lets_in(names: str | list[str], name: str) -> bool:
    """Whether a pattern lets a name in; having none, as a baseline has no teacher, is written ""."""
    wanted = pattern_names(names)
    shut_out = f"!{name}" in wanted
    return not shut_out and any(fnmatchcase(name, one) and bool(name) == bool(one) for one in wanted)


def matches(axes: Mapping[str, str], pattern: Pattern) -> bool:
    """Whether a result is of a pattern: on what it names, and without a mentor or a training before unless it
    names one, for few papers have any.
    """
    plain = not any(axes.get(axis) for axis in SELDOM if axis not in pattern)
    return plain and all(lets_in(names, axes[axis]) for axis, names in pattern.items())


class Column(Block):
    where: Pattern = Field(default={})
    n: int | None = None  # the paper's number of questions
    whole: int | None = None  # that of all parts of the data set
    field: str | None = None
    # the unweighted mean of these columns instead of results of its own
    mean_of: list[str] = Field(default=[])


# of results: folders of metrics/, transfers and kept summaries among the cells
Kind = Literal["cells", "las", "splits", "funnels", "appraisals"]


class PrintedRow(Block):
    published: Printed | dict[str, Printed] = Field(default=[])  # per panel where there are panels
    ours: Pattern | None = None  # null: nothing of ours corresponds to it, a note says why
    field: str | None = None  # this and the next where they are not the item's
    results: Kind | None = None
    # the axes that tell our lines apart, where not all do: a teacher's accuracy is the same in all its
    # students' cells
    by: list[str] | None = None


class Made(Block):
    """What the paper's runs were made with, as far as it says so.

    What of ours is known and departs from it stands beside a line's name.
    """

    # by our student's name; "*": whoever else stands for the paper's
    epochs: dict[str, int] = Field(default={})
    max_new_tokens: int | None = None  # L_p, the longest answer
    subtasks: dict[str, int] = Field(default={})  # data set -> their number
    unseen: int | None = None  # the data sets in an average over what the student never saw


class Item(Block):
    """A table, a figure (a table with a drawing), or a text that says where an item is found here."""

    title: str
    kind: Literal["table", "figure", "text"] = "table"
    source: str  # of the printed numbers, or of the fact that there are none
    decimals: int = 1  # of the printed numbers
    results: Kind = "cells"
    field: str = "accuracy"  # of a result: a path such as train.rows_out, several joined by + are added up
    unit: str = "accuracy in %"
    where: Pattern = Field(default={})
    axis: str = ""  # what a figure's columns are
    panels: dict[str, Pattern] = Field(default={})
    columns: dict[str, Column] = Field(default={})
    rows: dict[str, PrintedRow] = Field(default={})
    notes: list[str] = Field(default=[])
    presets: list[str] = Field(default=[])  # whose kept summary comes before others'
    settings: Made = Made()  # over the paper's

    @model_validator(mode="after")
    def fits(self) -> "Item":
        """Every printed list has a number for each column, and every panel that it names."""
        for name, row in self.rows.items():
            lists = row.published if isinstance(row.published, dict) else {"": row.published}
            for panel, values in lists.items():
                if values and len(values) != len(self.columns):
                    raise ValueError(
                        f"row {name!r} {panel}: {len(values)} numbers for {len(self.columns)} columns"
                    )
                if panel and panel not in self.panels:
                    raise ValueError(
                        f"row {name!r}: no panel {panel!r}, wanted one of {', '.join(self.panels)}"
                    )
        places = [*self.panels.values(), *(column.where for column in self.columns.values())]
        loose = [
            pattern_names(names)[0]
            for where in places
            for names in where.values()
            if is_wild(pattern_names(names)[0])
        ]
        if loose:
            raise ValueError(f"columns and panels: {loose} stands for several names, wanted one")
        unknown = [
            one for column in self.columns.values() for one in column.mean_of if one not in self.columns
        ]
        if unknown:
            raise ValueError(f"mean_of {unknown}: no such columns, wanted some of {', '.join(self.columns)}")
        return self


class Paper(Block):
    name: str
    cite: str
    # columns that several items share, for YAML's anchors
    sets: dict[str, dict[str, Column]] = Field(default={})
    settings: Made = Made()
    items: dict[str, Item]

    @model_validator(mode="before")
    @classmethod
    def shared(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The paper's settings stand in each of its items, under the item's own."""
        made = values.get("settings", {})
        items = values.get("items", {})
        own = {
            key: {**item, "settings": {**made, **item.get("settings", {})}}
            for key, item in items.items()
            if isinstance(item, dict)
        }
        return {**values, "items": {**items, **own}}


def read_paper(name: str) -> Paper:
    """stages/reporting/published/NAME.yaml, checked.

    Raises ValueError for an unknown name, and for keys or values that are not as described here.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.exists():
        known = sorted(file.stem for file in FOLDER.glob("*.yaml"))
        raise ValueError(f"no paper {name!r}: wanted one of {', '.join(known)}")
    try:
        return Paper.model_validate(YAML(typ="safe").load(path))
    except ValidationError as error:
        raise ValueError(f"stages/reporting/published/{name}.yaml: {error}") from error


def fields_read(kind: Kind) -> set[str]:
    """The fields of a kind of results that some paper's items show."""
    items = [item for path in FOLDER.glob("*.yaml") for item in read_paper(path.stem).items.values()]
    return {
        row.field or column.field or item.field
        for item in items
        for row in item.rows.values()
        for column in item.columns.values()
        if (row.results or item.results) == kind and row.ours is not None
    }


def printed_numbers(row: PrintedRow, panel: str) -> Printed:
    """The row's printed numbers in a panel; [] where there are none."""
    return row.published.get(panel, []) if isinstance(row.published, dict) else row.published
