"""Fields: rows with their place, typed fields, options in a question."""

import json
from pathlib import Path

import pytest

from stages.parsing.fields import field, right_choice, rows_with_place, with_choices


def test_field_and_choices() -> None:
    assert field({"a": "x"}, "a", "row 0", str) == "x"
    assert with_choices("Which?", ["red", "blue"]) == "Which? Answer Choices: (A) red (B) blue"
    assert right_choice({"x": 0, "y": 1}, ["y", "x"], "row 0") == "A"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "no field 'examples'"),
        ("[]", "got list, wanted an object with 'examples'"),
        ('{"examples": {}}', "wanted list"),
    ],
)
def test_rows_under_a_key(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        list(rows_with_place(tmp_path / "task.json", under="examples"))


@pytest.mark.parametrize(
    ("last", "row"),
    [
        (r'{"q": "a \ud83d\ude00"}', None),  # both halves
        (r'{"q": "a \\ud83d"}', None),  # a text about an escape
        (r'{"q": "a \ud83d"}', 2),
        (r'{"q": "a", "c": ["\uDC00"]}', 2),
    ],
)
def test_half_a_character_is_named_with_its_row(last: str, row: int | None, tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    path.write_text(rf'[{{"q": "plain"}}, {{"q": "whole \ud83d\ude00"}}, {last}]')
    if row is None:
        assert len(list(rows_with_place(path))) == 3
    else:
        with pytest.raises(ValueError, match=rf"task.json row {row}: '[qc]' holds half a character"):
            list(rows_with_place(path))


def test_a_long_file_is_searched_once_and_not_once_a_row(tmp_path: Path, monkeypatch) -> None:
    """The JSON of 7,442 rows, each of which looked through all 3 MB of it, took half a minute."""
    looked: list[int] = []
    monkeypatch.setattr(
        "stages.parsing.fields.refuse_half_characters", lambda row, text, where: looked.append(len(text))
    )
    path = tmp_path / "task.json"
    path.write_text(json.dumps([{"q": "x" * 100}] * 50 + [{"q": "\U0001f600"}]))
    assert len(list(rows_with_place(path))) == 51
    assert sum(looked) < path.stat().st_size
