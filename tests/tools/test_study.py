"""The sample study: which questions, what stands beside them, the page in a real browser, and failures
counted by hand.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from made_cells import write_cell
from typer.testing import CliRunner

from stages.records.completion import Completion, write_completions
from stages.records.example import Example, write_examples
from tools import study
from tools.pages.fill import with_data

pytest_plugins = ["browser"]
HOSTILE = (
    "</script><script>document.title = 'broken'</script><img src=x onerror=\"document.title = 'broken'\">"
)


def rows(name: str, right: set[int], count: int = 8) -> list[Completion]:
    texts = {i: f"{name} on {i}. --> {i if i in right else 99}" for i in range(count)}
    return [
        Completion(f"made-{i}", 0, ["p"], [text], ["stop"], name, "-->", "selected")
        for i, text in texts.items()
    ]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a teacher, two cells and their dataset; the teacher was asked every question, the
    cells the first eight.
    """
    monkeypatch.chdir(tmp_path)
    write_examples(
        Path("data/examples/made.jsonl"),
        [Example(f"made-{i}", "made", f"Question {i}?", str(i), "number") for i in range(10)],
    )
    teacher = [
        Completion(f"made-{i}", sample, ["p", "p"], [f"Taught {i}.", f" {i}"], ["stop", "stop"], "t", "")
        for i in range(10)
        for sample in (0, 1)
    ]
    write_completions(Path("data/completions/made-t.jsonl"), teacher)
    epoch = [Completion("made-0", 0, ["p"], ["--> 0"], ["stop"], "a", "-->", "epoch 1")]
    write_completions(Path("data/predictions/made-a.jsonl"), [*rows("a", {0, 1, 2}), *epoch])
    write_completions(
        Path("data/predictions/made-b.jsonl"), [*rows("b", set(range(7)))[:-1], *rows("b", set())[-1:]]
    )
    return tmp_path


