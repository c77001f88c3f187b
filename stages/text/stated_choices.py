"""Choices: of what a text states as its answer, the letter of the option that is meant.

A part and `announced` are as in stages/text/stated_values.py.
"""

# ruff: noqa: RUF001  # quotes of all kinds are what is looked for

import re
from collections.abc import Sequence

from stages.text.gold import LETTERS
from stages.text.hedges import BESIDE, POSSIBLE, side_by_side
from stages.text.number_words import spelled
from stages.text.numerals import UNSPACED, numerals, plain_signs
from stages.text.stated_values import NOT, SEVERAL, bare, before

DENIED = re.compile(
    r"^[\s\"'*_)\].]*(?:is|are|was|seems|would be)\s+(?:also |both |clearly |simply |too |all )*"
    r"(?:wrong|incorrect|not|false|out|impossible|ruled out|eliminated)\b",
    re.IGNORECASE,
)
LEFT_OUT = re.compile(
    r"\b(?:eliminat\w+|rul\w+ out|exclud\w+|discard\w+|reject\w+|cannot be|could not be|(?:can|won)['’]t be)"
    r"\s+[\"'*(\[]*(?:option |choice )?[\"'*(\[]*$",
    re.IGNORECASE,
)
ARTICLE = re.compile(r"^(?:an?|the)\s+")
NO_ARTICLE = re.compile(r"\s+(?:and|or|nor|is|are|was|were|but|because|since|would|must|seems)\b")

WORD = rf"(?:[^\W{UNSPACED}]|')"  # a letter that is part of one is no option's
AMONG = re.compile(r"\b(?:between|of|among)\s+[\"'*(\[]*$", re.IGNORECASE)
AND = re.compile(r"\b(?:and|or|nor)\b|[/&]", re.IGNORECASE)

Place = tuple[int, int, str]  # where an option begins and ends in a part, and its letter


