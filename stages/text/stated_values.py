"""Values: of what a text states as its answer, the answer; one function for each type.

A part is a piece of text, `announced` whether the text calls it its answer. None: the part holds no answer of
the type; SEVERAL: it holds more than one, so that none is stated.
"""

# ruff: noqa: RUF001  # quotes and signs of all kinds are what is looked for

import html
import re
from collections.abc import Callable, Sequence
from contextlib import suppress

from stages.text.finders import lenient_dates
from stages.text.gold import LETTERS
from stages.text.mathematics import strict_latex
from stages.text.numerals import numerals, plain_signs, spelled, written

# a part, whether it is announced as the answer, the option texts -> the answer in it
StatedValue = Callable[[str, bool, Sequence[str]], str | None]
SEVERAL = ""
EMPHASIS = " \t\n\"'“”‘’„«»`*_~"
OR = re.compile(r"^[\s\"'*_)\].,]*(?:or|/|and/or)[\s\"'*_(\[]*$", re.IGNORECASE)
BEFORE = 40  # characters before an option in which it may be denied
NOT = re.compile(
    r"\b(?:not|never|neither|isn't|instead of|rather than|than)\s+(?:option |choice )?[\"'*(\[]*$",
    re.IGNORECASE,
)


def bare(text: str) -> str:
    """Without marks of emphasis and quotes around it, and without a period at its end."""
    before = None
    while before != text:
        before = text
        text = text.strip(EMPHASIS).removesuffix(".").strip(EMPHASIS)
    return text


def sentences(text: str) -> list[str]:
    """Parts that end in a period, question or exclamation mark with a blank behind it; at least one."""
    return re.split(r"(?<=[.!?])[*_\"']*\s+(?=\S)", text.strip())


def first_sentence(text: str) -> str:
    return sentences(text)[0]


def stated_number(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """Announced: the first number, but what an equals sign comes to. Else the last one."""
    plain = plain_signs(part)
    sentence = first_sentence(plain) if announced else plain
    found = numerals(sentence) or spelled(sentence) or numerals(plain) or spelled(plain)
    if not found:
        return None
    equals = [number for number in found if re.search(r"=\s*\$?\s*$", sentence[: number.start])]
    if equals:
        return written(equals[-1].value)
    if announced and len(found) > 1 and OR.match(sentence[found[0].end : found[1].start]):
        return SEVERAL
    return written(found[0 if announced else -1].value)


def stated_choice(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """The letter of the one option that is meant, by its letter or by its whole text; SEVERAL of several."""
    places = option_places(part, choices)
    kept = [place for place in places if not NOT.search(part[max(0, place[0] - BEFORE) : place[0]])]
    if not kept:
        return None
    letters = [letter for *_, letter in kept]
    if len(set(letters)) == 1:
        return letters[0]
    either = OR.match(part[kept[0][1] : kept[1][0]])
    return letters[0] if announced and not either else SEVERAL


def option_places(part: str, choices: Sequence[str]) -> list[tuple[int, int, str]]:
    """(start, end, letter) of every option that a part names, in order."""
    legal = LETTERS[: len(choices)]
    both = legal + legal.lower()
    plain = plain_signs(part)
    if re.fullmatch(rf"[{both}]", bare(plain)):
        return [(0, len(part), bare(plain).upper())]
    if value := whole_option(bare(plain), choices):
        return [(0, len(part), value)]
    pattern = re.compile(
        rf"[(\[]\s*([{both}])\s*[)\]]?(?![\w'])|(?<![\w'])([{both}])[).:](?=\s|$|[*_\"'])"
        rf"|\b(?:option|choice|answer|letter)\s+[\"'*(]*([{both}])\b|(?<![\w'])([{legal}])(?![\w'])",
    )
    letters = []
    for found in pattern.finditer(plain):
        letter = next(group for group in found.groups() if group).upper()
        alone = found[4] and letter in "AI" and re.match(r"\s+[a-z]", plain[found.end() :])
        if not alone:  # "A train"
            letters.append((found.start(), found.end(), letter))
    return letters or option_texts(plain, choices)


def whole_option(text: str, choices: Sequence[str]) -> str | None:
    """The letter of the option that a text is as a whole, numbers by their value."""
    folded = bare(text).casefold()
    for letter, choice in zip(LETTERS, choices, strict=False):
        if folded == bare(choice).casefold():
            return letter
    value = only_number(text)
    if value is not None:
        same = [
            letter for letter, choice in zip(LETTERS, choices, strict=False) if only_number(choice) == value
        ]
        return same[0] if len(same) == 1 else None
    return None


def only_number(text: str) -> object:
    """The value of a text that is one number and no more, units of money aside."""
    plain = plain_signs(bare(text))
    found = numerals(plain)
    whole = (
        len(found) == 1
        and not plain[: found[0].start].strip("$€£ ")
        and not plain[found[0].end :].strip("% .")
    )
    return found[0].value if whole else None


def option_texts(part: str, choices: Sequence[str]) -> list[tuple[int, int, str]]:
    """Options by their whole text amid other words, the longest first; numbers as whole numbers only."""
    taken: list[tuple[int, int, str]] = []
    lettered = sorted(zip(choices, LETTERS, strict=False), key=lambda pair: -len(pair[0]))
    numbers = numerals(part)
    for choice, letter in lettered:
        value = only_number(choice)
        if value is not None:
            places = [(number.start, number.end) for number in numbers if number.value == value]
        elif bare(choice):
            whole = re.compile(rf"(?<!\w){re.escape(bare(choice))}(?!\w)", re.IGNORECASE)
            places = [found.span() for found in whole.finditer(part)]
        else:
            places = []
        for start, end in places:
            if all(end <= other or start >= past for other, past, _ in taken):
                taken.append((start, end, letter))
    return sorted(taken)


def stated_yes_no(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    said = re.search(
        r"(?<![\w-])(?:(not\s+)?(true|correct)|(yes|no|false))(?![\w-])", bare(part), re.IGNORECASE
    )
    if not said:
        return None
    if said[3]:
        return "yes" if said[3].lower() == "yes" else "no"
    return "no" if said[1] else "yes"


def stated_text(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """What is set in quotes or bold, else what follows a colon or "is", else the whole."""
    part = html.unescape(part)
    for pattern in (r"\*\*(.+?)\*\*", r"[\"“„«]([^\"”“»\n]+)[\"”“»]", r"(?<!\w)['‘`]([^'’`\n]+)['’`](?!\w)"):
        if found := re.findall(pattern, part):
            return bare(found[-1 if not announced else 0]) or None
    tail = part if announced else re.split(r"[:=]\s|\b(?:is|are|get|gives|makes|make|spells)\b", part)[-1]
    return bare(first_sentence(tail)) or None


def stated_date(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    slashes = re.sub(r"\b(\d{4})[./](\d{1,2})[./](\d{1,2})\b", r"\1-\2-\3", part)
    found = lenient_dates(slashes)
    return found[0 if announced else -1] if found else None


def stated_exact(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """One of the few legal answers, in any case; where there are none, the bare text."""
    if not choices:
        return bare(part) or None
    spelling = {choice.casefold(): choice for choice in choices}
    pattern = "|".join(re.escape(choice) for choice in sorted(choices, key=len, reverse=True))
    found = re.findall(rf"(?<!\w)(?:{pattern})(?!\w)", part, re.IGNORECASE)
    if not found:
        return None
    return spelling[found[0 if announced else -1].casefold()]


def stated_latex(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    with suppress(IndexError):
        return strict_latex(part)[0]
    return None
