"""Prepare: from a raw folder to checked examples and demonstrations, and the table of licences."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from stages import prepare
from stages.records.demonstrations import by_subtask, shown
from stages.records.example import Example, read_examples

OUT, SHOTS, RAW = Path("examples.jsonl"), Path("demonstrations.txt"), Path("raw")
FLIPS = [
    {"question": "Mia flips. Still heads?", "answer": "no"},
    {"question": "Mia does not flip. Still heads?", "answer": "yes"},
]
# whatever: prepare reads RAW
FILES = {"kind": "hub", "path": "someone/flips", "revision": "0", "splits": {"all": "all"}}


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RAW.mkdir()
    (RAW / "coin_flip.json").write_text(json.dumps({"examples": FLIPS}))


def params(**datasets: dict[str, Any]) -> None:
    Path("params.yaml").write_text(json.dumps({"datasets": datasets}))


def test_examples_and_demonstrations_are_written() -> None:
    (RAW / "few_shot_cot_prompts.json").write_text(
        json.dumps({"coins": {"prompt": "Q: ?\nA: yes.\n", "sample_indices": [1]}})
    )
    params(coin_flip={"source": FILES, "rows": 2, "demonstrations": "coins"})
    prepare.main("coin_flip", RAW, OUT, SHOTS)
    assert [(example.id, example.answer) for example in read_examples(OUT)] == [
        ("coin_flip-0", "no"),
        ("coin_flip-1", "yes"),
    ]
    assert SHOTS.read_text() == "Q: ?\nA: yes.\n"


def test_subtasks_are_chosen_by_name() -> None:
    rows = [
        Example(f"made-{i}", "made", f"{i}?", "yes", "yes_no", subtask=name)
        for i, name in enumerate(["a", "b", "a", "c"])
    ]
    assert [row.id for row in prepare.of_subtasks("made", rows, ["c", "a"])] == ["made-0", "made-2", "made-3"]
    assert prepare.of_subtasks("made", rows, None) == rows
    with pytest.raises(
        ValueError, match=r"datasets\.made\.subtasks: got \['d'\], wanted some of \['a', 'b', 'c'\]"
    ):
        prepare.of_subtasks("made", rows, ["a", "d"])


def test_a_dataset_without_demonstrations_gets_an_empty_file() -> None:
    params(coin_flip={"source": FILES})
    prepare.main("coin_flip", RAW, OUT, SHOTS)
    assert SHOTS.read_text() == ""


def test_demonstrations_of_our_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "coin_flip.txt").write_text("Q: ours?\n")
    monkeypatch.setattr(prepare, "HERE", tmp_path)
    assert prepare.demonstrations_of("coin_flip", None, RAW) == "Q: ours?\n"
    assert prepare.demonstrations_of("addsub", None, RAW) == ""


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"rows": 3}, r"coin_flip: got 2 examples, wanted 3 \(datasets\.coin_flip\.rows\)"),
        (
            {"demonstrations": "coins"},
            (
                "`datasets.coin_flip.demonstrations` is 'coins', but raw/few_shot_cot_prompts.json does not"
                " exist"
            ),
        ),
        ({"colour": "red"}, "`datasets.coin_flip.colour`: unknown key"),
    ],
)
def test_a_wrong_block_writes_nothing(block: dict[str, Any], message: str) -> None:
    params(coin_flip={"source": FILES, **block})
    with pytest.raises(ValueError, match=message):
        prepare.main("coin_flip", RAW, OUT, SHOTS)
    assert not SHOTS.exists()


def test_an_unknown_demonstration_is_named() -> None:
    (RAW / "few_shot_cot_prompts.json").write_text(json.dumps({"coins": {"prompt": "x"}}))
    with pytest.raises(ValueError, match=r"no entry 'dice' .*; there are: coins"):
        prepare.demonstrations_of("coin_flip", "dice", RAW)


@pytest.mark.parametrize("name", ["absent", "../cli", "a.b"])
def test_a_dataset_without_a_file_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=rf"stages/datasets/{name}\.py not found"):
        prepare.dataset_file(name)


def test_columns_need_no_parser() -> None:
    """Any module serves as the dataset's file: with columns, its parser is not asked."""
    (RAW / "test.jsonl").write_text('{"q": "3 + 4?", "a": 7}\n')
    columns = {"files": ["test.jsonl"], "question": "q", "answer": "a", "answer_type": "number"}
    params(coin_flip={"source": FILES, "columns": columns})
    prepare.main("coin_flip", RAW, OUT, SHOTS)
    assert read_examples(OUT) == [
        Example("coin_flip-0", "coin_flip", "3 + 4?", "7", "number", source_split="test")
    ]
    params(fields={"source": FILES})
    with pytest.raises(
        ValueError, match=r"stages/datasets/fields\.py has no parse\(raw\), and `datasets\.fields` no columns"
    ):
        prepare.main("fields", RAW, OUT, SHOTS)


