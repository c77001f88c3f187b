"""Rows travel between stages as JSON lines: what is read is what was written, and a file of something else
says so.
"""

import pytest

from stages.records.completion import Completion, read_completions, write_completions
from stages.records.example import Example, read_examples, write_examples
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
