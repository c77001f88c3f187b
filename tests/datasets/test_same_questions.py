"""docs/datasets.md says which data sets hold questions of others, and of themselves: counted here."""

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from pages import table_rows

from stages.config.dataset import read_dataset
from stages.config.load import check, read_params
from stages.config.split import Split
from stages.corpus.contamination import contamination
from stages.corpus.parts import split_rows, template_groups
from stages.fetching.remote import mirror_path
from stages.parsing.readers import parse_raw
from stages.records.example import Example

ROWS = [row for row in table_rows(ROOT / "docs" / "datasets.md") if re.fullmatch(r"\d+ of \d+", row[-2])]
SPLITS: dict[str, Any] = read_params(ROOT / "params.yaml")["splits"]
OWN = [row for row in ROWS if row[1].strip("`") in SPLITS]
OTHER = [row for row in ROWS if row not in OWN]


def examples_of(dataset: str, mirror: Path, folder: Path) -> list[Example]:
    declared = read_dataset(dataset, {})
    folder.mkdir()
    for name, file in declared.source.files.items():
        (folder / name).symlink_to((mirror / mirror_path(file.url)).resolve())
    return parse_raw(dataset, declared, folder)


def assert_shown(row: list[str], train: list[Example], test: list[Example]) -> None:
    facts = contamination(train, test)
    assert row[2:] == [f"{facts['equal_rows']} of {facts['rows']}", str(facts["ngram_rows"])]


def test_the_tables_are_there() -> None:
    assert (len(OTHER), len(OWN)) == (8, 7)


@pytest.mark.parametrize("row", OTHER, ids=lambda row: f"{row[0]} in {row[1]}")
def test_what_stands_in_two_data_sets(row: list[str], mirror: Path, tmp_path: Path) -> None:
    target, subtask = [*re.findall(r"\w+", row[0]), None][:2]
    train = examples_of(row[1].strip("`"), mirror, tmp_path / "train")
    test = examples_of(target, mirror, tmp_path / "test")
    assert_shown(row, train, [one for one in test if one.subtask == subtask])


@pytest.mark.parametrize("row", OWN, ids=lambda row: row[0])
def test_what_stands_in_train_and_test(row: list[str], mirror: Path, tmp_path: Path) -> None:
    dataset, split = row[0].strip("`"), row[1].strip("`")
    examples = examples_of(dataset, mirror, tmp_path / "raw")
    settings = check(f"splits.{split}", SPLITS[split], Split)
    parts = split_rows(examples, template_groups(examples), settings, tmp_path / "raw")
    assert_shown(row, *([examples[place] for place in parts[part]] for part in ("train", "test")))


@pytest.mark.parametrize("target", ["bb_sub", "agieval", "arc_easy", "arc_challenge"])
def test_nothing_of_cascods_targets_stands_in_bbh(target: str, mirror: Path, tmp_path: Path) -> None:
    facts = contamination(*(examples_of(name, mirror, tmp_path / name) for name in ("bbh", target)))
    assert (facts["equal_rows"], facts["ngram_rows"]) == (0, 0)
