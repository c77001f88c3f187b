"""Finders: all answers of one type in a text, in order, by a strict and by a lenient rule.

The strict rules are those of zero-shot-CoT (Kojima et al. 2022), which Fine-tune-CoT takes over (section 3,
step 2); they are kept to the letter because published accuracies depend on them. The lenient ones read as a
person would. Those of mathematical answers: stages/text/mathematics.py.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date

from stages.text.gold import LETTERS

# a text, the option texts of its question -> the answers in it, canonical or nearly so; never an empty one
Finder = Callable[[str, Sequence[str]], list[str]]

MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
DAY = r"\d{1,2}(?:st|nd|rd|th)?"
WRITTEN_DATE = re.compile(
    r"(?<![\d/-])(?:\d{1,2}/\d{1,2}/(?:\d{4}|\d{2})"  # 5/1/2021, 5/1/21
    r"|\d{4}-\d{1,2}-\d{1,2}"
    rf"|{DAY} (?:of )?{MONTH},? \d{{4}})(?![\d/-])"
    rf"|\b{MONTH} {DAY},? \d{{4}}(?!\d)",
    re.IGNORECASE,
)

SHORT_YEAR = re.compile(r"(?<=/)\d\d$")


def option_letters(choices: Sequence[str]) -> str:
    """Of three choices "ABC". Raises ValueError for none and for more than 26."""
    if not 1 <= len(choices) <= len(LETTERS):
        raise ValueError(f"answer type 'choice': got {len(choices)} choices, wanted 1 to {len(LETTERS)}")
    return LETTERS[: len(choices)]


def strict_numbers(text: str, choices: Sequence[str] = ()) -> list[str]:
    """Deletes every comma first: "-3.50 or 1,2." -> ["-3.50", "12"]; reads the minus of "8-3" as a sign."""
    return re.findall(r"-?\d+(?:\.\d+)?", text.replace(",", ""))


def lenient_numbers(text: str, choices: Sequence[str] = ()) -> list[str]:
    """Knows thousands, money and subtraction: "8-3, -$1,200" -> ["8", "3", "-1200"]."""
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))|\$", "", text)
    return re.findall(r"(?:(?<![\w)])-)?(?:\d+(?:\.\d+)?|\.\d+)", plain)


def strict_letters(text: str, choices: Sequence[str]) -> list[str]:
    """Every capital option letter, within words too: of 3, "Both (C)" -> ["B", "C"]."""
    return re.findall(f"[{option_letters(choices)}]", text)


def lenient_letters(text: str, choices: Sequence[str]) -> list[str]:
    """Letters that stand alone, small ones in parentheses, options in words: of 3, "Both (c)" -> ["C"]."""
    legal = option_letters(choices)
    pattern = rf"\(([{legal}{legal.lower()}])\)|(?<![\w'])([{legal}])(?![\w'])"
    return [(small or capital).upper() for small, capital in re.findall(pattern, name_options(text, choices))]


def name_options(text: str, choices: Sequence[str]) -> str:
    """Written-out options become letters: of ["red", "dark red"], "Dark red it is" -> "(B) it is"."""
    letters: dict[str, str] = {}
    for letter, option in zip(LETTERS, choices, strict=False):
        letters.setdefault(option.strip(" .").lower(), letter)  # of two equal options the first counts
    # the longest first, or "red" would hide "red wine"
    spelled = sorted(filter(None, letters), key=len, reverse=True)
    return any_of(spelled).sub(lambda found: f"({letters[which_of(spelled, found)]})", text)


def any_of(words: Sequence[str]) -> re.Pattern[str]:
    """One of them, whole, in any case; nothing where there are none."""
    groups = "|".join(f"({re.escape(word)})" for word in words) or "(?!)"
    return re.compile(rf"(?<!\w)(?:{groups})(?!\w)", re.IGNORECASE)


def which_of(words: Sequence[str], found: re.Match[str]) -> str:
    """The word that `any_of` found: by its place, for to the pattern "the \u017fun" is "the sun" too."""
    return words[(found.lastindex or 1) - 1]


def strict_yes_no(text: str, choices: Sequence[str] = ()) -> list[str]:
    """Words between whitespace, quotes, periods, commas and colons only: "Yes, (no) no." -> ["yes", "no"]."""
    return [word for word in re.split(r"[\s\"'.,:]+", text.lower()) if word in ("yes", "no")]


def lenient_yes_no(text: str, choices: Sequence[str] = ()) -> list[str]:
    """Words next to any mark: "No! (yes)" -> ["no", "yes"]."""
    return re.findall(r"(?<![\w-])(?:yes|no)(?![\w-])", text.lower())


def strict_text(text: str, choices: Sequence[str] = ()) -> list[str]:
    """The whole text without whitespace, quotes and periods."""
    bare = re.sub(r"[\s\"'.]", "", text)
    return [bare] if bare else []


def lenient_text(text: str, choices: Sequence[str] = ()) -> list[str]:
    """What stands in double quotes, else line by line: 'they are "ya jo", then' -> ["yajo"]."""
    parts = re.findall(r'"([^"\n]+)"', text) or text.splitlines()
    return [found for part in parts for found in strict_text(part)]


def strict_exact(text: str, choices: Sequence[str] = ()) -> list[str]:
    r"""The whole text as it stands, without blanks around it and one final period: " ] ).\n" -> ["] )"].

    The rule behind the accuracies of BIG-Bench Hard (Suzgun et al. 2023), which compares this with the gold
    answer character by character. Where the legal answers are few, the `choices`, anything else is no
    answer.
    Differs: CasCoD's code takes whatever does not hold "invalid" for "valid"; here what is neither is no
    answer (difference 36).
    """
    bare = text.strip().removesuffix(".")
    return [bare] if bare and (not choices or bare in choices) else []


def lenient_exact(text: str, choices: Sequence[str] = ()) -> list[str]:
    r"""One of the `choices` in any case, amid other words; where there are none, what each line says.

    Without quotes and other marks of emphasis around it: 'sorted:\n"ant bee".' -> ["sorted:", "ant bee"].
    """
    if choices:
        spelled = {choice.lower(): choice for choice in choices}
        return [spelled[which_of([*spelled], found)] for found in any_of([*spelled]).finditer(text)]
    bare = (line.strip(" \t\"'*`").removesuffix(".").strip("\"'*`") for line in text.splitlines())
    return [line for line in bare if line]


def strict_dates(text: str, choices: Sequence[str] = ()) -> list[str]:
    """MM/DD/YYYY, as Date Understanding asks for it: "5/1/2021, not 13/05/2021" -> ["05/01/2021"]."""
    found = []
    for month, day, year in re.findall(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4})(?![\d/])", text):
        with suppress(ValueError):
            found.append(f"{date(int(year), int(month), int(day)):%m/%d/%Y}")
    return found


def in_full(year: re.Match[str]) -> str:
    """Of two digits: 1976 to 2075, where the library counts from the year of the clock."""
    return f"{20 if year[0] <= '75' else 19}{year[0]}"


def lenient_dates(text: str, choices: Sequence[str] = ()) -> list[str]:
    """Written months, ISO and short years too: "May 1st, 2021 or 5/2/21" -> ["05/01/2021", "05/02/2021"]."""
    from dateutil.parser import ParserError, parse

    found = []
    for written in WRITTEN_DATE.findall(text):
        with suppress(ParserError, OverflowError):
            found.append(f"{parse(SHORT_YEAR.sub(in_full, written)):%m/%d/%Y}")
    return found
