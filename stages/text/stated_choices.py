"""Choices: of what a text states as its answer, the letter of the option that is meant.

A part and `announced` are as in stages/text/stated_values.py.
"""

import re
from collections.abc import Sequence

from stages.text.gold import LETTERS
from stages.text.numerals import numerals, plain_signs
from stages.text.stated_values import LIST, NOT, SEVERAL, bare

BEFORE = 40  # characters before an option in which it may be denied
DENIED = re.compile(
    r"^[\s\"'*_)\].]*(?:is|are|was|seems)\s+(?:wrong|incorrect|not|false|out|impossible|ruled out)\b",
    re.IGNORECASE,
)
NO_ARTICLE = re.compile(r"\s+(?:and|or|nor|is|are|was|were|but|because|since|would|must|seems)\b")


def stated_choice(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """The letter of the one option that is meant, by its letter or by its whole text; SEVERAL of several."""
    plain = plain_signs(part)
    places = option_places(plain, choices)
    kept = [
        place
        for place in places
        if not NOT.search(plain[max(0, place[0] - BEFORE) : place[0]]) and not DENIED.match(plain[place[1] :])
    ]
    if not kept:
        return None
    letters = [letter for *_, letter in kept]
    if len(set(letters)) == 1:
        return letters[0]
    either = LIST.match(plain[kept[0][1] : kept[1][0]])
    return letters[0] if announced and not either else SEVERAL


def option_places(part: str, choices: Sequence[str]) -> list[tuple[int, int, str]]:
    """(start, end, letter) of every option that a part names, in order."""
    legal = LETTERS[: len(choices)]
    both = legal + legal.lower()
    if re.fullmatch(rf"[{both}]", bare(part)):
        return [(0, len(part), bare(part).upper())]
    if value := whole_option(bare(part), choices):
        return [(0, len(part), value)]
    lettered = re.match(rf"[(\[]?([{both}])[)\].:]\s*(\S.*)", bare(part))
    if lettered and whole_option(lettered[2], choices) == lettered[1].upper():  # "(a) (a + b)(a - b)"
        return [(0, len(part), lettered[1].upper())]
    pattern = re.compile(
        rf"[(\[]\s*([{both}])\s*[)\]]?(?![\w'])|(?<![\w'])([{both}])[).:](?=\s|$|[*_\"'])"
        rf"|\b(?:option|choice|answer|letter)\s+[\"'*(]*([{both}])\b|(?<![\w'])([{legal}])(?![\w'])",
    )
    letters = []
    for found in pattern.finditer(part):
        letter = next(group for group in found.groups() if group).upper()
        rest = part[found.end() :]
        article = letter == "I" or (letter == "A" and not NO_ARTICLE.match(rest))
        if not (found[4] and article and re.match(r"\s+[a-z]", rest)):  # "A train"
            letters.append((found.start(), found.end(), letter))
    return letters or option_texts(part, choices)


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