def example(**changed: Any) -> Example:
    return Example(
        **({"id": "x-0", "dataset": "x", "question": "?", "answer": "7", "answer_type": "number"} | changed)
    )


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, None),
        ({"answer": "-0.5"}, None),
        ({"answer": "7.0"}, "7"),
        ({"answer": "1,200"}, "1200"),
        ({"answer_type": "yes_no", "answer": "yes"}, None),
        ({"answer_type": "yes_no", "answer": "Yes"}, "'yes' or 'no'"),
        ({"answer_type": "choice", "answer": "B", "choices": ["x", "y"]}, None),
        ({"answer_type": "choice", "answer": "C", "choices": ["x", "y"]}, "one of the letters 'AB'"),
        ({"answer_type": "choice", "answer": "AB", "choices": ["x", "y"]}, "one of the letters 'AB'"),
        ({"answer_type": "choice", "answer": "", "choices": ["x", "y"]}, "one of the letters 'AB'"),
        ({"answer_type": "choice", "answer": "A"}, "one of the letters ''"),
        ({"answer_type": "text", "answer": "yajo"}, None),
        ({"answer_type": "text", "answer": " "}, "a text that is not empty"),
        ({"answer_type": "latex", "answer": "$2n-2$"}, None),
        ({"answer_type": "latex", "answer": " "}, "a mathematical expression"),
        ({"answer_type": "date", "answer": "05/01/2021"}, None),
        ({"answer_type": "date", "answer": "5/1/2021"}, "05/01/2021"),
        ({"answer_type": "exact", "answer": "] )"}, None),
        ({"answer_type": "exact", "answer": " ] )."}, "one of ['] )']"),
        ({"answer_type": "exact", "answer": ""}, "one of ['']"),
        ({"answer_type": "exact", "answer": "True", "choices": ["True", "False"]}, None),
        (
            {"answer_type": "exact", "answer": "true", "choices": ["True", "False"]},
            "one of ['True', 'False']",
        ),
        (
            {"answer_type": "letter", "answer": "A"},
            "an answer_type of number, choice, yes_no, text, exact, date, latex, not 'letter'",
        ),
    ],
)
def test_wanted_answer(changed: dict[str, Any], wanted: str | None) -> None:
    assert prepare.wanted_answer(example(**changed)) == wanted


