"""The human teacher: what came with the data, read back as the gold answer; nothing invented."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from made_datasets import use_datasets

from stages.records.example import Example
from stages.teachers.human import Settings, cannot_teach, complete
from stages.text.answers import is_correct, reading_of

ANSWERED = [
    Example("made-0", "made", "Two and two?", "4", "number", rationale="Two more than two is four."),
    Example("made-1", "made", "No reason?", "yes", "yes_no"),
    Example(
        "made-2",
        "made",
        "Which? Answer Choices: (A) red (B) blue",
        "B",
        "choice",
        choices=["red", "blue"],
        rationale="The sky is.",
    ),
    Example("made-3", "made", "Joined?", "nks", "text", rationale="n, k, s."),
]


def test_rationales_become_completions_with_the_gold_answer() -> None:
    rows = list(complete(ANSWERED, Settings(backend="human"), Path(), ""))
    assert [row.example_id for row in rows] == ["made-0", "made-2", "made-3"]
    method = import_module("stages.methods.zero_shot_cot")
    for row in rows:
        example = next(example for example in ANSWERED if example.id == row.example_id)
        assert row.prompts == [
            method.ask(example, row.texts[:step], method.Settings(), "") for step in range(2)
        ]
        assert is_correct(reading_of(row, example).strict, example.answer, example.answer_type)


def test_without_any_rationale_it_says_where_to_name_them() -> None:
    with pytest.raises(ValueError, match=r"columns\.rationale"):
        list(
            complete(
                [replace(example, rationale=None) for example in ANSWERED],
                Settings(backend="human"),
                Path(),
                "",
            )
        )


def test_columns_tell_before_any_work_whether_there_are_rationales(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = {"kind": "local", "files": ["mine.csv"]}
    columns = {"question": "q", "answer": "a", "answer_type": "number"}
    use_datasets(
        monkeypatch,
        tmp_path,
        without={"source": source, "columns": columns},
        with_them={"source": source, "columns": {**columns, "rationale": "r"}},
        parsed={"source": source},  # what its parser finds is not known yet
    )
    (tmp_path / "params.yaml").write_text("{}")
    monkeypatch.chdir(tmp_path)
    settings = Settings(backend="human")
    assert "without.yaml names no column of rationales" in str(cannot_teach("without", settings))
    assert [cannot_teach(name, settings) for name in ("with_them", "parsed")] == [None, None]