def call(*arguments: object) -> str:
    result = CliRunner().invoke(study.app, [str(one) for one in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def told() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("out/study.jsonl").read_text().splitlines()]


def test_chosen_questions_stand_with_every_model_and_the_gold_answer(place: Path) -> None:
    call("sheet", "made-t", "made-a", "made-b", "--out", "out", "--id", "made-3", "--id", "made-0")
    first, second = told()
    assert (first["id"], first["question"], first["answer"]) == ("made-3", "Question 3?", "3")
    assert first["said"] == [
        {"name": "made-t", "texts": ["Taught 3.", " 3"], "read": "3", "right": True},
        {"name": "made-a", "texts": ["a on 3. --> 99"], "read": "99", "right": False},
        {"name": "made-b", "texts": ["b on 3. --> 3"], "read": "3", "right": True},
    ]
    assert second["id"] == "made-0"


def test_drawn_questions_are_right_and_wrong_of_one_model(place: Path) -> None:
    call("sheet", "made-t", "made-a", "made-b", "--out", "out", "--cases", 2, "--about", "made-a")
    marks = [row["said"][1]["right"] for row in told()]
    assert marks == [True, True, False, False]
    first = told()
    call("sheet", "made-t", "made-a", "made-b", "--out", "out", "--cases", 2, "--about", "made-a")
    assert told() == first
    # of the last one, which has one wrong
    call("sheet", "made-t", "made-a", "made-b", "--out", "out", "--cases", 9)
    assert [row["said"][2]["right"] for row in told()] == [True] * 7 + [False]
    assert {row["id"] for row in told()} == {f"made-{i}" for i in range(8)}  # what all of them were asked


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["made-a", "--about", "made-b"], "--about 'made-b' is none of the models: made-a"),
        (["made-a", "made-t", "--id", "made-9"], "not every model was asked: made-9; 8 are common to all"),
        (["made-a", "nobody"], "'nobody': wanted a cell, DATASET-TEACHER or a file"),
    ],
)
def test_bad_wishes_are_named(place: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call("sheet", *arguments, "--out", "out")


def test_the_page_in_a_browser(place: Path, page: Any) -> None:
    call(
        "sheet",
        "made-t",
        "made-a",
        "made-b",
        "--out",
        "out",
        "--id",
        "made-0",
        "--id",
        "made-3",
        "--id",
        "made-7",
    )
    page.goto(Path("out/study.html").resolve().as_uri())
    assert page.locator("article:visible").count() == 3
    first = page.locator("article").first
    assert first.locator("section").count() == 3
    assert [first.locator(".verdict").nth(i).text_content() for i in range(2)] == [
        "read: 0 - right",
        "read: 0 - right",
    ]
    page.get_by_label("made-a", exact=False).select_option("wrong")
    page.get_by_label("made-b", exact=False).select_option("right")
    assert page.locator("article:visible h2").all_text_contents() == ["made-3"]


def test_texts_are_shown_and_never_run(tmp_path: Path, page: Any) -> None:
    said = [{"name": f"m {HOSTILE}", "texts": [HOSTILE], "read": None, "right": False}]
    (tmp_path / "study.html").write_text(
        with_data("study", [{"id": HOSTILE, "question": HOSTILE, "answer": HOSTILE, "said": said}])
    )
    page.goto((tmp_path / "study.html").as_uri())
    assert page.locator("section p").all_text_contents() == [HOSTILE, "no answer read"]
    assert page.title() == "Sample study"


def test_failures_by_hand() -> None:
    """Of four questions a fails at two, of which b has one right; b fails at one, which a has wrong too."""
    lines = study.failure_table({"a": "1100", "b": "1110", "c": "1111"})
    assert lines == [
        "| questions | n | a | b | c |",
        "| --- | --- | --- | --- | --- |",
        "| all | 4 | 50.0 | 75.0 | 100.0 |",
        "| a fails | 2 | - | 50.0 | 100.0 |",
        "| b fails | 1 | 0.0 | - | 100.0 |",
        "| c fails | 0 | - | - | - |",
    ]
    with pytest.raises(ValueError, match=r"cells of \[2, 3\] test questions"):
        study.failure_table({"a": "11", "b": "110"})


def test_failures_are_told_by_dataset_and_split(tmp_path: Path) -> None:
    for name, marks in {
        "x-s-m-tiny-0-greedy": "10",
        "x-s-n-tiny-0-greedy": "01",
        "y-s-m-tiny-0-greedy": "111",
    }.items():
        write_cell(tmp_path, name, correct=marks)
    output = call("failures", "--folder", tmp_path)
    assert output.count("### ") == 2
    assert "| m-tiny-0-greedy fails | 1 | - | 100.0 |" in output
    assert "### y, s" in call("failures", "y-s-m-tiny-0-greedy", "--folder", tmp_path)
    # a transfer stands with its target's cells, under its whole name
    write_cell(tmp_path, "x-s-m-tiny-0-greedy-y", correct="100")
    assert "| x-s-m-tiny-0-greedy-y fails | 2 | 100.0 | - |" in call(
        "failures", "y-s-m-tiny-0-greedy", "x-s-m-tiny-0-greedy-y", "--folder", tmp_path
    )
    (tmp_path / "o.json").write_text("{}")
    for names, message in (
        (["x"], "'x' is no cell: there is no"),
        (["o"], "no field `dataset`"),
        (["--folder", tmp_path / "none"], "no cells"),
    ):
        with pytest.raises(ValueError, match=message):
            call("failures", "--folder", tmp_path, *names)


def test_readers_of_nothing(place: Path) -> None:
    (place / "none.jsonl").touch()
    with pytest.raises(ValueError, match=r"none\.jsonl: no completion to read"):
        call("readers", "none.jsonl")


def test_readers_side_by_side(place: Path) -> None:
    """The strict rule takes the first number behind the arrow, the stated one what the text comes to."""
    said = ["Then 1 + 1 = 2. --> 0", "--> 5, no: 1", "The answer is 2."]
    rows = [
        Completion(f"made-{i}", 0, ["p"], [text], ["stop"], "a", "-->", "selected")
        for i, text in enumerate(said)
    ]
    write_completions(place / "some.jsonl", rows)
    output = call("readers", "some.jsonl", "-n", "2")
    assert "some.jsonl: 2 read differently; by kojima" in output
    figures = [line.split() for line in output.splitlines() if "│" in line and "3" in line]
    assert [[line[1], line[5], line[7]] for line in figures] == [
        ["kojima", "33.3", "33.3"],
        ["lenient", "66.7", "0.0"],
        ["marked", "33.3", "33.3"],
        ["stated", "100.0", "0.0"],
    ]
    assert "made-1: gold '1'; kojima '5', lenient '5', marked '5', stated '1'" in output
    assert "made-2: gold '2'; kojima None, lenient '2', marked None, stated '2'" in output