@pytest.mark.parametrize(
    ("examples", "rows", "message"),
    [
        ([], None, "x: got 0 examples, wanted some"),
        ([], 0, "x: got 0 examples"),
        ([example()], 2, "x: got 1 examples, wanted 2"),
        ([example(), example(question="!")], None, "x: 1 ids occur more than once, first 'x-0'"),
        ([example(question=" \n")], None, r"x-0: question is ' \\n', wanted a text"),
        ([example(answer="seven")], None, "x-0: answer is 'seven', wanted a number"),
        ([example(answer="007")], None, "x-0: answer is '007', wanted 7"),
    ],
)
def test_checks(examples: list[Example], rows: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare.check_examples("x", examples, rows)


@pytest.mark.parametrize("arguments", [{}, {"dataset": "coin_flip", "raw": RAW, "out": OUT}])
def test_the_command_wants_one_of_two_forms(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"wanted either DATASET .* or --licences"):
        prepare.main(**arguments)


def stage(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "400"}
    return subprocess.run(
        [sys.executable, "-m", *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_licences_of_every_dataset() -> None:
    params(coin_flip={"source": FILES, "rows": 2})
    done = stage("stages.prepare", "--licences")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("│")}
    datasets = {path.stem for path in (ROOT / "stages/datasets").glob("*.py")} - {
        "__init__",
        "columns",
        "fields",
    }
    assert set(lines) == datasets
    assert all(
        fact in lines["gsm8k"]
        for fact in ("https://github.com/openai/grade-school-math", "MIT", "Cobbe et al. 2021")
    )
    assert lines["coin_flip"].split("│")[-2].strip() == "2"


def test_download_then_prepare_of_own_data() -> None:
    """A user's CSV with a map of columns, through both commands."""
    Path("local").mkdir()
    Path("local/all.csv").write_text('q,a,c\nWhich?,blue,"[""red"", ""blue""]"\n')
    columns = {"files": ["all.csv"], "question": "q", "answer": "a", "answer_type": "choice", "choices": "c"}
    params(coin_flip={"source": {"kind": "local", "files": ["all.csv"]}, "columns": columns, "rows": 1})
    for command in (
        ["stages.download", "coin_flip", "data/raw"],
        ["stages.prepare", "coin_flip", "data/raw", "data/out.jsonl", "data/shots.txt"],
    ):
        done = stage(*command)
        assert done.returncode == 0, done.stderr
    question = "Which? Answer Choices: (A) red (B) blue"
    assert read_examples(Path("data/out.jsonl")) == [
        Example("coin_flip-0", "coin_flip", question, "B", "choice", ["red", "blue"])
    ]


def test_the_same_files_give_the_same_bytes() -> None:
    params(coin_flip={"source": FILES})
    written: list[bytes] = []
    for _ in range(2):
        prepare.main("coin_flip", RAW, OUT, SHOTS)
        written.append(OUT.read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize("key", ["coin_flip", "last_letter_concatenation", "gsm8k"])
def test_released_demonstrations(key: str, mirror: Path) -> None:
    released = (
        mirror
        / "github/itsnamgyu/reasoning-teacher/a2ca4d28d3bbabbd77106b76d06885d1a5eac0d9/data/few_shot_cot_prompts.json"
    )
    (RAW / "few_shot_cot_prompts.json").symlink_to(released.resolve())
    text = prepare.demonstrations_of("x", key, RAW)
    assert text.startswith("Q: ")
    assert text.count("\nA: ") == text.count("The answer is ") == 8


def test_demonstrations_of_big_bench_hard() -> None:
    (RAW / "coins.txt").write_text(
        "BENCHMARK DATA\n-----\nFlip coins.\n\nQ: Up?\nA: Yes. So the answer is yes.\n"
    )
    assert (
        prepare.demonstrations_of("x", "coins.txt", RAW)
        == "Flip coins.\n\nQ: Up?\nA: Yes. So the answer is yes.\n"
    )
    (RAW / "coins.txt").write_text(
        "Flip coins.\n\nQ: Up?\nA: So the answer is yes.\n\nQ: {QUESTION}\nA: Let's think step by step."
    )
    assert (
        prepare.demonstrations_of("x", "coins.txt", RAW) == "Flip coins.\n\nQ: Up?\nA: So the answer is yes."
    )
    with pytest.raises(
        ValueError,
        match=(
            r"`datasets\.x\.demonstrations` is 'dice\.txt', but raw/dice\.txt does not exist: list it under"
            r" source\.files"
        ),
    ):
        prepare.demonstrations_of("x", "dice.txt", RAW)


def test_demonstrations_of_subtasks() -> None:
    for task in ("coins", "dice"):
        (RAW / f"prompt_{task}.txt").write_text(
            f"BENCHMARK DATA\n-----\nPlay {task}.\n\nQ: Up?\nA: So the answer is yes."
        )
    text = prepare.demonstrations_of("x", "prompt_{subtask}.txt", RAW, ["dice", "coins"])
    assert shown(text, example(subtask="coins")).strip() == "Play coins.\n\nQ: Up?\nA: So the answer is yes."
    assert list(by_subtask(text)) == ["dice", "coins"]
    with pytest.raises(ValueError, match=r"raw/prompt_cards\.txt does not exist"):
        prepare.demonstrations_of("x", "prompt_{subtask}.txt", RAW, ["cards"])


def test_demonstrations_of_ones_own() -> None:
    """In local/, where an edit reruns prepare; a file of the raw folder goes before it."""
    Path("local").mkdir()
    Path("local/coins.txt").write_text("Q: Up?\nA: So the answer is yes.\n")
    assert prepare.demonstrations_of("x", "coins.txt", RAW) == "Q: Up?\nA: So the answer is yes.\n"
    (RAW / "coins.txt").write_text("Q: raw?\nA: So the answer is no.\n")
    assert prepare.demonstrations_of("x", "coins.txt", RAW) == "Q: raw?\nA: So the answer is no.\n"


def scotd(**changed: Any) -> str:
    row = {
        "question": "Where (x)?\nAnswer Choices:\n(a) here\n(b) there",
        "rationale": "Not here.",
        "answer": "(b)",
    }
    return json.dumps({"answer_prefix": " So the answer is: ", "exemplars": [{**row, **changed}, row]})


def test_demonstrations_of_scotd() -> None:
    (RAW / "shots.json").write_text(scotd(question="Good?", answer="no"))
    assert prepare.demonstrations_of("x", "shots.json", RAW) == (
        "Q: Good?\nA: Not here. So the answer is: no\n\n"
        "Q: Where (X)? Answer Choices: (A) here (B) there\nA: Not here. So the answer is: (B)\n"
    )  # fmt: skip
    (RAW / "shots.json").write_text(scotd(rationale=7))
    with pytest.raises(ValueError, match=r"shots\.json exemplar 0: rationale is 7, wanted str"):
        prepare.demonstrations_of("x", "shots.json", RAW)


@pytest.mark.parametrize(
    ("name", "shots", "opening"),
    [("sst2", 6, "What is the sentiment"), ("imdb", 3, "What is the sentiment"), ("anli", 6, "Premise:")],
)
def test_scotds_own_demonstrations_of_other_tasks_ask_in_full(
    name: str, shots: int, opening: str, mirror: Path
) -> None:
    (RAW / "shots.json").symlink_to(
        (
            mirror / f"extracted/liunian-harold-li/scotd/21668aad67e737da8a734fc3420edb315e75b4a7/{name}.json"
        ).resolve()
    )
    text = prepare.demonstrations_of("x", "shots.json", RAW)
    assert text.count(f"Q: {opening}") == text.count("\nA: ") == text.count(" So the answer is: ") == shots


@pytest.mark.parametrize(("name", "shots"), [("commonsense_qa", 7), ("openbookqa", 4), ("quarel", 5)])
def test_scotds_own_demonstrations_ask_as_this_project_does(name: str, shots: int, mirror: Path) -> None:
    (RAW / "shots.json").symlink_to(
        (
            mirror / f"extracted/liunian-harold-li/scotd/21668aad67e737da8a734fc3420edb315e75b4a7/{name}.json"
        ).resolve()
    )
    text = prepare.demonstrations_of("x", "shots.json", RAW)
    assert text.count("Q: ") == text.count("\nA: ") == text.count(" So the answer is: (") == shots
    assert not re.search(r"\([a-z]\)", text)
