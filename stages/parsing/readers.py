"""Readers: layouts that several data sets share. A data set names one of them in its YAML, has `columns`, or
brings a NAME.py with `parse`.
"""

import re
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from stages.config.dataset import Dataset, column_files
from stages.parsing.columns import parse_columns
from stages.parsing.fields import field, rows_with_place, with_options
from stages.records.example import Example
from stages.text.gold import LETTERS, canonical_number


def word_problems(raw: Path, name: str) -> list[Example]:
    """AddSub, MultiArith and SingleEq: questions.json has a question and a list with its one solution."""
    examples = []
    for row, (where, source) in enumerate(rows_with_place(raw / "questions.json")):
        solutions = field(source, "lSolutions", where, list)
        if len(solutions) != 1:
            raise ValueError(f"{where}: lSolutions is {solutions!r}, wanted one number")
        question = field(source, "sQuestion", where, str).strip()
        answer = canonical_number(solutions[0], where)
        examples.append(Example(f"{name}-{row}", name, question, answer, "number"))
    return examples


def competition(raw: Path, name: str) -> list[Example]:
    """AIME and AMC: test.jsonl has a problem and an integer, which may be written "025" or 25.0."""
    examples = []
    for row, (where, source) in enumerate(rows_with_place(raw / "test.jsonl")):
        question = field(source, "problem", where, str).strip()
        answer = canonical_number(field(source, "answer", where, object), where)
        examples.append(Example(f"{name}-{row}", name, question, answer, "latex", source_split="test"))
    return examples


def listed_options(raw: Path, name: str) -> list[Example]:
    """CasCoD's test.json: {"input": "...\\nOptions:\\n(A) ...\\n(B) ...", "target": "(B)"}; numbered options
    get letters.
    """
    examples = []
    for row, (where, source) in enumerate(rows_with_place(raw / "test.json")):
        asked = field(source, "input", where, str)
        target = field(source, "target", where, str)
        stem, _, listed = asked.partition("\nOptions:\n")
        options = [re.fullmatch(r"(\(\w\)) ?(.*)", line) for line in listed.split("\n")]
        marks = [option[1] for option in options if option]
        if None in options or marks.count(target) != 1:
            raise ValueError(
                f"{where}: input is {asked!r} and target {target!r}, wanted '... Options: (A) ... (B) ...'"
                " and one of its marks"
            )
        choices = [option[2].strip() for option in options if option]
        question = with_options(stem, choices)
        letter = LETTERS[marks.index(target)]
        examples.append(
            Example(f"{name}-{row}", name, question, letter, "choice", choices, source_split="test")
        )
    return examples


READERS: dict[str, Callable[[Path, str], list[Example]]] = {
    "word_problems": word_problems,
    "competition": competition,
    "listed_options": listed_options,
}


def dataset_module(name: str) -> ModuleType | None:
    """NAME.py, where there is one."""
    return import_module(f"stages.datasets.{name}") if find_spec(f"stages.datasets.{name}") else None


def check_reader(name: str, dataset: Dataset) -> None:
    """Raises ValueError for a data set whose rows nothing reads."""
    if dataset.reader and dataset.reader not in READERS:
        raise ValueError(
            f"stages/datasets/{name}.yaml: `reader` is {dataset.reader!r}, wanted one of {', '.join(READERS)}"
        )
    if not dataset.columns and not dataset.reader and not hasattr(dataset_module(name), "parse"):
        raise ValueError(
            f"stages/datasets/{name}.yaml: nothing reads its rows: give `columns`, a `reader`"
            f" ({', '.join(READERS)}), or stages/datasets/{name}.py with parse(raw: Path) -> list[Example]"
        )


def parse_raw(name: str, dataset: Dataset, raw: Path) -> list[Example]:
    """All examples of a data set from its folder of files, in the order of the published row numbers."""
    check_reader(name, dataset)
    if dataset.columns:
        return parse_columns(raw, name, dataset.columns, column_files(dataset))
    if dataset.reader:
        return READERS[dataset.reader](raw, name)
    module: Any = dataset_module(name)
    examples: list[Example] = module.parse(raw)
    return examples
