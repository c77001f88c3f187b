"""What is known of a split before a download: combinations that cannot be made, and that those in use can."""

import re
from pathlib import Path
from typing import Any

import pytest

from stages.config.dataset import Dataset, read_dataset
from stages.config.load import check
from stages.config.split import Split, cannot_split
from stages.records.example import Example
from stages.split import split_rows

REMOTE = {"url": "https://made.example/x", "sha256": "0" * 64, "bytes": 1}
COLUMNS = {"question": "q", "answer": "a", "answer_type": "number"}


def data_set(*files: str, kind: str = "url", **fields: Any) -> Dataset:
    named: Any = list(files) if kind == "local" else dict.fromkeys(files, REMOTE)
    return check("made", {"source": {"kind": kind, "files": named}, **fields}, Dataset)


def split(scheme: str, **fields: Any) -> Split:
    return check("splits.made", {"scheme": scheme, **fields}, Split)


def stating(*parts: str) -> Dataset:
    return data_set("rows.jsonl", parts=list(parts))


PLAIN = data_set("rows.jsonl")  # its rows are read by a parser, and it says nothing of them
HUNDRED = data_set("rows.jsonl", rows=100)
INDEXED = ("rows.csv", "split_default.json")


@pytest.mark.parametrize(
    ("dataset", "settings", "fault"),
    [
        (PLAIN, split("published"), "reads split_default.json, which is not among"),
        (data_set(*INDEXED), split("published"), None),
        (data_set(*INDEXED), split("published", file="split_template.json"), "reads split_template.json"),
        (data_set(*INDEXED, kind="local"), split("published"), "a `local` source has none"),
        (PLAIN, split("official"), None),
        (stating(), split("official"), "its rows state none: use `sample`"),
        (stating("train", "test"), split("official"), None),
        (stating("train"), split("official"), "reports the source's test part; it has train"),
        (stating("train", "validation"), split("official"), "test part; it has train, validation$"),
        (stating("train", "validation"), split("official", report="validation"), None),
        # a source with one held-out part is tested on it, under either name
        (stating("train", "test"), split("official", report="validation"), None),
        (data_set("train.csv", "test.csv", columns=COLUMNS), split("official"), None),
        (data_set("rows.csv", columns=COLUMNS), split("official"), "its rows state none"),
        (data_set("rows.csv", columns={**COLUMNS, "source_split": "s"}), split("official"), None),
        (stating(), split("test_only"), None),
        (stating(), split("test_only", report="validation"), "its rows state none"),
        (stating("train"), split("test_only"), "reports the source's test part"),
        (HUNDRED, split("sample", test=0.3, train=71), "wanted 71 rows .* at most 70"),
        (HUNDRED, split("sample", test=0.3, train=60, validation=11), "60 rows .* 11 .* 70"),
        (HUNDRED, split("sample", test=0.3, train=60, validation=10), None),
        (HUNDRED, split("template", train=101), "at most 100"),
        (HUNDRED, split("template", train=100, validation=0), None),
        (PLAIN, split("sample", train=10**6), None),
    ],
)
def test_what_cannot_be_split(dataset: Dataset, settings: Split, fault: str | None) -> None:
    found = cannot_split(dataset, settings)
    assert found is None if fault is None else re.search(fault, str(found))


@pytest.mark.parametrize("parts", [[], ["test"], ["train"], ["train", "test"], ["train", "validation"]])
@pytest.mark.parametrize("report", ["test", "validation"])
@pytest.mark.parametrize("scheme", ["official", "test_only"])
def test_it_says_so_exactly_where_splitting_fails(parts: list[str], report: str, scheme: str) -> None:
    stated = parts or [None]
    examples = [
        Example(
            f"toy-{row}", "toy", f"What is {row}?", str(row), "number", source_split=stated[row % len(stated)]
        )
        for row in range(20)
    ]
    settings = split(scheme, report=report)
    fault = cannot_split(stating(*parts), settings)
    if fault is None:
        assert split_rows(examples, [0] * 20, settings, Path())["test"]
    else:
        with pytest.raises(ValueError, match="source_split"):
            split_rows(examples, [0] * 20, settings, Path())


def test_the_data_sets_of_the_papers_can_be_split_as_they_were() -> None:
    for name in ("multiarith", "date_understanding"):
        for file in ("split_default.json", "split_template.json"):
            assert cannot_split(read_dataset(name, {}), split("published", file=file)) is None
    assert cannot_split(read_dataset("commonsense_qa", {}), split("official", report="validation")) is None
    assert cannot_split(read_dataset("svamp", {}), split("official")) is not None
    assert cannot_split(read_dataset("gsm8k", {}), split("published", file="split_template.json")) is not None
