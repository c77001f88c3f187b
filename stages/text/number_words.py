"""Number words: "twenty-one", "three hundred and five", "two and a half", each as an exact fraction."""

import re
from fractions import Fraction

from stages.text.numerals import SCALES, Numeral, dozens

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORDS = {word: value for value, word in enumerate(UNITS)} | {
    word: 10 * value for value, word in enumerate(TENS, 2)
}
SCALE = "|".join(SCALES)
WORD = "|".join(sorted(WORDS, key=len, reverse=True))
PARTS = {
    "hal": 2,
    "thir": 3,
    "quar": 4,
    "four": 4,
    "fif": 5,
    "six": 6,
    "seven": 7,
    "eigh": 8,
    "nin": 9,
    "ten": 10,
}
SPELLED = re.compile(
    rf"\b(?:(?P<minus>minus|negative)\s+)?(?:"
    rf"(?P<half>half\s+an?\s+(?P<scale>{SCALE})|(?:a\s+)?half)"
    rf"|(?:{WORD}|a(?=\s(?:{SCALE})\b))(?:(?:-|\s+(?:and\s+)?)(?:{WORD}|{SCALE})\b)*"
    r"(?:[ -](?P<part>halves|half|(?:third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth)s?))?"
    r"(?P<more>\s+and\s+a\s+half)?)\b",
    re.IGNORECASE,
)


def spelled(text: str) -> list[Numeral]:
    """Numbers in words, in order: "twenty-one", "minus two million", "two thirds", "half a million"."""
    found: list[Numeral] = []
    for run in SPELLED.finditer(text):
        numbers = in_words(run) if not run["half"] else [Numeral(half_of(run), *run.span())]
        subtracted = found and not text[found[-1].end : run.start()].strip()  # "five minus three"
        if run["minus"] and numbers and not subtracted:
            numbers[0] = numbers[0]._replace(value=-numbers[0].value, start=run.start())
        found += numbers
    return dozens(text, found)


def half_of(run: re.Match[str]) -> Fraction:
    """Of "half", "a half", "half a million"."""
    return Fraction(10 ** SCALES[run["scale"].lower()] if run["scale"] else 1, 2)


def in_words(run: re.Match[str]) -> list[Numeral]:
    """The numbers of words that stand side by side: of "two three hundred and five" 2 and 305."""
    found: list[tuple[int, int, int, int]] = []  # what is whole, what still grows, start, end
    joined = ""  # what stands before the word
    last = ""
    whole_words = rf"\b(?:{WORD}|{SCALE}|a|and)\b"
    for word in re.finditer(whole_words, run[0].removesuffix(run["more"] or ""), re.IGNORECASE):
        name = word[0].lower()
        if name == "and":
            joined = name
            continue
        whole, small, start, _ = found[-1] if found else (0, 0, 0, 0)
        if found and name in SCALES:
            small = small * 10 ** SCALES[name]
            whole, small = (whole, small) if name == "hundred" else (whole + small, 0)
            found[-1] = (whole, small, start, word.end())
        elif found and joins(last, name, joined):
            found[-1] = (whole, small + WORDS[name], start, word.end())
        elif name not in SCALES:
            found.append((0, WORDS.get(name, 1), word.start(), word.end()))
        last = name
        joined = ""
    numbers = [Numeral(Fraction(w + s), run.start() + b, run.start() + e) for w, s, b, e in found]
    if run["part"] and numbers:
        under = next(value for name, value in PARTS.items() if run["part"].lower().startswith(name))
        numbers[-1] = Numeral(numbers[-1].value / under, numbers[-1].start, run.end())
    if run["more"] and numbers:
        numbers[-1] = Numeral(numbers[-1].value + Fraction(1, 2), numbers[-1].start, run.end())
    return numbers


def joins(last: str, name: str, joined: str) -> bool:
    """Whether a word goes on with the number before it: "twenty one", "hundred and five"."""
    if last in SCALES:
        return True
    return not joined and last in TENS and name in UNITS[1:10]
