"""The rows that data/README.md and metrics/README.md show are rows of today."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from checkouts import make_data
from pages import ROOT, Block, fenced_blocks, table_rows
from ruamel.yaml import YAML

from stages.records.completion import read_completion, read_completions
from stages.records.example import read_examples
from stages.records.sequence import read_sequences

DATA = ROOT / "data" / "README.md"
METRICS = ROOT / "metrics" / "README.md"
# keys that data choose: words of answers, names of models, tasks of a method, steps of a histogram
FREE = {"completions_without_price", "listed", "models", "tasks", "weights", "words_from"}


def shown_row(heading: str) -> Any:
    """The JSON block under a heading of data/README.md."""
    (block,) = [
        block for block in fenced_blocks(DATA) if block.heading == heading and block.language == "json"
    ]
    return json.loads(block.text)


@pytest.fixture(scope="module")
def made_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "local", folder / "local")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_data()
    return folder / "data"


@pytest.mark.parametrize(
    ("heading", "file", "read"),
    [
        ("Example", "examples/gen_last_letter.jsonl", read_examples),
        ("Completion", "completions/gen_last_letter-scripted.jsonl", read_completions),
        ("Sequence", "sequences/gen_last_letter-sample-scripted-d1-fine_tune_cot.jsonl", read_sequences),
    ],
)
def test_a_shown_row_is_the_first_of_its_file(
    heading: str, file: str, read: Any, made_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "shown.jsonl").write_text(json.dumps(shown_row(heading)), encoding="utf-8")
    assert read(tmp_path / "shown.jsonl") == read(made_data / file)[:1]
    assert file in DATA.read_text("utf-8")


def test_the_shown_corpus_row_has_its_answer(made_data: Path) -> None:
    kept = read_completions(made_data / "corpora/gen_last_letter-sample-scripted-d1.jsonl")[0]
    assert kept == read_completion(shown_row("Completion") | {"answer": "nks"}, "data/README.md")


def test_the_shown_prediction_is_a_completion() -> None:
    assert read_completion(shown_row("Prediction"), "data/README.md").model == "tiny"


def test_the_shown_split_is_the_files_beginning(made_data: Path) -> None:
    split = json.loads((made_data / "splits/gen_last_letter-sample.json").read_text())
    beginning = {
        part: dict(list(ids.items())[:2]) if part == "templates" else ids[:2] for part, ids in split.items()
    }
    assert shown_row("Split") == beginning


def test_the_shown_demonstration_is_the_first(made_data: Path) -> None:
    (block,) = [block for block in fenced_blocks(DATA) if block.heading == "Demonstrations"]
    assert (made_data / "demonstrations/gen_last_letter.txt").read_text().startswith(block.text + "\n\n")


def written(folder: str) -> set[str]:
    """What dvc.yaml writes directly under a folder: names of files and folders."""
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].values()
    entries = [
        out for stage in stages for kind in ("outs", "plots", "metrics") for out in stage.get(kind, [])
    ]
    paths = [out if isinstance(out, str) else next(iter(out)) for out in entries]
    return {path.split("/")[1] for path in paths if path.startswith(f"{folder}/")}


@pytest.mark.parametrize("page", [DATA, METRICS])
def test_every_output_is_described(page: Path) -> None:
    described = {name for row in table_rows(page) for name in re.findall(r"[a-z_]+(?:\.\w+)?", row[0])}
    assert written(page.parent.name) <= described


def keys(value: Any) -> Any:
    """The shape of a JSON value: the keys of its objects, but for those that data choose."""
    if not isinstance(value, dict):
        return None
    return {key: None if key in FREE else keys(inner) for key, inner in value.items()}


@pytest.mark.parametrize(
    "block",
    [block for block in fenced_blocks(METRICS) if block.language == "json" and block.heading != "Summary"],
    ids=lambda block: block.heading,
)
def test_shown_metrics_have_the_keys_of_the_file(block: Block) -> None:
    file, without = re.match(r"`(\S+\.json)`(?:, without `(\w+)`)?", block.before).groups()
    committed = json.loads((ROOT / "metrics" / file).read_text())
    committed.pop(without, None)
    assert keys(json.loads(block.text)) == keys(committed)


def test_the_shown_summary_is_part_of_it() -> None:
    (block,) = [block for block in fenced_blocks(METRICS) if block.heading == "Summary"]
    summary = json.loads((ROOT / "metrics" / "summary.json").read_text())
    for name, lines in json.loads(block.text).items():
        assert {line: keys(values) for line, values in lines.items()} == {
            line: keys(summary[name][line]) for line in lines
        }
