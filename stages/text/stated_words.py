"""Words: of what a text states as its answer, a text, a date, one of a few legal answers, mathematics.

A part and `announced` are as in stages/text/stated_values.py.
"""

# ruff: noqa: RUF001  # quotes and signs of all kinds are what is looked for

import html
import re
from collections.abc import Sequence
from contextlib import suppress

from stages.text.finders import DAY, MONTH, WRITTEN_DATE, any_of, lenient_dates, which_of
from stages.text.hedges import side_by_side, words_before
from stages.text.mathematics import strict_latex
from stages.text.numerals import plain_signs
from stages.text.stated_values import NOT, SEVERAL, bare, before, first_sentence


def chosen(part: str, found: list[re.Match[str]], announced: bool) -> re.Match[str] | str | None:
    """Of values in a part the one that is stated: the first where it is announced, else the last, none that
    is denied; SEVERAL of two side by side.
    """
    kept = [one for one in found if not NOT.search(before(part, one.start()))]
    if not kept:
        return None
    first, second = (kept[:2] if announced else kept[-2:]) if len(kept) > 1 else (kept[0], kept[0])
    if first[0].lower() != second[0].lower():
        between = part[first.end() : second.start()]
        if side_by_side(between) if announced else words_before(between, either=True) is not None:
            return SEVERAL
    return first if announced else second


NOT_BUT = re.compile(r",?\s+(?:not|rather than|instead of|because|since|which)\s", re.IGNORECASE)
IS_IT = re.compile(r"\s+is (?:the|my) (?:final |correct |right )?(?:answer|result)\W*$", re.IGNORECASE)
ROUND = re.compile(r"[(\[$]+\s*([^\s()\[\]$]+)\s*[)\]$]+\.?")
TAG = re.compile(r"</?(?:b|i|u|em|strong|code|span)>", re.IGNORECASE)
QUOTES = (
    re.compile(r"\*\*(.+?)\*\*"),
    re.compile(r"[\"“„«‹『「]([^\"”“»›』」\n]+)[\"”“»›』」]"),
    re.compile(r"(?<!\w)['‘`]([^'’`\n]+)['’`](?!\w)"),
)
ITEM = re.compile(r"^\s*(?:[-•*>#]+|\d+[.)])\s+")
LEADS = re.compile(
    r"(?:[:=→]\s|[-=]>\s|\b(?:is|are|get|gives?(?: us)?|makes?|spells?|forms?|becomes|results? in"
    r"|ends? up with|yields?|obtain)\b)(?:\s*(?:the|a) (?:\w+ )?(?:word|string|code|sequence|letters?)\b)?"
)
LONGEST = 12  # words of a text that nothing announces as an answer


def stated_text(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """What is set in quotes or bold, else what follows a colon or "is", else the whole."""
    part = IS_IT.sub("", ITEM.sub("", TAG.sub("", html.unescape(part))))
    if alone := ROUND.fullmatch(part.strip()):
        part = alone[1]
    for quotes in QUOTES:
        quoted = chosen(part, [*quotes.finditer(part)], announced)
        if quoted == SEVERAL:
            return SEVERAL
        if isinstance(quoted, re.Match):
            behind = LEADS.split(part[quoted.end() :])[1:]  # the letters of "Mia Vito" are ao
            if announced or not (behind and bare(behind[-1])):
                return bare(quoted[1].split("= ")[-1]) or None
    tail = part if announced else LEADS.split(part)[-1]
    text = bare(NOT_BUT.split(first_sentence(tail))[0])
    return text if announced or len(text.split()) <= LONGEST else None


# other forms of dates, as those that are known
DATES = (
    (r"(?<=\d)\s*\\?/\s*(?=\d)", "/"),
    (r"(?<!\d)(\d{4})[./年](\d{1,2})[./月](\d{1,2})日?(?!\w)", r"\1-\2-\3"),
    (r"(?<![\w./-])(\d{1,2})[.-](\d{1,2})[.-](\d{4})(?![\w-])", r"\1/\2/\3"),
    (r"\b(\d{1,2})-([A-Za-z]{3,9})-(\d{4})\b", r"\1 \2 \3"),
    (r"\b(\d{1,2})-([A-Za-z]{3,9})-(\d\d)\b", r"\1 \2 20\3"),
    (rf"\b(\d{{4}}),? ({MONTH}) ({DAY})\b", r"\2 \3, \1"),
    (rf"\b({MONTH}) the ({DAY})\b", r"\1 \2"),
    (r"(?<=[\dhdt])\s*,\s*(?=\d{4}\b)", ", "),
)


def stated_date(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    plain = plain_signs(part)
    for form, known in DATES:
        plain = re.sub(form, known, plain, flags=re.IGNORECASE)
    dates = [found for found in WRITTEN_DATE.finditer(plain) if lenient_dates(found[0])]
    found = chosen(plain, dates, announced)
    return lenient_dates(found[0])[0] if isinstance(found, re.Match) else found


def stated_exact(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    """One of the few legal answers, in any case; where there are none, the bare text."""
    if not choices:
        return bare(part) or None
    spelled = sorted(choices, key=len, reverse=True)
    found = chosen(part, [*any_of(spelled).finditer(part)], announced)
    return which_of(spelled, found) if isinstance(found, re.Match) else found


# a unit or words beside a value, and money
UNITS = re.compile(
    r"(?:\\[ ,;:!]|~|\s)*\\(?:text|textrm|mathrm|mbox)\s*\{(?![^{}]*\b(?:or|and)\b)[^{}]*\}"
    r"(?:\^\{?\d\}?)?\s*\.?$"
)
ALL_WORDS = re.compile(r"\\(?:text|textrm|textbf|mathrm|mbox)\s*\{\s*(-?[$€£]?\d[\d,.]*)\s+[a-z ]+\}")


NAMED = 3  # words of an answer that is no mathematics: "no real solution"
# behind an answer a reason or a check, with mathematics of its own
REASON = re.compile(r",?\s+(?:since|because)\s|\s\((?:check|since|because|as|verified)\b", re.IGNORECASE)


def stated_latex(part: str, announced: bool, choices: Sequence[str]) -> str | None:
    part = REASON.split(re.sub(r"[€£¥]|\\pounds|\\euro", "", ALL_WORDS.sub(r"\1", part)))[0]
    if (value := UNITS.sub("", part)).strip(" $\\,;!."):
        part = value
    with suppress(IndexError):
        return strict_latex(part)[0]
    named = bare(first_sentence(part))
    return named if announced and 0 < len(named.split()) <= NAMED else None