def stated_choice(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """The letter of the one option that is meant, by its letter or by its whole text; SEVERAL of several."""
    plain = plain_signs(part)
    places = option_places(plain, choices)
    kept = meant_places(plain, places)
    if not kept:  # "the theatre, not (A)"
        denied = {letter for *_, letter in places}
        texts = [place for place in option_texts(plain, choices) if place[2] not in denied]
        kept = meant_places(plain, texts)
    if not kept:
        return None
    letters = [letter for *_, letter in kept]
    if len(set(letters)) == 1:
        return letters[0]
    other = next(place for place in kept if place[2] != letters[0])
    both = offered(plain, kept[kept.index(other) - 1], other)
    return letters[0] if announced and not both else SEVERAL


def meant_places(plain: str, places: list[Place]) -> list[Place]:
    """Without options that are denied, and those that are only mentioned beside another: "not A or C",
    "A and C are wrong", "B, though D is possible".
    """
    kept: list[Place] = []
    beside: list[Place] = []
    for run in runs_of(plain, places):
        words = before(plain, run[0][0])
        after = plain[run[-1][1] :]
        if NOT.search(words) or LEFT_OUT.search(words) or DENIED.match(after):
            continue
        mentioned = BESIDE.search(words) or POSSIBLE.match(after) or (len(run) > 1 and AMONG.search(words))
        (beside if mentioned else kept).extend(run)
    return kept or beside


def runs_of(plain: str, places: list[Place]) -> list[list[Place]]:
    """Options that stand side by side, together; of "A, B" each alone, for the second may begin a clause."""
    runs: list[list[Place]] = []
    for place in places:
        # an "and" ends a list: "of B and C, B"
        ended = runs and AND.search(plain[runs[-1][0][1] : runs[-1][-1][0]])
        goes_on = runs and (not ended or AND.search(plain[runs[-1][-1][1] : place[0]]))
        if goes_on and offered(plain, runs[-1][-1], place):
            runs[-1].append(place)
        else:
            runs.append([place])
    joined = []
    for run in runs:
        inside = plain[run[0][1] : run[-1][0]]
        joined += [run] if AND.search(inside) else [[place] for place in run]
    return joined


def option_places(part: str, choices: Sequence[str]) -> list[Place]:
    """(start, end, letter) of every option that a part names, in order."""
    legal = LETTERS[: len(choices)]
    both = legal + legal.lower()
    small = "".join(letter for letter in legal.lower() if letter not in "ai") or "b"  # words of their own
    if re.fullmatch(rf"[{both}]", bare(part)):
        return [(0, len(part), bare(part).upper())]
    if value := whole_option(bare(part), choices):
        return [(0, len(part), value)]
    lettered = re.match(rf"[(\[]?([{both}])[)\].:]\s*(\S.*)", bare(part))
    if lettered and whole_option(lettered[2], choices) == lettered[1].upper():  # "(a) (a + b)(a - b)"
        return [(0, len(part), lettered[1].upper())]
    pattern = re.compile(
        rf"[(\[]\s*([{both}])\s*[)\]]?(?!{WORD})|(?<!{WORD})([{both}])[).:](?=\s|$|[*_\"'])"
        rf"|\b(?:option|choice|answer|letter)\s+[\"'*(]*([{both}])\b|(?<!{WORD})([{legal}])(?!{WORD})"
        rf"|(?<!{WORD})([{small}])(?=[.!]?$)",
    )
    letters = []
    for found in pattern.finditer(part):
        letter = next(group for group in found.groups() if group).upper()
        rest = part[found.end() :]
        article = letter == "I" or (letter == "A" and not NO_ARTICLE.match(rest))
        if not (found[4] and article and re.match(r"\s+[a-z]", rest)):  # "A train"
            own = re.escape(bare(choices[LETTERS.index(letter)]))
            named = re.match(rf"[\s)\].:*_\"'-]*{own}(?![\w-])", rest, re.IGNORECASE) if own else None
            letters.append((found.start(), found.end() + (named.end() if named else 0), letter))
    texts = option_texts(part, choices)
    if not letters:
        return texts
    # "(B) or the theatre": beside letters a text counts only where it is offered as another
    return sorted(
        [*letters, *(text for text in texts if any(offered(part, text, letter) for letter in letters))]
    )


def offered(part: str, one: Place, other: Place) -> bool:
    """Whether two options stand side by side."""
    first, second = sorted((one, other))
    return first[1] <= second[0] and side_by_side(part[first[1] : second[0]])


def whole_option(text: str, choices: Sequence[str]) -> str | None:
    """The letter of the option that a text is as a whole, numbers by their value."""
    for form in (folded, without_article):
        for letter, choice in zip(LETTERS, choices, strict=False):
            if form(text) == form(choice):
                return letter
    value = only_number(text)
    if value is not None:
        same = [
            letter for letter, choice in zip(LETTERS, choices, strict=False) if only_number(choice) == value
        ]
        return same[0] if len(same) == 1 else None
    return None


def folded(text: str) -> str:
    """Without marks around it, in one case, with plain blanks and apostrophes."""
    return " ".join(bare(text).replace("’", "'").casefold().split())


def without_article(text: str) -> str:
    return ARTICLE.sub("", folded(text))


def only_number(text: str) -> object:
    """The value of a text that is one number and no more, units of money aside."""
    plain = plain_signs(bare(text))
    found = numerals(plain) or spelled(plain)
    whole = (
        len(found) == 1
        and not plain[: found[0].start].strip("$€£ ")
        and not plain[found[0].end :].strip("% .")
    )
    return found[0].value if whole else None


def option_texts(part: str, choices: Sequence[str]) -> list[Place]:
    """Options by their whole text amid other words, the longest first; numbers as whole numbers only."""
    taken: list[Place] = []
    lettered = sorted(zip(choices, LETTERS, strict=False), key=lambda pair: -len(pair[0]))
    numbers = numerals(part) or spelled(part)
    for choice, letter in lettered:
        value = only_number(choice)
        if value is not None:
            places = [(number.start, number.end) for number in numbers if number.value == value]
        elif words := without_article(choice).split():
            spaced = r"\s+".join(re.escape(word).replace("'", "['’]") for word in words)
            whole = re.compile(rf"(?<![\w-])(?:(?:an?|the)\s+)?{spaced}(?![\w-])", re.IGNORECASE)
            places = [found.span() for found in whole.finditer(part)]
        else:
            places = []
        for start, end in places:
            if all(end <= other or start >= past for other, past, _ in taken):
                taken.append((start, end, letter))
    return sorted(taken)
