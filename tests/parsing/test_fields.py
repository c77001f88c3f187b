"""Fields: rows with their place, typed fields, options in a question."""

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
