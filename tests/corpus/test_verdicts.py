"""Verdicts of a file: which completions they let through, and files that are none."""

import csv
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from curated import curate

from stages.config.curation import Curation
from stages.corpus.inputs import read_given
from stages.records.completion import Completion
from stages.records.example import Example

EXAMPLES = {f"toy-{row}": Example(f"toy-{row}", "toy", "How many?", "7", "number") for row in range(9)}
SPLIT = {"train": [*EXAMPLES], "validation": [], "test": []}
ROWS = [
    Completion(f"toy-{row}", sample, ["q"], ["So. --> 7"], ["stop"], "m-1", "-->")
    for row in range(9)
    for sample in range(3)
]
SCORES = {(row.example_id, row.sample): random.Random(str(row)).randint(0, 4) / 4 for row in ROWS}


def lines(scores: dict[tuple[str, int], Any], **more: Any) -> list[dict[str, Any]]:
    return [{"example_id": one, "sample": k, "score": score, **more} for (one, k), score in scores.items()]


def written(path: Path, rows: list[dict[str, Any]]) -> dict[str, str]:
    with path.open("w", newline="", encoding="utf-8") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def kept_by(rows: list[Completion], **verdicts: Any) -> tuple[set[tuple[str, int]], dict[str, int]]:
    curation = Curation.model_validate({"filter": "answer", "verdicts": verdicts})
    given = read_given("curations.x", curation, EXAMPLES)
    kept, funnel = curate(rows, EXAMPLES, SPLIT, curation, set(), given)
    part = funnel["train"]
    assert part["rows_in"] - sum(part["removed"].values()) == part["rows_out"] == len(kept)
    return {(row.example_id, row.sample) for row in kept}, {k: n for k, n in part["removed"].items() if n}


@pytest.mark.parametrize("name", ["verdicts.jsonl", "verdicts.csv"])
@pytest.mark.parametrize("least", [0.25, 0.5, 1.0])
def test_what_stays_is_scored_high_enough(tmp_path: Path, name: str, least: float) -> None:
    others = {("other-1", 0): "any", ("other-1", 1): 2}  # of another data set
    file = written(tmp_path / name, lines({**SCORES, **others}, model="m-1"))
    wanted = {place for place, score in SCORES.items() if score >= least}
    kept, removed = kept_by(ROWS, **file, least=least)
    assert (kept, removed) == (wanted, {"low_verdict": len(ROWS) - len(wanted)})


def test_true_and_false(tmp_path: Path) -> None:
    for name, words in (("v.jsonl", (True, False, "true")), ("v.csv", ("True", "FALSE", " true "))):
        file = written(tmp_path / name, lines({("toy-1", k): word for k, word in enumerate(words)}))
        assert kept_by([row for row in ROWS if row.example_id == "toy-1"], **file)[0] == {
            ("toy-1", 0),
            ("toy-1", 2),
        }


def test_missing_ones_are_an_error_unless_allowed(tmp_path: Path) -> None:
    file = written(tmp_path / "v.jsonl", lines({("toy-0", 0): 1}))
    with pytest.raises(ValueError, match="none about sample 1 of 'toy-0'"):
        kept_by(ROWS, **file)
    assert kept_by(ROWS, **file, allow_missing=True) == ({("toy-0", 0)}, {"without_verdict": 26})
    wrong = [Completion("toy-3", 0, ["q"], ["So. --> 8"], ["stop"], "m-1", "-->")]
    assert kept_by(wrong, **file) == (set(), {"wrong_answer": 1})  # needs none


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"example_id": "toy-1", "sample": 0}], "v.jsonl line 1: no score; it has example_id, sample"),
        ([{"example_id": "toy-1", "sample": 0, "score": "good"}], "line 1: score is 'good', wanted a number"),
        ([{"example_id": "toy-1", "sample": 0, "score": "nan"}], "score is 'nan'"),
        ([{"example_id": "toy-1", "sample": "a", "score": 1}], "sample is 'a', wanted a whole number"),
        ([{"example_id": "toy-1", "sample": 0, "score": 1}] * 2, "line 2: a second verdict about sample 0"),
        ([{"example_id": "toy-0", "sample": 0, "score": 1, "model": "b"}], "of 'b', the completion of 'm-1'"),
    ],
)  # fmt: skip
def test_files_that_are_none(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    file = written(tmp_path / "v.jsonl", rows)
    with pytest.raises(ValueError, match=message):
        kept_by(ROWS, **file)


def test_another_file_under_the_same_name(tmp_path: Path) -> None:
    file = written(tmp_path / "v.jsonl", lines(SCORES))
    with pytest.raises(ValueError, match=r"`curations\.x\.verdicts\.sha256`: .*v\.jsonl has"):
        kept_by(ROWS, **{**file, "sha256": "0" * 64})
