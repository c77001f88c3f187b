"""Answer types: one entry for each, with all that the type of an answer decides.

Who reads, compares, checks or guesses an answer looks it up here; a new type is one more entry. What is not
here is what methods ask and train with: how CasCoD and SCoTD write a choice (stages/text/formats.py), and how
a chat method asks for an answer (stages/text/last_line.py). A new way to read one must not ask a teacher or
train a student anew.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import eq

from stages.text import finders, gold, stated_values, stated_words
from stages.text.gold import LETTERS
from stages.text.mathematics import equal_latex, last_box, lenient_latex, strict_latex
from stages.text.stated_choices import stated_choice

MILLION = 10**6
SMALL = Fraction(1, 100)
LONGEST = 2000  # digits of two numbers


def equal_numbers(answer: str, gold: str) -> bool:
    """To six decimals, "5,600" and "5600" alike; exactly, however many digits there are, where both have no
    more; of values below 0.01 to four digits.

    Differs: zero-shot-CoT compares strings, so that "12.30" misses "12.3" and a gold "5,600" can never be
    met (difference 37).
    """
    first, second = (number.replace(",", "") for number in (answer, gold))
    if len(first) + len(second) > LONGEST:  # Python reads no integer of so many digits
        return first == second
    if first.isdecimal() and second.isdecimal():  # most are, and fractions take ten times as long
        return int(first) == int(second)
    one, other = Fraction(first), Fraction(second)
    if all(MILLION % number.denominator == 0 for number in (one, other)):
        return one == other
    size = max(abs(one), abs(other))
    return abs(one - other) * MILLION <= (1 if size >= SMALL else size / SMALL)


def equal_texts(answer: str, gold: str) -> bool:
    """Without whitespace, quotes and periods.

    Differs: the gold text is cleansed like the answer, so that one with spaces can be met (difference 38).
    """
    return finders.strict_text(answer) == finders.strict_text(gold)


def says(text: str, gold: str, choices: Sequence[str]) -> bool:
    """A whole text is the gold answer, character by character: BIG-Bench Hard's own rule."""
    return text == gold


def says_yes_no(text: str, gold: str, choices: Sequence[str]) -> bool:
    """Differs: "Yes" and "yes" are the same, for an Example does not keep the case (difference 39)."""
    return text.lower() == gold


def says_choice(text: str, gold: str, choices: Sequence[str]) -> bool:
    """The letter as "(B)".

    Differs: an option's text may stand for its letter or after one, as in PaLM's answers to CommonsenseQA
    (difference 40).
    """
    option = choices[LETTERS.index(gold)]
    return text == f"({gold})" or re.sub(r"^\([A-Z]\) ", "", text) == option


def has_box(text: str) -> bool:
    return last_box(text) is not None


def has_nothing(text: str) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class AnswerRules:
    """What the type of an answer decides; "gold" is the canonical answer that an Example holds."""

    canonical: gold.Canonical  # how a gold answer is written
    wanted: gold.Wanted  # what one that is not legal ought to be
    strict: finders.Finder  # by the published rule
    lenient: finders.Finder  # as a person would read
    stated: stated_values.StatedValue  # of a piece of text that states it
    equal: Callable[[str, str], bool] = eq  # is the answer that was read the gold one?
    # text, gold, choices: is it the gold answer as it stands?
    says: Callable[[str, str, Sequence[str]], bool] = says
    marked: Callable[[str], bool] = has_nothing  # does a text mark its answer without an answer prefix?
    chance: float = 0.0  # a guess is right so often, where an Example lists no choices
    lettered: bool = False  # the answer is the letter of a choice
    any_word: bool = False  # any word may be the answer: none can be found amid others


ANSWER_TYPES: dict[str, AnswerRules] = {
    "number": AnswerRules(  # "39"
        canonical=gold.canonical_number,
        wanted=gold.wanted_number,
        strict=finders.strict_numbers,
        lenient=finders.lenient_numbers,
        stated=stated_values.stated_number,
        equal=equal_numbers,
    ),
    "choice": AnswerRules(  # "A"
        canonical=gold.canonical_choice,
        wanted=gold.wanted_choice,
        strict=finders.strict_letters,
        lenient=finders.lenient_letters,
        stated=stated_choice,
        says=says_choice,
        lettered=True,
    ),
    "yes_no": AnswerRules(  # "yes"
        canonical=gold.canonical_yes_no,
        wanted=gold.wanted_yes_no,
        strict=finders.strict_yes_no,
        lenient=finders.lenient_yes_no,
        stated=stated_values.stated_yes_no,
        says=says_yes_no,
        chance=1 / 2,
    ),
    "text": AnswerRules(  # "yajo"
        canonical=gold.canonical_text,
        wanted=gold.wanted_text,
        strict=finders.strict_text,
        lenient=finders.lenient_text,
        stated=stated_words.stated_text,
        equal=equal_texts,
        any_word=True,
    ),
    "exact": AnswerRules(  # "] )", or one of a few: "valid"
        canonical=gold.canonical_text,
        wanted=gold.wanted_exact,
        strict=finders.strict_exact,
        lenient=finders.lenient_exact,
        stated=stated_words.stated_exact,
    ),
    "date": AnswerRules(  # "05/01/2021"
        canonical=gold.canonical_date,
        wanted=gold.wanted_date,
        strict=finders.strict_dates,
        lenient=finders.lenient_dates,
        stated=stated_words.stated_date,
    ),
    "latex": AnswerRules(  # "$2n-2$"
        canonical=gold.canonical_latex,
        wanted=gold.wanted_latex,
        strict=strict_latex,
        lenient=lenient_latex,
        stated=stated_words.stated_latex,
        equal=equal_latex,
        marked=has_box,
    ),
}


def rules_of(answer_type: str) -> AnswerRules:
    """The entry of a type. Raises ValueError for a type that there is not."""
    if answer_type not in ANSWER_TYPES:
        raise ValueError(f"answer type: got {answer_type!r}, wanted one of {', '.join(ANSWER_TYPES)}")
    return ANSWER_TYPES[answer_type]
