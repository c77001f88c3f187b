"""Reading answers: tables of cases, properties, and agreement with an independent reading."""

import random
import string
from datetime import date, timedelta

import pytest

from stages.text.answers import (
    ANSWER_TYPES,
    Reading,
    candidates,
    equals_as_text,
    is_correct,
    lenient_dates,
    read,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" 39.", ["39"]),
        ("$1,200.50 in all", ["1200.50"]),
        ("-7 or 3.", ["-7", "3"]),
        ("8-3 = 5", ["8", "-3", "5"]),  # the published rule knows no subtraction
        ("1,2", ["12"]),  # nor lists
        ("12.30", ["12.30"]),
        ("3.4.", ["3.4"]),
        (".5", ["5"]),
        ("50%", ["50"]),
        ("three", []),
        ("", []),
    ],
)
def test_numbers(text, expected):
    assert candidates(text, "number") == expected


@pytest.mark.parametrize(
    ("text", "n_choices", "expected"),
    [
        (" (B).", 5, ["B"]),
        ("Ann or Bob", 3, ["A", "B"]),  # the published rule looks into words
        ("(b)", 5, []),
        ("F", 5, []),
        ("F", 6, ["F"]),
        ("D", 3, []),
        ("between A and E", 5, ["A", "E"]),
        ("Z", 26, ["Z"]),
    ],
)
def test_letters(text, n_choices, expected):
    assert candidates(text, "choice", n_choices) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Yes.", ["yes"]),
        ('"No", he said: yes', ["no", "yes"]),
        ("yes\nno", ["yes", "no"]),
        ("not known", []),
        ("yesterday, nobody", []),
        ("No!", []),  # only quotes, periods, commas, colons and whitespace part words
        ("", []),
    ],
)
def test_yes_no(text, expected):
    assert candidates(text, "yes_no") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [(' "yajo."', ["yajo"]), ("y a\nj o", ["yajo"]), ("y-a-j-o", ["y-a-j-o"]), (" \".\n'", []), ("", [])],
)
def test_text(text, expected):
    assert candidates(text, "text") == expected


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        (" 05/01/2021.", ["05/01/2021"], ["05/01/2021"]),
        ("5/1/2021, then 12/31/1999", ["05/01/2021", "12/31/1999"], ["05/01/2021", "12/31/1999"]),
        ("13/05/2021", [], ["05/13/2021"]),  # as MM/DD/YYYY it is no date
        ("02/30/2021", [], []),
        ("May 1st, 2021", [], ["05/01/2021"]),
        ("on the 3rd of march 1999", [], ["03/03/1999"]),
        ("4 Apr. 2000 or 2000-04-05", [], ["04/04/2000", "04/05/2000"]),
        ("1/2/03", [], ["01/02/2003"]),
        ("100/20/20201, 1/2, May 2021, 2021", [], []),
        ("", [], []),
    ],
)
def test_dates(text, strict, lenient):
    assert candidates(text, "date") == strict
    assert lenient_dates(text) == lenient


def test_dates_against_the_calendar():
    rng = random.Random(3)
    for _ in range(300):
        day = date(1900, 1, 1) + timedelta(days=rng.randrange(60_000))
        for written in (
            f"{day:%m/%d/%Y}",
            f"{day.month}/{day.day}/{day.year}",
            f"{day:%B %d, %Y}",
            f"{day:%d %b %Y}",
            f"{day:%Y-%m-%d}",
        ):
            assert read(f"it is {written}.", "", "date").lenient == f"{day:%m/%d/%Y}", written
        assert read(f" {day.month}/{day.day}/{day.year}", "", "date").strict == f"{day:%m/%d/%Y}"


@pytest.mark.parametrize(
    ("answer_type", "n_choices", "message"),
    [("letter", 5, "letter"), ("choice", 0, "got 0"), ("choice", 27, "got 27")],
)
def test_illegal_types(answer_type, n_choices, message):
    with pytest.raises(ValueError, match=message):
        candidates("A", answer_type, n_choices)
    with pytest.raises(ValueError, match=message):
        read("A", "", answer_type, n_choices)


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
    assert read(text, prefix, answer_type, n_choices) == expected


