"""Rows travel between stages as JSON lines: what is read is what was written, and a file of something else
says so.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stages.records.completion import (
    Completion,
    CompletionsByQuestion,
    iter_questions,
    read_completions,
    write_completions,
)
from stages.records.example import Example, read_examples, write_examples
from stages.records.jsonl import read_object
from stages.records.sequence import Segment, Sequence, read_sequences, write_sequences

EXAMPLE = Example("made-0", "made", "2 + 2?\n\u2028", "4", "number", subtask="sums")
COMPLETION = Completion("made-0", 0, ["Q: 2 + 2?"], [" 4"], ["stop"], "made", "", usage={"in": 3, "out": 1})
SEQUENCE = Sequence(
    "made-0", [Segment("Q: 2 + 2?"), Segment(" 4", "answer", 0.3, end=True)], "train", draw=True
)
KINDS = [
    (read_examples, write_examples, EXAMPLE),
    (read_completions, write_completions, COMPLETION),
    (read_sequences, write_sequences, SEQUENCE),
]


@pytest.mark.parametrize(("read", "write", "row"), KINDS)
def test_what_is_written_is_read(tmp_path, read, write, row):
    write(tmp_path / "rows.jsonl", [row, row])
    assert read(tmp_path / "rows.jsonl") == [row, row]
    (tmp_path / "rows.jsonl").write_text("\n")
    assert read(tmp_path / "rows.jsonl") == []


@pytest.mark.parametrize(("read", "write", "row"), KINDS)
def test_a_file_of_another_kind_is_named(tmp_path, read, write, row):
    for other, (_, write_other, another) in enumerate(KINDS):
        if another is not row:
            write_other(tmp_path / f"{other}.jsonl", [another])
            with pytest.raises(
                ValueError, match=rf"{other}\.jsonl line 1: not a row of {type(row).__name__}; it lacks \['"
            ):
                read(tmp_path / f"{other}.jsonl")


def test_lines_are_counted_as_an_editor_does(tmp_path):
    (tmp_path / "a.jsonl").write_text('\n\n{"id": "made-0", "colour": "red"}\n')
    with pytest.raises(
        ValueError, match=r"a\.jsonl line 3: .* has \['colour'\], which Example does not know"
    ):
        read_examples(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text('{"example_id": "a", "segments": [{"text": "q"}, {"txt": "r"}]}')
    with pytest.raises(
        ValueError, match=r"b\.jsonl line 1: not a row of Segment; it lacks \['text'\] and has \['txt'\]"
    ):
        read_sequences(tmp_path / "b.jsonl")


EXAMPLE_ROW = {"id": "a-0", "dataset": "a", "question": "q", "answer": "5", "answer_type": "number"}
WRONG = [
    ({"answer": 5}, "answer is 5, wanted str"),
    ({"question": None}, "question is None, wanted str"),
    ({"choices": ["a", 1]}, r"choices is \['a', 1\], wanted list\[str\] \| None"),
    ({"choices": "ab"}, "choices is 'ab', wanted list"),
    ({"template": True}, "template is True, wanted str | None"),
    ({"question": "\ud83d x"}, r"'question' holds half a character, '\\ud83d'"),
    ({"choices": ["a", "\udc00"]}, "'choices' holds half a character"),
    ({"answer": ["x" * 5000]}, r"answer is \['x{198}\.\.\. \(5,004 characters\), wanted str"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_a_value_of_another_type_is_named_with_its_place(tmp_path, wrong, said):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (EXAMPLE_ROW, EXAMPLE_ROW | wrong)))
    with pytest.raises(ValueError, match=rf"rows\.jsonl line 2: {said}"):
        read_examples(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sample", True),
        ("sample", "0"),
        ("prompts", [1]),
        ("usage", {"in": "3"}),
        ("logprob", "x"),
        ("reader", "x"),
    ],
)
def test_a_completion_of_other_types_is_refused(tmp_path, field, value):
    path = tmp_path / "rows.jsonl"
    write_completions(path, [COMPLETION])
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(ValueError, match=rf"line 1: {field} is .*, wanted "):
        read_completions(path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"id": ' + "9" * 5000 + "}", '{"id": '])
def test_what_python_cannot_read_is_named_with_its_place(tmp_path, text):
    path = tmp_path / "rows.jsonl"
    path.write_text(f"\n{text}\n")
    with pytest.raises(ValueError, match=r"rows\.jsonl line 2: not JSON"):
        read_examples(path)


def test_escaped_characters_that_are_whole_are_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(EXAMPLE_ROW | {"question": "\N{GRINNING FACE} \\ud83d"}) + "\n")
    assert read_examples(path)[0].question == "\N{GRINNING FACE} \\ud83d"


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"rows\.jsonl: not text in UTF-8"):
        read_examples(tmp_path / "rows.jsonl")


def test_completions_are_found_by_question(tmp_path):
    """Against all rows in memory, in any order, with texts and ids that look like what is looked for."""
    ids = ["made-0", 'made-"1"', "made-\\2", "made-ü", "made-4"]
    trap = '{"example_id": "made-4"}'
    rows = [
        replace(COMPLETION, example_id=name, sample=sample, texts=[f"{trap} {sample}\r\n\u2028"])
        for sample in range(3)
        for name in ids
    ]
    path = tmp_path / "rows.jsonl"
    write_completions(path, rows)
    path.write_text("\ufeff" + path.read_text(encoding="utf-8").replace("\n", "\n\n", 4), encoding="utf-8")
    found = CompletionsByQuestion(path)
    assert list(found) == ids
    assert len(found) == len(ids)
    for name in reversed(ids):
        assert found[name] == [row for row in rows if row.example_id == name]
        assert found.sizes[name] == 3
    assert found.get("made-9", []) == []
    with pytest.raises(ValueError, match="stand in several places"):
        list(iter_questions(path))
    rows.sort(key=lambda row: row.example_id)
    write_completions(path, rows)
    assert [row for those in iter_questions(path) for row in those] == rows


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ("<<<<<<< HEAD\n{}", "not JSON"),
        ("", "not JSON"),
        ("[]", "got list, wanted an object with named fields"),
        ("null", "got NoneType, wanted an object"),
        ("\xff", "not text in UTF-8"),
    ],
)
def test_a_file_that_holds_no_object_is_named(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "cell.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=told) as error:
        read_object(file)
    assert str(error.value).startswith(f"{file}: ")
