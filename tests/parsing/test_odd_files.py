"""Files as editors, spreadsheets and other systems write them: each is read, or told in one line."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from stages.config.dataset import Columns
from stages.corpus.inputs import read_golden
from stages.download import plain_row
from stages.parsing.columns import parse_columns
from stages.parsing.demonstrations import demonstrations_text
from stages.records.example import Example
from stages.records.jsonl import read_rows

MARK = "\ufeff"


def columns(answer_type: str) -> Columns:
    return Columns(question="q", answer="a", answer_type=answer_type)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.jsonl", MARK + '{"q": "How many?", "a": 3}\n'),
        ("m.json", MARK + '[{"q": "How many?", "a": 3}]'),
        ("m.csv", MARK + "q,a\r\nHow many?,3\r\n"),
    ],
)
def test_a_mark_before_the_text(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    (example,) = parse_columns(tmp_path, "mine", columns("number"), [name])
    assert (example.question, example.answer) == ("How many?", "3")


def test_a_mark_before_a_golden_list(tmp_path: Path) -> None:
    examples = {f"mine-{i}": Example(f"mine-{i}", "mine", "q", "1", "number") for i in range(2)}
    path = tmp_path / "golden.txt"
    path.write_text(f"{MARK}mine-0\r\nmine-1\r\n", encoding="utf-8", newline="")
    assert read_golden(path, examples) == set(examples)


def test_a_mark_before_demonstrations(tmp_path: Path) -> None:
    text = MARK + "Warning\n-----\nQ: 1?\nA: 1.\n\nQ: {QUESTION}"
    (tmp_path / "shots.txt").write_text(text, encoding="utf-8")
    assert demonstrations_text("mine", "shots.txt", tmp_path) == "Q: 1?\nA: 1."


def test_line_ends_within_a_cell(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text('q,a\r\n"How\r\nmany?",3\r\n', newline="")
    assert parse_columns(tmp_path, "mine", columns("number"), ["m.csv"])[0].question == "How\nmany?"


@pytest.mark.parametrize(
    ("name", "text", "question"),
    [
        ("m.csv", 'q,a\n"x\u2028y\x0bz\x85w",3\n', "x\u2028y\x0bz\x85w"),
        ("m.csv", 'q,a\r\n"x\r\n\r\ny",3\r\n', "x\n\ny"),
        ("m.csv", "q,a\rx,3\r", "x"),
        ("m.CSV", "q,a\nx,3\n", "x"),
        ("m.JSONL", '{"q": "x\u2028y", "a": 3}\n', "x\u2028y"),
    ],
)
def test_text_of_a_cell_stays_as_it_is(tmp_path: Path, name: str, text: str, question: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    (example,) = parse_columns(tmp_path, "mine", columns("number"), [name])
    assert example.question == question


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("q,a\nx,1\n".encode("utf-16"), r"m\.csv: not text in UTF-8"),
        ("q,a\n\xe9,1\n".encode("latin-1"), r"m\.csv: not text in UTF-8"),
        (b"q,a,q\nx,1,y\n", r"m\.csv: two columns are named 'q'"),
        (b"q,a\n,1\n", r"m\.csv row 0: q is empty"),
        (b"q;a\nx;1\n", r"m\.csv row 0: no field 'q'.*q;a"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(ValueError, match=told):
        parse_columns(tmp_path, "mine", columns("number"), ["m.csv"])


def test_an_option_with_blanks_around_it(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text('q,a,c\nx, v ,"[""u"", ""v""]"\n')
    named = Columns(question="q", answer="a", answer_type="choice", choices="c")
    assert parse_columns(tmp_path, "mine", named, ["m.csv"])[0].answer == "B"


def test_a_quote_that_is_not_closed(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text('q,a\nx,1\n"How many,3\n' + "x,1\n" * 40_000)
    with pytest.raises(ValueError, match=r"m\.csv after row 0: .*quote"):
        parse_columns(tmp_path, "mine", columns("number"), ["m.csv"])


# the row with the open quote would take the others in
@pytest.mark.parametrize("rest", ["2,two\n3,three\n", '2,two\n3,"three"\n'])
def test_a_quote_that_takes_in_the_last_rows(tmp_path: Path, rest: str) -> None:
    (tmp_path / "m.csv").write_text(f'a,q\n0,zero\n1,"one\n{rest}')
    with pytest.raises(ValueError, match=r"m\.csv after row 0: .*quote"):
        parse_columns(tmp_path, "mine", columns("number"), ["m.csv"])


def test_a_cell_as_long_as_a_thought(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"q,a\n{'long ' * 50_000},1\n")
    assert len(parse_columns(tmp_path, "mine", columns("number"), ["m.csv"])[0].question) > 131_072


def test_true_and_false_are_yes_and_no(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("q,a\nCan it?,True\nAnd it?,False\nIt?,yes\n")
    found = parse_columns(tmp_path, "mine", columns("yes_no"), ["m.csv"])
    assert [example.answer for example in found] == ["yes", "no", "yes"]


def test_days_and_times_of_a_hub_become_text() -> None:
    row = {"q": "How?", "t": datetime(2024, 1, 2, tzinfo=UTC), "d": [date(2024, 1, 2)], "n": None}
    assert plain_row(row, "hub") == {
        "q": "How?",
        "t": "2024-01-02T00:00:00+00:00",
        "d": ["2024-01-02"],
        "n": None,
    }
    with pytest.raises(ValueError, match="hub: got a value of type bytes"):
        plain_row({"picture": b""}, "hub")


def test_a_file_without_a_mark_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"a": "\ufeffx"}\n', encoding="utf-8")
    assert read_rows(tmp_path / "m.jsonl") == [{"a": "\ufeffx"}]
