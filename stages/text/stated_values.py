"""Values: of what a text states as its answer, the answer; one function for each type.

A part is a piece of text, `announced` whether the text calls it its answer. None: the part holds no answer of
the type; SEVERAL: it holds more than one, so that none is stated.
"""

# ruff: noqa: RUF001  # quotes and signs of all kinds are what is looked for

import re
from collections.abc import Callable, Sequence

from stages.text.hedges import side_by_side, words_before
from stages.text.number_words import spelled
from stages.text.numerals import Numeral, numerals, plain_signs, written

# a part, whether it is announced as the answer, the option texts -> the answer in it
StatedValue = Callable[[str, bool, Sequence[str]], str | None]
SEVERAL = ""
EMPHASIS = " \t\n\"'“”‘’„«»‹›『』「」`*_~"
# between a denial and what it denies: "not necessarily true", "cannot be 5"
SOFTENED = r"(?:(?:really|quite|at all|be|been|even|always|(?!only\b)\w+ly)\s+){0,3}"
NOT = re.compile(
    r"\b(?:not|cannot|never|neither|nor|no longer|\w+n['’]t|instead of|rather than|than|except|excluding"
    rf"|(?:all|any|every)(?:thing)? but)\s+{SOFTENED}"
    r"(?:option |choice )?[\"'“‘*(\[]*$",
    re.IGNORECASE,
)
OF = re.compile(r"\b(?:of|from|than)\s+(?:the |his |her |their |all )?\$?$", re.IGNORECASE)  # "8 of 12"
IN = re.compile(r"\b(?:in|since|by|until|during)\s+$", re.IGNORECASE)  # "2,500 in 2021"
YEARS = range(1500, 2100)
BEFORE = 40  # characters
# of "14 = 2 * 7" what comes to 14, not the 14; not over the end of a line, where "- 5" is of a list
TERM = re.compile(r"[ \t]*(?P<operator>[-+*/x×÷·])[ \t]*\$?\d")
EQUALS = re.compile(
    r"(?:[=≈]|\bequals?|\bis equal to|\bcomes to|\bmakes)[\s*_`\"'“‘(\[\\]*\$?[\s*_`\"'“‘(\[\\]*$"
)
# what begins a reason, a condition or a check, whose equals sign is its own
ASIDE = re.compile(
    r"\b(?:since|because|as|with|when|where|if|given|for|check\w*|verif\w+|note)\b", re.IGNORECASE
)
# of what is to be worked out a number is a piece: \sqrt{4}, 2\pi
MATHS = re.compile(r"\s*(?:\\(?:sqrt|pi|log|ln|sin|cos|tan)(?![a-z])|[√π])")
MATHS_BEFORE = re.compile(r"(?:\\(?:sqrt|log|ln|sin|cos|tan)(?![a-z])|√)[\s\d_{(\[]*$")
UNIT = re.compile(r"\s*(%|[^\W\d_]+)")
# not behind an initial, "U.S." and "St."
ABBREVIATED = "".join(
    rf"(?<!\b{short}\.)" for short in ("St", "Dr", "Mr", "Mrs", "Ms", "Mt", "Ft", "Jr", "Sr", "Prof", "vs")
)
SENTENCES = re.compile(
    r"(?<=[.!?])(?<!^[A-Z]\.)(?<![\s(*][A-Z]\.)(?<!\b[A-Z]\.[A-Z]\.)" rf"{ABBREVIATED}[*_\"']*\s+(?=\S)"
)
AFFIRMED = ("yes", "true", "correct", "y")
NOUNS = (
    "one|body|doubt|way|evidence|reason|need|problem|matter|such|other|more|longer|idea|clue|answer|further"
)
OWN = "".join(  # "he has no apples"
    rf"(?<!\b{verb} (?=no [a-z]))"
    for verb in ("has", "have", "had", "with", "are", "were", "there is", "there was")
)
EITHER = re.compile(r"^\W*(?:yes|true)\s*(?:/|or)\s*(?:no|false)\s*[?:]\s*(?=\S)", re.IGNORECASE)
YES_NO = re.compile(
    r"(?<![\w-])(?P<denied>(?:(?:(?:not|never|\w+n['’]t) (?:think|believe|find)|neither(?: of \w+)?)"
    r" (?:(?:that|it|this|statement|the|is|was|are|were|be) ){0,4}"
    rf"|(?:not|cannot|never|no longer|\w+n['’]t)\s+){SOFTENED})?"
    rf"(?P<word>yes|true|correct|false|incorrect|untrue|{OWN}no(?!\s+(?:{NOUNS})\b))(?![\w-])",
    re.IGNORECASE,
)


