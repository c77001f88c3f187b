"""Gold answers: the one way to write an answer of each type, and what a legal one would be.

A source may write "1,200", True or an option's text; an Example holds the canonical form. Two functions a
type: `canonical_*` takes what a source holds, and raises ValueError with the place, what was got and what
was wanted; `wanted_*` says what an answer that is not legal ought to be, and None of one that is.
"""

import re
import string
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Context, Decimal

from stages.text.numerals import LONGEST

LETTERS = string.ascii_uppercase  # of the choices, in their order
NUMBER = re.compile(r"[+-]?((\d{1,3}(,\d{3})+|\d+)(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
PRECISE = Context(prec=2 * LONGEST)
LETTERED = re.compile(r"\(?([A-Za-z])[).]?")

# what a source holds, its place, the option texts -> the answer as an Example holds it
Canonical = Callable[[object, str, Sequence[str]], str]
# an Example's answer, its id, the option texts -> what it ought to be; None: it is legal
Wanted = Callable[[str, str, Sequence[str]], str | None]


def canonical_number(value: object, where: str, choices: Sequence[str] = ()) -> str:
    """As "39" for 39.0, "1200" for "1,200", "0.6666666666666666" in full."""
    text = "" if isinstance(value, bool) else str(value).strip()
    if not NUMBER.fullmatch(text):
        raise ValueError(f"{where}: answer is {value!r}, wanted a number")
    bare = text.replace(",", "")
    if re.fullmatch(r"[+-]?\d+", bare):
        return str(int(bare))
    number = Decimal(bare)
    if abs(number.adjusted()) > LONGEST:
        raise ValueError(f"{where}: answer is {value!r}, wanted a number of at most {LONGEST} digits")
    return f"{number.normalize(PRECISE):f}" if number else "0"


def canonical_choice(value: object, where: str, choices: Sequence[str]) -> str:
    """The letter, for the letter, as "b", "(B)" and "B." too, or for the text of a choice or its number."""
    text = str(value) if type(value) in (int, float) else canonical_text(value, where)
    legal = LETTERS[: len(choices)]
    if text in list(legal):
        return text
    stated = text if text in choices else str(value)
    letter = LETTERED.fullmatch(text)
    if letter and letter[1].upper() in legal and stated not in choices:
        return letter[1].upper()
    if list(choices).count(stated) != 1:
        raise ValueError(f"{where}: answer is {value!r}, wanted a letter of {legal!r} or one of {choices!r}")
    return LETTERS[list(choices).index(stated)]


def canonical_yes_no(value: object, where: str, choices: Sequence[str] = ()) -> str:
    """As "yes" for "Yes", True and "true"."""
    text = str(value).strip().lower()
    text = {"true": "yes", "false": "no"}.get(text, text)
    if text not in ("yes", "no"):
        raise ValueError(f"{where}: answer is {value!r}, wanted yes or no")
    return text


def canonical_text(value: object, where: str, choices: Sequence[str] = ()) -> str:
    """The text without blanks around it."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: answer is {value!r}, wanted a text that is not empty")
    return value.strip()


def canonical_latex(value: object, where: str, choices: Sequence[str] = ()) -> str:
    """As a text; files of competitions hold numbers too."""
    return canonical_text(str(value) if type(value) in (int, float) else value, where)


def canonical_date(value: object, where: str, choices: Sequence[str] = ()) -> str:
    """As "05/01/2021" for "5/1/2021" (MM/DD/YYYY)."""
    try:
        return f"{datetime.strptime(str(value).strip(), '%m/%d/%Y'):%m/%d/%Y}"
    except ValueError:
        raise ValueError(f"{where}: answer is {value!r}, wanted a date as MM/DD/YYYY") from None


def wanted_number(answer: str, where: str, choices: Sequence[str] = ()) -> str | None:
    """The canonical number. Raises ValueError where there is none."""
    canonical = canonical_number(answer, where)
    return None if answer == canonical else canonical


def wanted_choice(answer: str, where: str, choices: Sequence[str]) -> str | None:
    """A letter, which an option's text is not."""
    letters = LETTERS[: len(choices)]
    return None if answer in list(letters) else f"one of the letters {letters!r}"


def wanted_yes_no(answer: str, where: str, choices: Sequence[str] = ()) -> str | None:
    return None if answer in ("yes", "no") else "'yes' or 'no'"


def wanted_text(answer: str, where: str, choices: Sequence[str] = ()) -> str | None:
    return None if answer.strip() else "a text that is not empty"


def wanted_exact(answer: str, where: str, choices: Sequence[str]) -> str | None:
    """One of the few legal answers, else a text without what the strict reading takes off."""
    legal = list(choices) or [answer.strip().removesuffix(".")]
    return None if answer and answer in legal else f"one of {legal!r}"


def wanted_latex(answer: str, where: str, choices: Sequence[str] = ()) -> str | None:
    return None if answer.strip() else "a mathematical expression"


def wanted_date(answer: str, where: str, choices: Sequence[str] = ()) -> str | None:
    """The canonical date. Raises ValueError where there is none."""
    canonical = canonical_date(answer, where)
    return None if answer == canonical else canonical
