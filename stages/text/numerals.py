"""Numerals: the numbers in a text as people and today's models write them, each as an exact fraction.

Signs of minus, groups of digits, fractions, powers of ten, "1.5 million", words to a hundred. The published
rule reads less, and stays as it is: stages/text/finders.py.
"""

# ruff: noqa: RUF001, RUF002  # signs of all kinds are what is looked for

import re
import unicodedata
from fractions import Fraction
from typing import NamedTuple

LONGEST = 400  # digits of a number, powers of ten included: what is longer is none that anybody means
MINUS = "-\N{MINUS SIGN}\N{EN DASH}\N{FULLWIDTH HYPHEN-MINUS}\N{SMALL HYPHEN-MINUS}"
# no-break, narrow, thin, ...: they part groups of digits as a blank does
BLANK = "\u00a0\u202f\u2007\u2008\u2009\u200a"
SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORDS = {word: value for value, word in enumerate(UNITS)} | {
    word: 10 * value for value, word in enumerate(TENS, 2)
}
VULGAR = "".join(chr(code) for code in (0xBC, 0xBD, 0xBE, *range(0x2150, 0x215F), 0x2189))

GROUPED = (
    r"\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,2}(?:,\d{2})+,\d{3}(?![\d,])|\d{1,3}(?:\.\d{3}){2,}(?![\d.])"
    r"|\d{1,3}(?:_\d{3})+(?!\d)|\d{1,3}(?:['’]\d{3})+(?!\d)|\d{1,3}(?: \d{3})+(?! ?\d)"
)
PLAIN = rf"(?:{GROUPED}|\d+)(?:\.\d+)?|\.\d+"
POWER = r"(?:e(?P<e>[+-]?\d+)|\s?[x×*·]\s?10\s?\^\s?\(?\{?(?P<ten>[+-]?\d+)\}?\)?)"
NUMERAL = re.compile(
    rf"(?P<sign>(?<![\w.)\]%])-\s?)?(?:(?:US)?[$€£¥]\s?(?P<late>-\s?)?)?"
    rf"(?:(?P<over>\d+)\s?/\s?(?P<under>\d+)(?![\d/])"
    rf"|(?P<base>\d+)\s?\^\s?\(?\{{?(?P<exponent>-?\d+)\}}?\)?"
    rf"|(?P<whole>\d+)[ -](?P<part>\d+)/(?P<of>\d+)(?![\d/])"
    rf"|(?P<plain>{PLAIN})(?P<vulgar>[{VULGAR}])?{POWER}?(?:\s(?P<scale>{'|'.join(SCALES)}))?"
    rf"|(?P<alone>[{VULGAR}]))",
    re.IGNORECASE,
)
SCALE = "|".join(SCALES)
WORD = "|".join(sorted(WORDS, key=len, reverse=True))
PARTS = {"hal": 2, "thir": 3, "quar": 4, "four": 4, "fif": 5, "six": 6, "eigh": 8, "ten": 10}
SPELLED = re.compile(
    rf"\b(?:{WORD}|a(?=\s(?:{SCALE})\b))(?:(?:-|\s+(?:and\s+)?)(?:{WORD}|{SCALE})\b)*"
    r"(?:[ -](?P<part>halves|half|(?:third|quarter|fourth|fifth|sixth|eighth|tenth)s?))?\b",
    re.IGNORECASE,
)
LATEX = (
    (re.compile(r"\\[dt]?frac\s*\{?(-?\d+)\}?\s*\{?(\d+)\}?"), r" \1/\2 "),
    (re.compile(r"(?<=\d)(?:\{,\}|\\[,;!])(?=\d{3})"), ","),
    (re.compile(r"\\(?:times|cdot)\b"), "×"),
    (re.compile(r"\\[ ,;!]|\\left|\\right"), " "),
    (re.compile(r"\\(?=[$%])"), ""),
)


class Numeral(NamedTuple):
    value: Fraction
    start: int  # where it stands in the text that `plain_signs` gives
    end: int


def plain_signs(text: str) -> str:
    """The text with one sign of minus, plain blanks between digits, LaTeX's numbers as plain ones, digits of
    half width: "$−$5" -> "-5", "5\\,400" -> "5,400".
    """
    for pattern, plain in LATEX:
        text = pattern.sub(plain, text)
    text = "".join(unicodedata.normalize("NFKC", sign) if wide(sign) else sign for sign in text)
    text = re.sub(rf"[{MINUS}]", "-", re.sub(rf"[{BLANK}]", " ", text))
    text = re.sub(r"(?<=\d)⁻?[⁰¹²³⁴-⁹]+", lambda found: "^" + found[0].translate(SUPERSCRIPT), text)
    text = re.sub(r"(?<![\d)%]\s)\b(?:minus|negative)\s+(?=[\d$.])", "-", text, flags=re.IGNORECASE)
    return re.sub(r"\$-\$(?=\d)", "-", text)