def bare(text: str) -> str:
    """Without marks of emphasis and quotes around it, and without a period at its end."""
    before = None
    while before != text:
        before = text
        text = text.strip(EMPHASIS).removesuffix(".").removesuffix("!").removesuffix("。").strip(EMPHASIS)
    return text


def sentences(text: str) -> list[str]:
    """Parts that end in a period, question or exclamation mark with a blank behind it; at least one."""
    return SENTENCES.split(text.strip())


def before(text: str, place: int) -> str:
    """The words before a place, where a value may be denied."""
    return text[max(0, place - BEFORE) : place]


def first_sentence(text: str) -> str:
    return sentences(text)[0]


def stated_number(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """Announced: the first number, but what an equals sign comes to. Else the last one, but none that another
    is taken of. Never one that is denied, nor a term of what is left to be worked out.
    """
    plain = plain_signs(part)
    sentence = first_sentence(plain) if announced else plain
    found = numerals(sentence) or spelled(sentence)
    if not found:
        sentence = plain
        found = numerals(plain) or spelled(plain)
    kept = [number for number in found if not NOT.search(before(sentence, number.start))]
    if not kept:
        return None
    equals = [number for number in found if comes_out(sentence, number)]
    if announced:
        equals = [number for number in equals if not of_another(sentence, kept[0], number)]
    if equals:
        return written(equals[-1].value)
    if announced:
        if MATHS_BEFORE.search(before(sentence, kept[0].start)) or MATHS.match(sentence, kept[0].end):
            return None
        none = several(sentence, kept[:2]) or left_to_do(sentence, kept)
        return SEVERAL if none else written(kept[0].value)
    own = [number for number in kept if not aside(sentence, number)] or kept
    none = several(sentence, own[-2:], either=True) or ends_in_terms(sentence, found)
    return SEVERAL if none else written(own[-1].value)


def comes_out(sentence: str, number: Numeral) -> bool:
    """3 + 4 = 7: what an equals sign comes to, and no term of what goes on."""
    return bool(EQUALS.search(before(sentence, number.start))) and not TERM.match(sentence, number.end)


def of_another(sentence: str, first: Numeral, number: Numeral) -> bool:
    """42 (check: 42 / 6 = 7), 6 with n = 3: the equals sign belongs to what is said of the first number."""
    between = sentence[first.end : max(first.end, number.start)]
    return between.count("(") > between.count(")") or bool(ASIDE.search(between))


def operators(sentence: str, found: Sequence[Numeral]) -> list[str]:
    """What stands between a number and the next, one for all but the last: "" where it is no operator."""
    terms = [TERM.match(sentence, number.end) for number in found[:-1]]
    return [term["operator"] if term else "" for term in terms]


def left_to_do(sentence: str, found: Sequence[Numeral]) -> bool:
    """3 + 4, $20 - $5: the first number is a term."""
    return any(operators(sentence, found)[:1])


def ends_in_terms(sentence: str, found: Sequence[Numeral]) -> bool:
    """He has 3 + 4: the last number is a term. Of "day 2 - 14 km" it is not."""
    return any(sign not in ("", "-") for sign in operators(sentence, found)[-1:])


def aside(sentence: str, number: Numeral) -> bool:
    """Whether another number is taken of it, or it is a year in which something is so."""
    words = before(sentence, number.start)
    return bool(OF.search(words) or (number.value in YEARS and IN.search(words)))


def several(sentence: str, found: list[Numeral], either: bool = False) -> bool:
    """5 or 6, 5 apples or 6, 5 to 6, between 5 and 6: two values in place of one; `either`: by an "or" alone.
    Of "1 hour or 60 minutes" the second says the first anew.
    """
    if len(found) < 2:
        return False
    first, second = found
    between = sentence[first.end : second.start]
    if between.strip() == "-" and not either:
        return True
    words = words_before(between, either)
    if words is None or first.value in (second.value, 100 * second.value):
        return False
    units = [UNIT.match(words), UNIT.match(sentence, second.end)]
    named = [unit[1].lower().rstrip("s") for unit in units if unit]
    return len(named) < 2 or named[0] == named[1]


def stated_yes_no(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """Denials count: "not true" is no. SEVERAL of "yes and no"."""
    plain = EITHER.sub("", plain_signs(bare(part)))
    if plain.lower() in ("y", "n"):
        return "yes" if plain.lower() == "y" else "no"
    said = [*YES_NO.finditer(plain)]
    if not said:
        return None
    answers = [
        "yes" if (found["word"].lower() in AFFIRMED) != bool(found["denied"]) else "no" for found in said
    ]
    if len(said) > 1 and answers[0] != answers[1]:
        between = plain[said[0].end() : said[1].start()]
        if between.strip() != "," and side_by_side(between):
            return SEVERAL
    return answers[0]
