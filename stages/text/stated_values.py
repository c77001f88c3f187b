"""Values: of what a text states as its answer, the answer; one function for each type.

A part is a piece of text, `announced` whether the text calls it its answer. None: the part holds no answer of
the type; SEVERAL: it holds more than one, so that none is stated.
"""

# ruff: noqa: RUF001  # quotes and signs of all kinds are what is looked for

import html
import re
from collections.abc import Callable, Sequence
from contextlib import suppress

from stages.text.finders import any_of, lenient_dates, which_of
from stages.text.mathematics import strict_latex
from stages.text.numerals import Numeral, numerals, plain_signs, spelled, written

# a part, whether it is announced as the answer, the option texts -> the answer in it
StatedValue = Callable[[str, bool, Sequence[str]], str | None]
SEVERAL = ""
EMPHASIS = " \t\n\"'“”‘’„«»`*_~"
OR = re.compile(r"^[\s\"'*_)\].,]*(?:or|/|and/or|to|-)[\s\"'*_(\[]*$", re.IGNORECASE)
LIST = re.compile(r"^[\s\"'*_)\].,]*(?:or|/|and/or|and|&|,)[\s\"'*_(\[]*$", re.IGNORECASE)
NOT = re.compile(
    r"\b(?:not|never|neither|nor|isn't|instead of|rather than|than|except|excluding)\s+"
    r"(?:option |choice )?[\"'*(\[]*$",
    re.IGNORECASE,
)
OF = re.compile(r"\b(?:of|from|than)\s+(?:the |his |her |their |all )?\$?$", re.IGNORECASE)  # "8 of 12"


AFFIRMED = ("yes", "true", "correct")
YES_NO = re.compile(
    r"(?<![\w-])(?P<denied>(?:not|never|\w+n['’]t)\s+(?:really |quite |at all )?)?"
    r"(?P<word>yes|true|correct|false|incorrect|untrue"
    r"|no(?!\s+(?:one|body|doubt|way|evidence|reason|need|problem|matter|such|other|more|longer)\b))(?![\w-])",
    re.IGNORECASE,
)
NOT_BUT = re.compile(r",?\s+(?:not|rather than|instead of)\s", re.IGNORECASE)
TAG = re.compile(r"</?(?:b|i|u|em|strong|code|span)>", re.IGNORECASE)


def bare(text: str) -> str:
    """Without marks of emphasis and quotes around it, and without a period at its end."""
    before = None
    while before != text:
        before = text
        text = text.strip(EMPHASIS).removesuffix(".").removesuffix("!").strip(EMPHASIS)
    return text


def sentences(text: str) -> list[str]:
    """Parts that end in a period, question or exclamation mark with a blank behind it; at least one."""
    return re.split(r"(?<=[.!?])(?<!^[A-Z]\.)(?<![\s(*][A-Z]\.)[*_\"']*\s+(?=\S)", text.strip())


def first_sentence(text: str) -> str:
    return sentences(text)[0]


def stated_number(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """Announced: the first number, but what an equals sign comes to. Else the last one, but none that another
    is taken of. Never one that is denied.
    """
    plain = plain_signs(part)
    sentence = first_sentence(plain) if announced else plain
    found = numerals(sentence) or spelled(sentence) or numerals(plain) or spelled(plain)
    kept = [number for number in found if not NOT.search(sentence[: number.start])]
    if not kept:
        return None
    equals = [number for number in found if re.search(r"=\s*\$?\s*$", sentence[: number.start])]
    if equals:
        return written(equals[-1].value)
    if announced:
        return SEVERAL if several(sentence, kept) else written(kept[0].value)
    own = [number for number in kept if not OF.search(sentence[: number.start])] or kept
    return written(own[-1].value)


def several(sentence: str, found: list[Numeral]) -> bool:
    """5 or 6, 5 to 6, between 5 and 6: two values in place of one."""
    if len(found) < 2 or found[0].value == found[1].value:
        return False
    between = sentence[found[0].end : found[1].start]
    span = re.search(r"\bbetween\s*$", sentence[: found[0].start], re.IGNORECASE)
    return bool(OR.match(between) or (span and between.strip() == "and"))


def stated_yes_no(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """Denials count: "not true" is no. SEVERAL of "yes and no"."""
    said = [*YES_NO.finditer(plain_signs(bare(part)))]
    if not said:
        return None
    answers = [
        "yes" if (found["word"].lower() in AFFIRMED) != bool(found["denied"]) else "no" for found in said
    ]
    if len(said) > 1 and LIST.match(part[said[0].end() : said[1].start()]) and answers[0] != answers[1]:
        return SEVERAL
    return answers[0]


def stated_text(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """What is set in quotes or bold, else what follows a colon or "is", else the whole."""
    part = TAG.sub("", html.unescape(part))
    for pattern in (r"\*\*(.+?)\*\*", r"[\"“„«]([^\"”“»\n]+)[\"”“»]", r"(?<!\w)['‘`]([^'’`\n]+)['’`](?!\w)"):
        if found := re.findall(pattern, part):
            return bare(found[-1 if not announced else 0]) or None
    tail = part if announced else re.split(r"[:=]\s|\b(?:is|are|get|gives|makes|make|spells)\b", part)[-1]
    return bare(NOT_BUT.split(first_sentence(tail))[0]) or None


# other forms of dates, as those that are known
DATES = (
    (r"\b(\d{4})[./年](\d{1,2})[./月](\d{1,2})日?(?!\w)", r"\1-\2-\3"),
    (r"(?<![\w./-])(\d{1,2})[.-](\d{1,2})[.-](\d{4})(?![\w-])", r"\1/\2/\3"),
    (r"\b(\d{1,2})-([A-Za-z]{3,9})-(\d{4})\b", r"\1 \2 \3"),
)


def stated_date(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    plain = plain_signs(part)
    for form, known in DATES:
        plain = re.sub(form, known, plain)
    found = lenient_dates(plain)
    return found[0 if announced else -1] if found else None


def stated_exact(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """One of the few legal answers, in any case; where there are none, the bare text."""
    if not choices:
        return bare(part) or None
    spelled = sorted(choices, key=len, reverse=True)
    found = [which_of(spelled, one) for one in any_of(spelled).finditer(part)]
    return found[0 if announced else -1] if found else None


def stated_latex(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    with suppress(IndexError):
        return strict_latex(part)[0]
    return None
