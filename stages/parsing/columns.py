"""Examples from JSON lines, CSV or JSON by a map of columns: what a data set of one's own needs instead of a
parser.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from stages.config.dataset import Columns
from stages.parsing.fields import RawRow, field, rows_with_place, with_choices
from stages.parsing.responses import Answered, Response, gold_answer, question_text, responses_of
from stages.records.csv_rows import read_csv
from stages.records.example import PARTS, Example
from stages.text.answer_types import ANSWER_TYPES, AnswerRules
from stages.text.gold import LETTERS


def read_table(path: Path, under: str | None = None) -> Iterator[tuple[str, RawRow]]:
    """(place, row) of a .jsonl, .csv or .json file; a CSV has a header, and its first row below that is
    row 0. `under`: the key of a JSON object that its rows stand under.
    """
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".json"):
        yield from rows_with_place(path, under)
    elif suffix == ".csv":
        yield from read_csv(path)
    else:
        raise ValueError(f"{path}: got {path.suffix!r}, wanted .jsonl, .csv or .json")


def read_choices(row: RawRow, name: str, where: str) -> list[str]:
    """The option texts: a list, or text that holds a list as JSON. Raises ValueError for anything else."""
    value = row.get(name)
    try:
        choices = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        choices = None
    if (
        not isinstance(choices, list)
        or not 2 <= len(choices) <= len(LETTERS)
        or not all(isinstance(choice, str) for choice in choices)
    ):
        raise ValueError(
            f"{where}: {name} is {value!r}, wanted a list of 2 to {len(LETTERS)} texts, in"
            ' CSV as JSON: ["red", "blue"]'
        )
    return choices


def optional_text(row: RawRow, name: str | None, where: str) -> str | None:
    """The text of a column that was named; None where no column was named or the cell is empty."""
    if name is None or row.get(name, "absent") in (None, ""):
        return None
    return field(row, name, where, str)


def check_answer_type(name: str, columns: Columns) -> AnswerRules:
    """The rules of its answers.

    Raises ValueError for a type that there is not, or that does not go with `choices`.
    """
    where = f"stages/datasets/{name}.yaml: `columns`"
    if columns.answer_type not in ANSWER_TYPES:
        known = ", ".join(ANSWER_TYPES)
        raise ValueError(f"{where}: answer_type is {columns.answer_type!r}, wanted one of {known}")
    rules = ANSWER_TYPES[columns.answer_type]
    if rules.lettered != (columns.choices is not None):
        lettered = " or ".join(repr(kind) for kind, each in ANSWER_TYPES.items() if each.lettered)
        raise ValueError(
            f"{where}: answer_type is {columns.answer_type!r} and choices is {columns.choices!r}: a column of"
            f" choices goes with answer_type {lettered}"
        )
    return rules


def parse_columns(raw: Path, name: str, columns: Columns, files: list[str]) -> list[Example]:
    """Examples of the data set `name`, numbered through all `files` in order. Raises ValueError with file,
    row, field, got and wanted.
    """
    return [one.example for one in parse_answered(raw, name, columns, files)]


def parse_answered(raw: Path, name: str, columns: Columns, files: list[str]) -> list[Answered]:
    """Examples, each with the responses of its rows. Rows of one question and one gold answer are one
    example; of rows that come with responses, those without a gold answer are left out, with a note.
    """
    rules = check_answer_type(name, columns)
    found: list[Answered] = []
    by_question: dict[tuple[str, str], Answered] = {}
    rows = ((file, *placed) for file in files for placed in read_table(raw / file, columns.under))
    without: list[str] = []
    for number, (file, where, row) in enumerate(rows):
        part = Path(file).stem if Path(file).stem in PARTS else None
        responses = responses_of(row, columns.responses, where) if columns.responses else []
        one = example_of(row, f"{name}-{number}", columns, rules, responses, where, part)
        if one is None:
            without.append(where)
            continue
        answered = Answered(one, responses)
        if columns.responses:
            there = by_question.setdefault((one.question, one.answer), answered)
            if there is not answered:
                there.responses += responses
                continue
        found.append(answered)
    if without:
        print(
            f"{name}: {len(without)} rows have no gold answer, first {without[0]}: left out", file=sys.stderr
        )
    return found


def example_of(
    row: RawRow,
    example_id: str,
    columns: Columns,
    rules: AnswerRules,
    responses: list[Response],
    where: str,
    part: str | None,
) -> Example | None:
    """A row as an example; None for one with responses and without a gold answer."""
    if columns.responses:
        question = question_text(row, columns.question, where)
    else:
        question = field(row, columns.question, where, str).strip()
    if not question:
        raise ValueError(f"{where}: {columns.question} is empty, wanted a question")
    choices = read_choices(row, columns.choices, where) if columns.choices else []
    if columns.responses:
        answer = gold_answer(row, columns, rules, choices, responses, where)
    else:
        answer = rules.canonical(field(row, str(columns.answer), where, object), where, choices)
    if answer is None:
        return None
    return Example(
        id=example_id,
        dataset=example_id.rpartition("-")[0],
        question=with_choices(question, choices) if choices else question,
        answer=answer,
        answer_type=columns.answer_type,
        choices=choices or None,
        template=optional_text(row, columns.template, where),
        source_split=optional_text(row, columns.source_split, where) if columns.source_split else part,
        rationale=optional_text(row, columns.rationale, where),
    )
