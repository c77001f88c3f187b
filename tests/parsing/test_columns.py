"""Columns: examples from JSON lines, CSV and JSON by a map of columns, and what is said of a broken row."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.config.dataset import Columns
from stages.config.load import check
from stages.parsing.columns import check_answer_type, parse_columns
from stages.prepare import check_examples
from stages.records.example import Example


def write(path: Path, rows: list[Any], under: str | None = None) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(lines if path.suffix == ".jsonl" else json.dumps({under: rows} if under else rows))


MAP = {"question": "q", "answer": "a"}


def columns(answer_type: str, **named: str) -> Columns:
    return check("columns", {"answer_type": answer_type, **MAP, **named}, Columns)


def parse_mine(raw: Path, files: list[str], answer_type: str, **named: str) -> list[Example]:
    return parse_columns(raw, "mine", columns(answer_type, **named), files)


def test_columns_of_json_lines(tmp_path: Path) -> None:
    write(
        tmp_path / "train.jsonl",
        [{"q": " Which? ", "a": "blue", "c": ["red", "blue"], "r": "It is blue.", "t": "which"}],
    )
    write(tmp_path / "test.jsonl", [{"q": "Which?", "a": "A", "c": ["red", "blue"], "r": None, "t": ""}])
    first, second = parse_mine(
        tmp_path, ["train.jsonl", "test.jsonl"], "choice", choices="c", rationale="r", template="t"
    )
    question = "Which? Answer Choices: (A) red (B) blue"
    assert first == Example(
        "mine-0", "mine", question, "B", "choice", ["red", "blue"], "which", "train", "It is blue."
    )
    assert second == Example("mine-1", "mine", question, "A", "choice", ["red", "blue"], None, "test", None)


def test_columns_of_csv(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(
        '\ufeffq,a,part,c\n"Two lines,\nwith a comma?","1,200",train,\nMore?,3.0,validation,\n',
        encoding="utf-8",
    )
    first, second = parse_mine(tmp_path, ["all.csv"], "number", source_split="part")
    assert first == Example(
        "mine-0", "mine", "Two lines,\nwith a comma?", "1200", "number", source_split="train"
    )
    assert (second.id, second.answer, second.source_split) == ("mine-1", "3", "validation")
    (tmp_path / "choice.csv").write_text('q,a,c\nWhich?,B,"[""red"", ""blue""]"\n')
    assert parse_mine(tmp_path, ["choice.csv"], "choice", choices="c")[0].choices == [
        "red",
        "blue",
    ]


@pytest.mark.parametrize(
    ("answer_type", "value", "wanted"),
    [("yes_no", True, "yes"), ("yes_no", " No ", "no"), ("text", " yajo ", "yajo"), ("number", 0.5, "0.5")],
)
def test_columns_write_canonical_answers(
    answer_type: str, value: object, wanted: str, tmp_path: Path
) -> None:
    write(tmp_path / "x.jsonl", [{"q": "?", "a": value}])
    examples = parse_mine(tmp_path, ["x.jsonl"], answer_type)
    assert [example.answer for example in examples] == [wanted]
    check_examples("mine", examples, 1)


@pytest.mark.parametrize(
    ("answer_type", "row", "message"),
    [
        ("number", {"q": "?"}, "no field 'a'"),
        ("number", {"q": 3, "a": 3}, "q is 3, wanted str"),
        ("number", {"q": "?", "a": "x"}, "answer is 'x', wanted a number"),
        ("yes_no", {"q": "?", "a": 1}, "answer is 1, wanted yes or no"),
        ("text", {"q": "?", "a": ""}, "answer is '', wanted a text that is not empty"),
        ("choice", {"q": "?", "a": "C", "c": ["x", "y"]}, "answer is 'C', wanted a letter of 'AB' or one of"),
        ("choice", {"q": "?", "a": "x", "c": ["x", "x"]}, "answer is 'x', wanted a letter"),
        ("choice", {"q": "?", "a": "A", "c": ["x"]}, "c is .*, wanted a list of 2 to 26 texts"),
        ("choice", {"q": "?", "a": "A", "c": "x|y"}, "c is 'x|y', wanted a list"),
        ("choice", {"q": "?", "a": "A"}, "c is None, wanted a list"),
    ],
)
def test_columns_name_a_broken_row(
    answer_type: str, row: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write(tmp_path / "x.jsonl", [row])
    named = {"choices": "c"} if answer_type == "choice" else {}
    with pytest.raises(ValueError, match=rf"x\.jsonl row 0: {message}"):
        parse_mine(tmp_path, ["x.jsonl"], answer_type, **named)


def test_columns_name_a_missing_column_and_a_ragged_row(tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl", [{"q": "?", "a": 3}])
    with pytest.raises(ValueError, match="row 0: no field 'why', wanted str; it has: q, a"):
        parse_mine(tmp_path, ["x.jsonl"], "number", rationale="why")
    (tmp_path / "x.csv").write_text("q,a\n?,3,4\n")
    with pytest.raises(ValueError, match=r"row 0: more cells than the header names, left over \['4'\]"):
        parse_mine(tmp_path, ["x.csv"], "number")


def test_columns_of_json_under_a_key(tmp_path: Path) -> None:
    write(tmp_path / "x.json", [{"q": "?", "a": 3}], under="rows")
    assert [example.answer for example in parse_mine(tmp_path, ["x.json"], "number", under="rows")] == ["3"]
    with pytest.raises(ValueError, match="got dict, wanted an array of rows"):
        parse_mine(tmp_path, ["x.json"], "number")


@pytest.mark.parametrize(("answer_type", "named"), [("choice", {}), ("number", {"choices": "c"})])
def test_choices_go_with_choice(answer_type: str, named: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="a column of choices goes with answer_type 'choice'"):
        check_answer_type("mine", columns(answer_type, **named))


def test_an_unknown_answer_type_names_those_there_are(tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl", [{"q": "?", "a": 3}])
    with pytest.raises(ValueError, match="`columns`: answer_type is 'numbr', wanted one of number, choice,"):
        parse_mine(tmp_path, ["x.jsonl"], "numbr")
