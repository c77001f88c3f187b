"""Reading and comparing answers: tables of cases, and properties that hold for every type."""

import random
import string

import pytest

from stages.records.completion import Completion
from stages.records.example import Example
from stages.text.answer_types import ANSWER_TYPES, rules_of
from stages.text.answers import Reading, is_correct, read_answer, reading_of


@pytest.mark.parametrize(
    ("answer_type", "n_choices", "message"),
    [("letter", 5, "letter"), ("choice", 0, "got 0"), ("choice", 27, "got 27")],
)
def test_illegal_types(answer_type, n_choices, message):
    for prefix in ("", "-->"):
        with pytest.raises(ValueError, match=message):
            read_answer("A", prefix, answer_type, [""] * n_choices)


OPTIONS = ["red", "dark red", "5", "none of these", "red"]


@pytest.mark.parametrize(
    ("text", "prefix", "answer_type", "n_choices", "expected"),
    [
        # the whole text is the answer
        (" 39.", "", "number", 0, Reading("39", "39", True)),
        (" 8-3, no: 4", "", "number", 0, Reading("8", "8", True)),
        ("", "", "number", 0, Reading(None, None, True)),
        (" -$5", "", "number", 0, Reading("5", "-5", True)),
        (" 2,3", "", "number", 0, Reading("23", "2", True)),
        (" 1,2345", "", "number", 0, Reading("12345", "1", True)),  # no thousands
        # the mark decides
        ("3 + 4 = 7 --> 7", "-->", "number", 0, Reading("7", "7", True)),
        ("3 + 4 = 7", "-->", "number", 0, Reading(None, "7", False)),
        ("3 + 4 = 7 -->", "-->", "number", 0, Reading(None, "7", True)),
        ("1 --> 2 --> 3", "-->", "number", 0, Reading("2", "2", True)),
        ("no digits", "-->", "number", 0, Reading(None, None, False)),
        # letters: strict within words, lenient alone
        (" Black, so (C).", "", "choice", 5, Reading("B", "C", True)),
        (" (b).", "", "choice", 5, Reading(None, "B", True)),
        (" most likely D", "", "choice", 5, Reading("D", "D", True)),
        ("Everything. So the answer is (e).", "he answer is", "choice", 5, Reading(None, "E", True)),
        ("A then B", "-->", "choice", 3, Reading(None, "B", False)),
        ("A's", "", "choice", 3, Reading("A", None, True)),
        ("(f)", "", "choice", 5, Reading(None, None, True)),
        # yes or no
        (" No!", "", "yes_no", 0, Reading(None, "no", True)),
        ("No. Well, yes.", "", "yes_no", 0, Reading("no", "no", True)),
        ("no ... (yes)", "-->", "yes_no", 0, Reading(None, "yes", False)),
        (" not known", "", "yes_no", 0, Reading(None, None, True)),
        (" no-one", "", "yes_no", 0, Reading(None, None, True)),
        # text
        (' "yajo".', "", "text", 0, Reading("yajo", "yajo", True)),
        (' the letters "ya jo".', "", "text", 0, Reading("thelettersyajo", "yajo", True)),
        ("Ann ends in n. --> yajo", "-->", "text", 0, Reading("yajo", "yajo", True)),
        ("first\nyajo.", "-->", "text", 0, Reading(None, "yajo", False)),
        (' "."', "", "text", 0, Reading(None, None, True)),
    ],
)
def test_read(text, prefix, answer_type, n_choices, expected):
    assert read_answer(text, prefix, answer_type, [""] * n_choices) == expected


@pytest.mark.parametrize(
    ("text", "prefix", "expected"),
    [
        ("It is Dark Red.", "", "B"),
        ("The answer is red.", "he answer is", "A"),  # of two equal options the first
        ("infrared", "", None),
        ("The answer is 5.", "he answer is", "C"),
        ("It is dark red, not red.", "", "B"),  # "red" does not hide it
        ("The answer is (e) 5.", "he answer is", "E"),
        ("red, no: none of these", "-->", "D"),
        ("nothing", "", None),
        # a letter that no option has is stated, and no letter of the reasoning is
        ("It may be red. The answer is (F).", "he answer is", None),
        ("It may be red. The answer is f.", "he answer is", None),
        ("It may be red. The answer is unknown.", "he answer is", "A"),
        ("It may be red. The answer is a colour.", "he answer is", "A"),
    ],
)
def test_written_out_options(text, prefix, expected):
    assert read_answer(text, prefix, "choice", OPTIONS).lenient == expected


def test_options_leave_the_strict_reading_and_other_types_alone():
    assert read_answer("dark red", "", "choice", OPTIONS).strict is None
    assert read_answer("5 red", "", "number", OPTIONS) == Reading("5", "5", True)


@pytest.mark.parametrize(
    ("answer", "gold", "answer_type", "expected"),
    [
        ("39", "39", "number", True),
        ("39.0", "39", "number", True),
        ("12.30", "12.3", "number", True),
        ("5600", "5,600", "number", True),
        ("0.6666667", "0.6666666666666666", "number", True),
        ("0.667", "0.6666666666666666", "number", False),
        ("1000001", "1000000", "number", False),  # six decimals, however large the number
        ("1000000.0000001", "1000000", "number", True),
        ("-39", "39", "number", False),
        ("9" * 400, "1", "number", False),
        ("A", "A", "choice", True),
        ("A", "B", "choice", False),
        ("yes", "yes", "yes_no", True),
        ("no", "yes", "yes_no", False),
        ("yajo", "yajo", "text", True),
        ("Yajo", "yajo", "text", False),
        ("NewYork", "New York", "text", True),
        *[
            (None, gold, answer_type, False)
            for answer_type, gold in [("number", "0"), ("choice", "A"), ("yes_no", "no"), ("text", "None")]
        ],
    ],
)
def test_is_correct(answer, gold, answer_type, expected):
    assert is_correct(answer, gold, answer_type) is expected