def wide(sign: str) -> bool:
    """Of full width, or a letter in a circle."""
    return "！" <= sign <= "～" or "Ⓐ" <= sign <= "ⓩ"


def numerals(text: str) -> list[Numeral]:
    """All numbers in digits, in order; dates and what stands in a word ("B12") are none."""
    found = []
    for match in NUMERAL.finditer(text):
        before = text[match.start() - 1 : match.start()]
        after = text[match.end() : match.end() + 1]
        if before.isalnum() or before in ("/", "_") or after == "/" or dated(text, match):
            continue
        if re.match(r":\d", text[match.end() :]) or re.search(r"\d:$", text[: match.start()]):  # 12:30
            continue
        value = in_digits(match)
        if value is not None:
            found.append(Numeral(-value if match["sign"] or match["late"] else value, *match.span()))
    return found


def dated(text: str, match: re.Match[str]) -> bool:
    """A piece of 2021-05-01 or 05/01/2021."""
    around = text[max(0, match.start() - 8) : match.end() + 8]
    return any(
        day.start() <= match.start() - max(0, match.start() - 8) < day.end()
        for day in re.finditer(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}", around)
    )


def in_digits(match: re.Match[str]) -> Fraction | None:
    """The value without its sign; None for a division by zero and for more than LONGEST digits."""
    if match["over"]:
        return quotient(match["over"], match["under"])
    if match["whole"]:
        part = quotient(match["part"], match["of"])
        return None if part is None else Fraction(int(match["whole"])) + part
    if match["alone"]:
        return vulgar(match["alone"])
    if match["base"]:
        return raised(match["base"], match["exponent"])
    bare = re.sub(r"[,'’ _]", "", match["plain"])
    if bare.count(".") > 1:  # 1.234.567
        bare = bare.replace(".", "")
    power = int(match["e"] or match["ten"] or 0) + SCALES.get((match["scale"] or "").lower(), 0)
    if len(bare) + abs(power) > LONGEST:
        return None
    value = Fraction(bare if bare[0] != "." else f"0{bare}") * Fraction(10) ** power
    return value + (vulgar(match["vulgar"]) if match["vulgar"] else 0)


def quotient(over: str, under: str) -> Fraction | None:
    return Fraction(int(over), int(under)) if len(over + under) <= LONGEST and int(under) else None


def raised(base: str, exponent: str) -> Fraction | None:
    if len(exponent) > 4 or len(base) * abs(int(exponent)) > LONGEST or not int(base):
        return None
    return Fraction(int(base)) ** int(exponent)


def vulgar(sign: str) -> Fraction:
    """Of one character: "¾" is 3/4, "⅟" is 1."""
    over, _, under = unicodedata.normalize("NFKC", sign).partition("⁄")
    return Fraction(int(over), int(under or 1))


def spelled(text: str) -> list[Numeral]:
    """Numbers in words, in order: "twenty-one", "three hundred and five", "two million", "two thirds"."""
    return [number for run in SPELLED.finditer(text) for number in in_words(run)]


def in_words(run: re.Match[str]) -> list[Numeral]:
    """The numbers of words that stand side by side: of "two three hundred and five" 2 and 305."""
    found: list[tuple[int, int, int, int]] = []  # what is whole, what still grows, start, end
    joined = ""  # what stands before the word
    last = ""
    for word in re.finditer(rf"{WORD}|{SCALE}|\ba\b|and", run[0], re.IGNORECASE):
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
    return numbers


def joins(last: str, name: str, joined: str) -> bool:
    """Whether a word goes on with the number before it: "twenty one", "hundred and five"."""
    if last in SCALES:
        return True
    return not joined and last in TENS and name in UNITS[1:10]


def written(value: Fraction) -> str:
    """As an Example holds it: "39", "0.75" where that is exact, else the nearest float's digits."""
    if value.denominator == 1:
        return str(value.numerator)
    left = value.denominator
    for prime in (2, 5):
        while left % prime == 0:
            left //= prime
    if left != 1:
        return repr(float(value))
    digits = next(place for place in range(1, LONGEST * 4) if (value * 10**place).denominator == 1)
    whole = str(abs(value.numerator) * 10**digits // value.denominator).rjust(digits + 1, "0")
    return f"{'-' if value < 0 else ''}{whole[:-digits]}.{whole[-digits:]}"
