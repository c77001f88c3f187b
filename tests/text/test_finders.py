"""Finders: tables of cases for each type's two rules, and agreement with independent readings."""

import random
from datetime import date, timedelta

import pytest

from stages.text.answers import read_answer
from stages.text.finders import (
    lenient_dates,
    lenient_numbers,
    name_options,
    strict_dates,
    strict_letters,
    strict_numbers,
    strict_text,
    strict_yes_no,
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
def test_strict_numbers(text, expected):
    assert strict_numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,234", ["1234"]),
        ("1,234,567.5", ["1234567.5"]),
        ("12,345", ["12345"]),
        ("1,2345", ["1", "2345"]),  # thousands have three digits each
        ("1,23", ["1", "23"]),
        ("1, 234", ["1", "234"]),
        ("3,4,5", ["3", "4", "5"]),
        ("8-3, -$1,200", ["8", "3", "-1200"]),
        ("(5)-2", ["5", "2"]),
        (".5 of -.5", [".5", "-.5"]),
        ("2.50.", ["2.50"]),
    ],
)
def test_lenient_numbers(text, expected):
    assert lenient_numbers(text) == expected


def numbers_by_hand(text: str) -> list[str]:
    """An independent reading of numbers, character by character."""
    text = text.replace(",", "")
    found = []
    place = 0
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


def test_strict_numbers_against_an_independent_reading():
    rng = random.Random(0)
    for _ in range(5000):
        text = "".join(rng.choices("0123456789..,,--$ ab", k=rng.randrange(15)))
        assert strict_numbers(text) == numbers_by_hand(text), text


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
def test_strict_letters(text, n_choices, expected):
    assert strict_letters(text, [""] * n_choices) == expected


@pytest.mark.parametrize(
    ("text", "choices", "expected"),
    [
        ("it is Dark red.", ["red", "dark red"], "it is (B)."),
        # the longer option wins, whatever their order
        ("red wine, not red", ["red", "red wine"], "(B), not (A)"),
        ("red wine, not red", ["red wine", "red"], "(A), not (B)"),
        ("infrared", ["red"], "infrared"),
        ("5 of 55", ["5"], "(A) of 55"),
        ("no. 1.", ["no. 1."], "(A)."),  # an option's own full stop is none of its words
        ("red", ["red", "red"], "(A)"),
        ("anything", ["", " ."], "anything"),
        # letters that the pattern takes for s, i and k, and that no lower() turns into them
        ("the \u017fun", ["sun", "x"], "the (A)"),
        ("\u0131n time, MIL\u212a", ["milk", "in"], "(B) time, (A)"),
        ("\u0130nk", ["ink"], "(A)"),
        ("stra\u1e9ee", ["stra\u00dfe"], "(A)"),
        ("anything", [], "anything"),
    ],
)
def test_written_out_options_become_letters(text, choices, expected):
    assert name_options(text, choices) == expected


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
def test_strict_yes_no(text, expected):
    assert strict_yes_no(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [(' "yajo."', ["yajo"]), ("y a\nj o", ["yajo"]), ("y-a-j-o", ["y-a-j-o"]), (" \".\n'", []), ("", [])],
)
def test_strict_text(text, expected):
    assert strict_text(text) == expected


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        (" 05/01/2021.", ["05/01/2021"], ["05/01/2021"]),
        ("5/1/75, 5/1/76", [], ["05/01/2075", "05/01/1976"]),
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
    assert strict_dates(text) == strict
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
            assert read_answer(f"it is {written}.", "", "date").lenient == f"{day:%m/%d/%Y}", written
        assert read_answer(f" {day.month}/{day.day}/{day.year}", "", "date").strict == f"{day:%m/%d/%Y}"