def test_is_correct_refuses_what_is_no_number_and_unknown_types():
    with pytest.raises(ValueError, match="many"):
        is_correct("many", "1", "number")
    with pytest.raises(ValueError, match="colour"):
        is_correct("red", "red", "colour")


@pytest.mark.parametrize(
    ("text", "choices", "strict", "lenient"),
    [
        (" ] ).\n", [], "] )", "] )"),
        ("ant bee. ", [], "ant bee", "ant bee"),
        ("12.5", [], "12.5", "12.5"),
        ("two\nlines", [], "two\nlines", "two"),  # strict: the published rule takes all of it
        (' "ant bee".', [], '"ant bee"', "ant bee"),
        (" True.", ["True", "False"], "True", "True"),
        (" true", ["True", "False"], None, "True"),
        (" Untrue", ["True", "False"], None, None),
        (" The argument is Invalid, not valid", ["valid", "invalid"], None, "invalid"),
        (" invalid.", ["valid", "invalid"], "invalid", "invalid"),
        (" not deductive", ["valid", "invalid"], None, None),  # CasCoD's code reads "valid" here
        (" I cannot say", ["valid", "invalid"], None, None),
    ],
)
def test_exact_answers(text, choices, strict, lenient):
    assert read_answer(text, "", "exact", choices) == Reading(strict, lenient, True)
    stated = f"so the answer is{text}"
    assert read_answer(stated, "the answer is", "exact", choices) == Reading(strict, lenient, True)
    assert is_correct(strict, strict or "", "exact") is (strict is not None)
    assert read_answer(" .\n", "", "exact") == Reading(None, None, True)
    assert not is_correct("Valid", "valid", "exact")


# the rules of latex: test_mathematics.py
@pytest.mark.parametrize("answer_type", sorted(ANSWER_TYPES.keys() - {"latex"}))
def test_reading_properties(answer_type):
    """Never an empty answer; strict is one found behind the mark; what stands before it does not matter."""
    rng = random.Random(1)
    pieces = ["yes", "No", "A", "(b)", "C.", "3", "-4.5", "1,000", "word", "-->", *"\"' \n.:"]
    legal = {"choice": set("ABC"), "yes_no": {"yes", "no"}}
    options = ["", "", ""] if answer_type == "choice" else []
    for _ in range(3000):
        text = "".join(rng.choices(pieces, k=rng.randrange(8)))
        reading = read_answer(text, "-->", answer_type, options)
        assert "" not in (reading.strict, reading.lenient)
        assert reading.formatted is ("-->" in text)
        if reading.formatted:
            found = rules_of(answer_type).strict(text.split("-->", 1)[1], options)
            assert reading.strict == next(iter(found), None)
        else:
            assert reading.strict is None
            noisy = read_answer("noise 17 B yes -->" + text, "-->", answer_type, options)
            assert noisy.strict == read_answer(text, "", answer_type, options).strict
        for answer in {reading.strict, reading.lenient} - {None}:
            assert answer in legal.get(answer_type, {answer})
            assert is_correct(answer, answer, answer_type)


@pytest.mark.parametrize(
    ("answer_type", "golds"),
    [
        ("number", ["0", "-3.25", "14696"]),
        ("choice", list(string.ascii_uppercase[:6])),
        ("yes_no", ["yes", "no"]),
        ("text", ["yajo"]),
    ],
)
def test_a_bare_answer_is_read_as_itself(answer_type, golds):
    for gold in golds:
        for text in (gold, f" {gold}.", f' "{gold}".'):
            assert read_answer(text, "", answer_type, [""] * 6) == Reading(gold, gold, True)


def test_a_completion_is_read_in_its_last_text_with_the_options_of_its_example():
    example = Example("c-0", "c", "Which?", "B", "choice", ["red", "red wine"])
    texts = ["A it is. --> A", "I say --> red wine"]
    completion = Completion("c-0", 0, ["q", "q"], texts, ["stop", "stop"], "tiny", "-->")
    assert reading_of(completion, example) == Reading(None, "B", True)


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("9007199254740993", "9007199254740992", False),
        ("12345678901234567891", "12345678901234567892", False),
        ("18014398509481985", "18014398509481984", False),
        ("0.1234567", "0.1234568", True),
        ("0.12345", "0.12346", False),
        # both exact to six decimals, or small
        ("0.000001", "0", False),
        ("1.000001", "1", False),
        ("0.0000001", "0.0000002", False),
        ("0.333333", "0.3333333333333333", True),
        ("0.30000000000000004", "0.3", True),
        ("0.0012345678", "0.0012345679", True),
        ("1e3", "1,000", True),
        ("9" * 5000, "9" * 5000, True),
        ("9" * 5000, "1", False),
    ],
)
def test_numbers_are_compared_exactly(answer: str, gold: str, equal: bool) -> None:
    assert is_correct(answer, gold, "number") is equal
