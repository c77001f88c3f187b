"""Prepare: from a raw folder to checked examples and demonstrations."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_datasets import use_datasets, with_datasets

from stages import prepare
from stages.records.example import Example, read_examples

OUT = Path("examples.jsonl")
SHOTS = Path("demonstrations.txt")
RAW = Path("raw")
FLIPS = [
    {"question": "Mia flips. Still heads?", "answer": "no"},
    {"question": "Mia does not flip. Still heads?", "answer": "yes"},
]
# from where does not matter: prepare reads RAW
SOURCE = {"kind": "hub", "path": "someone/flips", "revision": "0", "splits": {"all": "all"}}
COLUMNS = {"question": "question", "answer": "answer", "answer_type": "yes_no"}


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RAW.mkdir()
    (RAW / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in FLIPS))
    Path("params.yaml").write_text("{}")


def declare(patch: pytest.MonkeyPatch, **changed: Any) -> None:
    """A data set called flips, and no other."""
    use_datasets(patch, Path("datasets"), flips={"source": SOURCE, "columns": COLUMNS, **changed})


def test_examples_and_demonstrations_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = {"coins": {"prompt": "Q: ?\nA: yes.\n", "sample_indices": [1]}}
    (RAW / "few_shot_cot_prompts.json").write_text(json.dumps(prompts))
    declare(monkeypatch, rows=2, demonstrations="coins")
    prepare.main("flips", RAW, OUT, SHOTS)
    assert [(example.id, example.answer) for example in read_examples(OUT)] == [
        ("flips-0", "no"),
        ("flips-1", "yes"),
    ]
    assert SHOTS.read_text() == "Q: ?\nA: yes.\n"


def test_subtasks_are_chosen_by_name() -> None:
    rows = [
        Example(f"made-{i}", "made", f"{i}?", "yes", "yes_no", subtask=name)
        for i, name in enumerate(["a", "b", "a", "c"])
    ]
    assert [row.id for row in prepare.select_subtasks("made", rows, ["c", "a"])] == [
        "made-0",
        "made-2",
        "made-3",
    ]
    assert prepare.select_subtasks("made", rows, None) == rows
    with pytest.raises(
        ValueError, match=r"datasets\.made\.subtasks: got \['d'\], wanted some of \['a', 'b', 'c'\]"
    ):
        prepare.select_subtasks("made", rows, ["a", "d"])


def test_a_data_set_without_demonstrations_gets_an_empty_file(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch)
    prepare.main("flips", RAW, OUT, SHOTS)
    assert SHOTS.read_text() == ""


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rows": 3}, r"flips: got 2 examples, wanted 3 \(`rows` of stages/datasets/flips\.yaml\)"),
        (
            {"demonstrations": "coins"},
            "flips: `demonstrations` is 'coins', but raw/few_shot_cot_prompts.json does not exist",
        ),
        ({"colour": "red"}, r"^datasets/flips\.yaml: `colour`: unknown key; legal keys: page, "),
        ({"columns": None}, r"flips\.yaml: nothing reads its rows"),
        ({"parts": ["test"]}, r"flips: its rows state the parts \[\], wanted \['test'\] \(`parts` of "),
        ({"columns": {**COLUMNS, "answer_type": "coin"}}, "answer_type is 'coin', wanted one of number, "),
    ],
)
def test_a_wrong_file_writes_nothing(
    changed: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(monkeypatch, **changed)
    with pytest.raises(ValueError, match=message):
        prepare.main("flips", RAW, OUT, SHOTS)
    assert not SHOTS.exists()


def example(**changed: Any) -> Example:
    return Example(
        **({"id": "x-0", "dataset": "x", "question": "?", "answer": "7", "answer_type": "number"} | changed)
    )


@pytest.mark.parametrize(
    ("examples", "rows", "message"),
    [
        ([], None, "x: got 0 examples, wanted some"),
        ([], 0, "x: got 0 examples"),
        ([example()], 2, "x: got 1 examples, wanted 2"),
        ([example(), example(question="!")], None, "x: 1 ids occur more than once, first 'x-0'"),
        ([example(id="row 3")], None, "x: an id is 'row 3', wanted one word"),
        ([example(id="")], None, "x: an id is '', wanted one word"),
        ([example(question=" \n")], None, r"x-0: question is ' \\n', wanted a text"),
        ([example(answer="seven")], None, "x-0: answer is 'seven', wanted a number"),
        ([example(answer="007")], None, "x-0: answer is '007', wanted 7"),
    ],
)
def test_checks(examples: list[Example], rows: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare.check_examples("x", examples, rows)


def test_download_then_prepare_of_own_data(tmp_path: Path) -> None:
    """A user's CSV and one YAML, through both commands."""
    Path("local").mkdir()
    Path("local/all.csv").write_text('q,a,c\nWhich?,blue,"[""red"", ""blue""]"\n')
    columns = {"question": "q", "answer": "a", "answer_type": "choice", "choices": "c"}
    mine = {"source": {"kind": "local", "files": ["all.csv"]}, "columns": columns}
    environment = with_datasets(tmp_path / "package", mine=mine)
    for command in (
        ["stages.download", "mine", "data/raw"],
        ["stages.prepare", "mine", "data/raw", "data/out.jsonl", "data/shots.txt"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    question = "Which? Answer Choices: (A) red (B) blue"
    assert read_examples(Path("data/out.jsonl")) == [
        Example("mine-0", "mine", question, "B", "choice", ["red", "blue"])
    ]


def test_the_same_files_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch)
    written: list[bytes] = []
    for _ in range(2):
        prepare.main("flips", RAW, OUT, SHOTS)
        written.append(OUT.read_bytes())
    assert written[0] == written[1]
