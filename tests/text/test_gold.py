"""Gold answers: their canonical form, and what is no legal one."""

from typing import Any

import numpy
import pytest

from stages.text.answer_types import ANSWER_TYPES, rules_of
from stages.text.answers import is_correct, read_answer
from stages.text.gold import canonical_number


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (39, "39"),
        (39.0, "39"),
        ("39.0", "39"),
        (" 1,080 ", "1080"),
        ("109,200,000", "109200000"),
        ("1,234.50", "1234.5"),
        (0.6666666666666666, "0.6666666666666666"),
        ("12.30", "12.3"),
        ("-0.0", "0"),
        (-3, "-3"),
        (".5", "0.5"),
        ("7.", "7"),
        ("12345678901234567890.5", "12345678901234567890.5"),
        (1e23, "100000000000000000000000"),
        (1e-7, "0.0000001"),  # the readers know no powers of ten
        ("99999999999999999999", "99999999999999999999"),
    ],
)
def test_number(value: object, wanted: str) -> None:
    assert canonical_number(value, "row 0") == wanted
    assert canonical_number(wanted, "row 0") == wanted


WORDS = ["", " ", "1 2", "3 pens", "nan", "inf", "1e999", "٣", ".", "-", ","]
MARKS = ["1,5", "12,34", "$3", "1_000", "1/2"]
OBJECTS = [None, True, [3]]


@pytest.mark.parametrize("value", [*WORDS, *MARKS, *OBJECTS])
def test_no_number(value: object) -> None:
    with pytest.raises(ValueError, match=r"row 0: answer is .*, wanted a "):
        canonical_number(value, "row 0")


def test_number_keeps_the_value_of_any_float() -> None:
    for value in numpy.random.RandomState(0).standard_normal(500) * 10.0 ** numpy.arange(-6, 4).repeat(50):
        assert float(canonical_number(float(value), "")) == value


@pytest.mark.parametrize(
    ("answer_type", "value", "choices", "wanted"),
    [
        ("yes_no", True, [], "yes"),
        ("yes_no", " No ", [], "no"),
        ("text", " yajo ", [], "yajo"),
        ("exact", " ] ) ", [], "] )"),
        ("latex", " $2n$ ", [], "$2n$"),
        ("latex", 5, [], "5"),
        ("date", "5/1/2021", [], "05/01/2021"),
        ("choice", " B ", ["red", "blue"], "B"),
        ("choice", "blue", ["red", "blue"], "B"),
        ("choice", "C", ["A", "B", "C"], "C"),  # a letter before a text
        ("choice", "b", ["red", "blue"], "B"),
        ("choice", "b", ["b", "a"], "A"),  # a text before a letter that is written otherwise
        ("choice", "(B)", ["red", "blue"], "B"),
        ("choice", "B.", ["red", "blue"], "B"),
        ("choice", 7, ["5", "7"], "B"),
    ],
)
def test_canonical(answer_type: str, value: object, choices: list[str], wanted: str) -> None:
    rules = rules_of(answer_type)
    assert rules.canonical(value, "row 0", choices) == wanted
    assert rules.canonical(wanted, "row 0", choices) == wanted
    assert rules.wanted(wanted, "row 0", choices) is None


@pytest.mark.parametrize(
    ("answer_type", "value", "choices", "message"),
    [
        ("yes_no", 1, [], "answer is 1, wanted yes or no"),
        ("text", " ", [], "wanted a text that is not empty"),
        ("exact", None, [], "wanted a text that is not empty"),
        ("latex", True, [], "answer is True, wanted a text that is not empty"),
        ("date", "2021-05-01", [], "wanted a date as MM/DD/YYYY"),
        ("choice", "C", ["red", "blue"], "wanted a letter of 'AB' or one of"),
        ("choice", "red", ["red", "red"], "answer is 'red', wanted a letter"),
        ("choice", "c", ["red", "blue"], "answer is 'c', wanted a letter"),
        ("choice", 1, ["red", "blue"], "answer is 1, wanted a letter"),  # counted from 0 or 1: who knows
        ("choice", True, ["red", "blue"], "answer is True, wanted a text"),
    ],
)
def test_not_canonical(answer_type: str, value: object, choices: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=f"row 0: .*{message}"):
        rules_of(answer_type).canonical(value, "row 0", choices)


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
    ],
)
def test_wanted(changed: dict[str, Any], wanted: str | None) -> None:
    values = {"answer": "7", "answer_type": "number", "choices": []} | changed
    rules = rules_of(values["answer_type"])
    assert rules.wanted(values["answer"], "x-0", values["choices"]) == wanted


@pytest.mark.parametrize("answer_type", ANSWER_TYPES)
def test_a_legal_gold_answer_is_read_and_right(answer_type: str) -> None:
    """For every type there is, also one that is added: what its rules are for."""
    choices = ["red", "blue"] if rules_of(answer_type).lettered else []
    for value in ("7", "B", "yes", "yajo", "05/01/2021"):
        try:
            gold = rules_of(answer_type).canonical(value, "row 0", choices)
        except ValueError:
            continue
        reading = read_answer(f"so it is --> {gold}", "-->", answer_type, choices)
        assert is_correct(reading.strict, gold, answer_type)
        assert is_correct(reading.lenient, gold, answer_type)
        return
    pytest.fail(f"no answer of type {answer_type!r} among those tried")


def test_an_unknown_type_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="got 'letter', wanted one of number, choice, yes_no, text"):
        rules_of("letter")
