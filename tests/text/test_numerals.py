"""Numerals: every form that people and models write, and numbers that are written and read back."""

# ruff: noqa: RUF001  # signs of all kinds are what is tested

import random
from fractions import Fraction

import pytest

from stages.text.number_words import spelled
from stages.text.numerals import LONGEST, numerals, plain_signs, written


def read(text: str) -> list[str]:
    return [written(number.value) for number in numerals(plain_signs(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # signs of minus, and what is none
        ("The change is −5 degrees.", ["-5"]),
        ("The change is –5.", ["-5"]),
        ("so x = − 7", ["-7"]),
        ("－3 degrees", ["-3"]),
        ("- 5", ["-5"]),
        ("$−$5", ["-5"]),
        ("-$1,200", ["-1200"]),
        ("$-4", ["-4"]),
        ("8-3", ["8", "3"]),
        ("pages 3–5", ["3", "5"]),
        # groups of digits
        ("12 500 euros", ["12500"]),
        ("1 234 567", ["1234567"]),
        ("10 000", ["10000"]),
        ("1{,}250", ["1250"]),
        ("1'250 francs", ["1250"]),
        ("1’250", ["1250"]),
        ("5\\,400", ["5400"]),
        ("1,250.5", ["1250.5"]),
        ("1,2,3", ["1", "2", "3"]),
        ("12 apples, 30 pears", ["12", "30"]),
        # powers and scales
        ("about 3.5e4 grams", ["35000"]),
        ("2 × 10^3", ["2000"]),
        ("4 x 10^2", ["400"]),
        ("2 \\times 10^{3}", ["2000"]),
        ("6.02e23", ["602000000000000000000000"]),
        ("1.5 million people", ["1500000"]),
        ("5 thousand", ["5000"]),
        # fractions
        ("3/4 of it", ["0.75"]),
        ("7/2", ["3.5"]),
        ("½ of it", ["0.5"]),
        ("1½", ["1.5"]),
        ("1 1/4", ["1.25"]),
        ("\\frac{3}{4}", ["0.75"]),
        ("1/3", [repr(1 / 3)]),
        ("1/0", []),
        # what is no number, and what stands beside one
        ("05/01/2021, 2021-05-01, 2021.05.01", []),
        ("B12", []),
        ("\\$18", ["18"]),
        ("２５", ["25"]),
        ("50%", ["50"]),
        (".5", ["0.5"]),
        ("1.500.", ["1.5"]),
        ("three", []),
        ("", []),
    ],
)
def test_forms(text: str, expected: list[str]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("twenty-one apples", ["21"]),
        ("zero, one and ninety nine", ["0", "1", "99"]),
        ("two million", ["2000000"]),
        ("someone often", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert [written(number.value) for number in spelled(text)] == expected


def test_what_was_written_is_read_back() -> None:
    rng = random.Random(0)
    for _ in range(2000):
        value = Fraction(rng.randrange(-(10**9), 10**9), 10 ** rng.randrange(6))
        grouped = f"{abs(value.numerator) // value.denominator:,}"
        plain = written(value)
        fraction = plain.partition(".")[2]
        assert Fraction(plain) == value
        assert [number.value for number in numerals(plain)] == [value]
        assert [abs(number.value) for number in numerals(f"{grouped}.{fraction}".rstrip("."))] == [abs(value)]


def test_a_number_beyond_all_bounds_is_none() -> None:
    assert read(f"1e{LONGEST + 1} or 7") == ["7"]
    assert read("9" * (LONGEST + 1)) == []
    assert read("9" * LONGEST) == ["9" * LONGEST]