@pytest.mark.parametrize(
    ("text", "prefix", "expected"),
    [
        ("It is Dark Red.", "", "B"),
        ("The answer is red.", "he answer is", "A"),  # of two equal options the first
        ("infrared", "", None),
        ("The answer is 5.", "he answer is", "C"),
        ("The answer is (e) 5.", "he answer is", "E"),
        ("red, no: none of these", "-->", "D"),
        ("nothing", "", None),
    ],
)
def test_written_out_options(text, prefix, expected):
    assert read(text, prefix, "choice", 5, OPTIONS).lenient == expected


def test_options_leave_the_strict_reading_and_other_types_alone():
    assert read("dark red", "", "choice", 5, OPTIONS).strict is None
    assert read("5 red", "", "number", 0, OPTIONS) == Reading("5", "5", True)


@pytest.mark.parametrize(
    ("answer", "gold", "answer_type", "expected"),
    [
        ("39", "39", "number", True),
        ("39.0", "39", "number", True),
        ("12.30", "12.3", "number", True),
        ("5600", "5,600", "number", True),
        ("0.6666667", "0.6666666666666666", "number", True),
        ("0.667", "0.6666666666666666", "number", False),
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
    assert read(text, "", "exact", choices=choices) == Reading(strict, lenient, True)
    assert read(f"so the answer is{text}", "the answer is", "exact", choices=choices) == Reading(
        strict, lenient, True
    )
    assert is_correct(strict, strict or "", "exact") is (strict is not None)
    assert read(" .\n", "", "exact") == Reading(None, None, True)
    assert not is_correct("Valid", "valid", "exact")


def test_equals_as_text():
    assert equals_as_text("12.3", "12.3")
    assert not equals_as_text("12.30", "12.3")
    assert not equals_as_text(None, "")


def numbers_by_hand(text: str) -> list[str]:
    """An independent reading of numbers, character by character."""
    text, found, place = text.replace(",", ""), [], 0
    while place < len(text):
        start = place
        sign = text[place] == "-" and text[place + 1 : place + 2].isdigit()
        if not sign and not text[place].isdigit():
            place += 1
            continue
        place += 1
        seen_point = False
        while place < len(text) and (
            text[place].isdigit()
            or (text[place] == "." and not seen_point and text[place + 1 : place + 2].isdigit())
        ):
            seen_point |= text[place] == "."
            place += 1
        found.append(text[start:place])
    return found


def test_numbers_against_an_independent_reading():
    rng = random.Random(0)
    for _ in range(5000):
        text = "".join(rng.choices("0123456789..,,--$ ab", k=rng.randrange(15)))
        assert candidates(text, "number") == numbers_by_hand(text), text


# its rules: test_mathematics.py
@pytest.mark.parametrize("answer_type", sorted(ANSWER_TYPES.keys() - {"latex"}))
def test_reading_properties(answer_type):
    """Never an empty answer; strict is one of the candidates; lenient is a legal answer; words before the
    mark do not matter to strict.
    """
    rng = random.Random(1)
    pieces = [
        "yes",
        "No",
        "A",
        "(b)",
        "C.",
        "3",
        "-4.5",
        "1,000",
        '"',
        "'",
        " ",
        "\n",
        ".",
        "-->",
        "word",
        ":",
    ]
    legal = {"choice": set("ABC"), "yes_no": {"yes", "no"}}
    for _ in range(3000):
        text = "".join(rng.choices(pieces, k=rng.randrange(8)))
        reading = read(text, "-->", answer_type, 3)
        assert "" not in (reading.strict, reading.lenient)
        assert reading.formatted is ("-->" in text)
        if "-->" not in text:
            assert reading.strict is None
            assert (
                read("noise 17 B yes -->" + text, "-->", answer_type, 3).strict
                == read(text, "", answer_type, 3).strict
            )
        else:
            assert reading.strict in [None, *candidates(text.split("-->", 1)[1], answer_type, 3)]
        for answer in (reading.strict, reading.lenient):
            if answer is not None and answer_type in legal:
                assert answer in legal[answer_type]
            if answer is not None:
                assert is_correct(answer, answer, answer_type)


def test_a_bare_answer_is_read_as_itself():
    golds = {
        "number": ["0", "-3.25", "14696"],
        "choice": list(string.ascii_uppercase[:6]),
        "yes_no": ["yes", "no"],
        "text": ["yajo"],
    }
    for answer_type, values in golds.items():
        for gold in values:
            for text in (gold, f" {gold}.", f' "{gold}".'):
                assert read(text, "", answer_type, 6) == Reading(gold, gold, True)
