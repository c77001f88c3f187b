"""Numerals: the numbers in a text as people and today's models write them, each as an exact fraction.

Signs of minus, groups of digits, fractions, powers, "1.5 million"; words: stages/text/number_words.py. The
published rule reads less, and stays as it is: stages/text/finders.py.
"""

# ruff: noqa: RUF001, RUF002  # signs of all kinds are what is looked for

import re
import unicodedata
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

LONGEST = 400  # digits of a number, powers of ten included: what is longer is none that anybody means
MINUS = (
    "-\N{MINUS SIGN}\N{EN DASH}\N{FULLWIDTH HYPHEN-MINUS}\N{SMALL HYPHEN-MINUS}\N{HYPHEN}"
    "\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}"
)
APOSTROPHE = "’ʼ\N{ARABIC THOUSANDS SEPARATOR}"  # as ' between groups of digits
# no-break, narrow, thin, ...: they part groups of digits as a blank does
BLANK = "\u00a0\u202f\u2007\u2008\u2009\u200a"
SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
SHORT_SCALES = {"k": 3, "m": 6, "mn": 6, "bn": 9, "b": 9}  # "$2.5M"; without money "3k" alone
SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
VULGAR = "".join(chr(code) for code in (0xBC, 0xBD, 0xBE, *range(0x2150, 0x215F), 0x2189))

GROUPED = (
    r"\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,2}(?:,\d{2})+,\d{3}(?![\d,])|\d{1,3}(?:\.\d{3}){2,}(?![\d.])"
    r"|\d{1,3}(?:_\d{3})+(?!\d)|\d{1,3}(?:'\d{3})+(?!\d)|\d{1,3}(?: \d{3})+(?! ?\d)"
)
# a comma before one or two digits, or behind groups that are parted by periods or blanks: 1,5 or 12.500,75
COMMA = r"\d{1,3}(?:[. ]\d{3})+,\d{1,2}(?![\d,])|(?<![\d,(\[{])\d+,\d{1,2}(?![\d,)\]}]|\.\d)"
PLAIN = rf"(?P<comma>{COMMA})|(?:{GROUPED}|\d+)(?:\.\d+)?|\.\d+"
POWER = r"(?:e(?P<e>[+-]?\d+)|\s?[x×*·]\s?10\s?\^\s?\(?\{?(?P<ten>[+-]?\d+)\}?\)?)"
NUMERAL = re.compile(
    rf"(?P<sign>(?<![\w.)\]%])(?<!\d )-\s?)?(?P<money>(?:US)?[$€£¥]\s?(?P<late>-\s?)?)?"
    rf"(?:(?P<over>\d+)\s?/\s?(?P<under>\d+)(?![\d/])"
    rf"|(?P<base>\d+)\s?\^\s?\(?\{{?(?P<exponent>-?\d+)\}}?\)?"
    rf"|(?P<whole>\d+)(?:-| {{1,3}}(?:and )?)(?P<part>\d+)/(?P<of>\d+)(?![\d/])"
    rf"|(?P<plain>{PLAIN})(?P<vulgar>[{VULGAR}])?{POWER}?(?:\s(?P<scale>{'|'.join(SCALES)})|(?P<short>k|mn?|bn?)\b)?"
    rf"|(?P<alone>[{VULGAR}]))",
    re.IGNORECASE,
)
LATEX = (
    (re.compile(r"\\[dtc]?frac\s*\{?(-?\d+)\}?\s*\{?(\d+)\}?"), r" \1/\2 "),
    (re.compile(r"(?<=\d)(?:\{,\}|\\[,;!])(?=\d{3})"), ","),
    (re.compile(r"\\(?:times|cdot)\b"), "×"),
    (re.compile(r"\\[ ,;!]|\\left|\\right"), " "),
    (re.compile(r"\\(?=[$%])"), ""),
)
# what "15/" may be followed by: a unit, "15/hour" or "15/h", and nothing that is worked out, as in "1/x"
PER = re.compile(r"/(?:(?!pi\b|sqrt|sin|cos|tan|log|ln|exp)[^\W\d_]{2,}|h\b)")


# of scripts that put no blanks between words: a number may touch them
UNSPACED = "\u0e00-\u0e7f\u2e80-\u9fff\uac00-\ud7af"
IN_WORD = re.compile(rf"[^\W{UNSPACED}]")
TENFOLD = re.compile("\\s*[十百千万萬亿億兆]")  # behind digits it is part of the number, which is not read
DOZEN = re.compile(r"\s+dozen\b", re.IGNORECASE)


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
    text = re.sub(rf"[{MINUS}]", "-", re.sub(rf"[{BLANK}]", " ", text)).replace("\N{FRACTION SLASH}", "/")
    text = re.sub(rf"(?<=\d)[{APOSTROPHE}](?=\d)", "'", text)
    text = re.sub(r"(?<=\d)\s?\*\*\s?(?=-?\d)", "^", text)
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
        if IN_WORD.match(before) or before == "/" or dated(text, match):
            continue
        if TENFOLD.match(text, match.end()):
            continue
        if text.startswith("/", match.end()) and not PER.match(text, match.end()):
            continue
        if re.match(r":\d", text[match.end() :]) or re.search(r"\d:$", text[: match.start()]):  # 12:30
            continue
        value = in_digits(match)
        if value is not None:
            found.append(Numeral(-value if match["sign"] or match["late"] else value, *match.span()))
    return dozens(text, found)


def dozens(text: str, found: list[Numeral]) -> list[Numeral]:
    """Numbers of dozens twelvefold."""
    return [
        Numeral(12 * number.value, number.start, dozen.end())
        if (dozen := DOZEN.match(text, number.end))
        else number
        for number in found
    ]


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
    plain = match["plain"]
    if match["comma"]:
        plain = re.sub(r"[. ]", "", plain).replace(",", ".")
    bare = re.sub(r"[,' _]", "", plain)
    if bare.count(".") > 1:  # 1.234.567
        bare = bare.replace(".", "")
    power = int(match["e"] or match["ten"] or 0) + SCALES.get((match["scale"] or "").lower(), 0)
    if match["short"] and (match["money"] or match["short"] == "k"):
        power += SHORT_SCALES[match["short"].lower()]
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


def written(value: Fraction) -> str:
    """As an Example holds it: "39", "0.75" where that is exact, else the nearest float's digits."""
    if value.denominator == 1:
        return str(value.numerator)
    left = value.denominator
    for prime in (2, 5):
        while left % prime == 0:
            left //= prime
    if left != 1:
        return f"{Decimal(repr(float(value))):f}"
    digits = next(place for place in range(1, LONGEST * 4) if (value * 10**place).denominator == 1)
    whole = str(abs(value.numerator) * 10**digits // value.denominator).rjust(digits + 1, "0")
    return f"{'-' if value < 0 else ''}{whole[:-digits]}.{whole[-digits:]}"
