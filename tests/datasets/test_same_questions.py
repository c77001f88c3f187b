"""docs/datasets.md says which data sets hold questions of others: counted here, options aside."""

import re
from pathlib import Path

import pytest
from conftest import ROOT
from pages import table_rows

from stages.config.dataset import read_dataset
from stages.fetching.remote import mirror_path
from stages.parsing.readers import parse_raw
from stages.parsing.released import letters_and_digits
from stages.records.example import Example

ROWS = [row for row in table_rows(ROOT / "docs" / "datasets.md") if re.fullmatch(r"\d+ of \d+", row[-1])]
LISTED = re.compile(r"\s*(?:Which choice is true\s*\?)?\s*(?:Options|Answer choices):", re.IGNORECASE)


def examples_of(dataset: str, mirror: Path, folder: Path) -> list[Example]:
    declared = read_dataset(dataset, {})
    folder.mkdir()
    for name, file in declared.source.files.items():
        (folder / name).symlink_to((mirror / mirror_path(file.url)).resolve())
    return parse_raw(dataset, declared, folder)


def asked(example: Example) -> str:
    return letters_and_digits(LISTED.split(example.question)[0].removeprefix("Q: "))


def test_the_table_is_there() -> None:
    assert len(ROWS) == 4


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_stands_in_two_data_sets(row: list[str], mirror: Path, tmp_path: Path) -> None:
    first, subtask = re.findall(r"\w+", row[0])
    known = {asked(example) for example in examples_of(row[1].strip("`"), mirror, tmp_path / "known")}
    questions = [one for one in examples_of(first, mirror, tmp_path / "first") if one.subtask == subtask]
    assert row[2] == f"{sum(asked(one) in known for one in questions)} of {len(questions)}"
