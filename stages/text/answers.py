"""Answers: read an answer out of a model's text and compare it with the gold answer.

The strict rules are those of zero-shot-CoT (Kojima et al. 2022), which Fine-tune-CoT takes over (section 3,
step 2); they are kept to the letter because published accuracies depend on them. The lenient ones read as a
person would. No answer found is None: that is another outcome than a wrong answer, and never correct.
"""

import math
import re
import string
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from typing import NamedTuple

from stages.text.mathematics import last_box, lenient_latex, same, strict_latex

MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
DAY = r"\d{1,2}(?:st|nd|rd|th)?"
WRITTEN_DATE = re.compile(
    rf"(?<![\d/-])(?:\d{{1,2}}/\d{{1,2}}/(?:\d{{4}}|\d{{2}})|\d{{4}}-\d{{1,2}}-\d{{1,2}}|{DAY} (?:of"
    rf" )?{MONTH},? \d{{4}})(?![\d/-])"
    rf"|\b{MONTH} {DAY},? \d{{4}}(?!\d)",
    re.IGNORECASE,
)
Finder = Callable[[str, int], list[str]]  # text, number of choices -> all answers in the text, in order


class Reading(NamedTuple):
    strict: str | None  # by the published rule, only after the answer prefix
    lenient: str | None  # as a person would read it, wherever it stands
    formatted: bool  # the answer prefix is there


def option_letters(n_choices: int) -> str:
    """3 -> "ABC". Raises ValueError outside 1..26."""
    if not 1 <= n_choices <= len(string.ascii_uppercase):
        raise ValueError(
            f"answer type 'choice': got {n_choices} choices, wanted 1 to {len(string.ascii_uppercase)}"
        )
    return string.ascii_uppercase[:n_choices]


def strict_numbers(text: str, n_choices: int = 0) -> list[str]:
    """Deletes every comma first: "-3.50 or 1,2." -> ["-3.50", "12"]; reads the minus of "8-3" as a sign."""
    return re.findall(r"-?\d+(?:\.\d+)?", text.replace(",", ""))


def strict_letters(text: str, n_choices: int) -> list[str]:
    """Every capital option letter, within words too: of 3, "Both (C)" -> ["B", "C"]."""
    return re.findall(f"[{option_letters(n_choices)}]", text)


def strict_yes_no(text: str, n_choices: int = 0) -> list[str]:
    """Words between whitespace, quotes, periods, commas and colons only: "Yes, (no) no." -> ["yes", "no"]."""
    return [word for word in re.split(r"[\s\"'.,:]+", text.lower()) if word in ("yes", "no")]


def strict_text(text: str, n_choices: int = 0) -> list[str]:
    """The whole text without whitespace, quotes and periods; [] when nothing is left."""
    bare = re.sub(r"[\s\"'.]", "", text)
    return [bare] if bare else []


def strict_exact(text: str, n_choices: int = 0) -> list[str]:
    """The whole text as it stands, without blanks around it and one final period: " ] ).\n" -> ["] )"]; []
    when nothing is left.

    The rule behind the accuracies of BIG-Bench Hard (Suzgun et al. 2023), which compares this with the gold
    answer character by character.
    """
    bare = text.strip().removesuffix(".")
    return [bare] if bare else []


def strict_dates(text: str, n_choices: int = 0) -> list[str]:
    """MM/DD/YYYY, as Date Understanding asks for it: "5/1/2021, not 13/05/2021" -> ["05/01/2021"]."""
    found = []
    for month, day, year in re.findall(r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4})(?![\d/])", text):
        with suppress(ValueError):
            found.append(f"{date(int(year), int(month), int(day)):%m/%d/%Y}")
    return found


def lenient_numbers(text: str, n_choices: int = 0) -> list[str]:
    """Knows thousands, money and subtraction: "8-3, -$1,200" -> ["8", "3", "-1200"]."""
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))|\$", "", text)
    return re.findall(r"(?:(?<![\w)])-)?(?:\d+(?:\.\d+)?|\.\d+)", plain)


def lenient_letters(text: str, n_choices: int) -> list[str]:
    """Letters that stand alone, and small ones in parentheses: of 3, "Both (c)" -> ["C"]."""
    legal = option_letters(n_choices)
    pattern = rf"\(([{legal}{legal.lower()}])\)|(?<![\w'])([{legal}])(?![\w'])"
    return [(small or capital).upper() for small, capital in re.findall(pattern, text)]


def lenient_yes_no(text: str, n_choices: int = 0) -> list[str]:
    """Words next to any mark: "No! (yes)" -> ["no", "yes"]."""
    return re.findall(r"(?<![\w-])(?:yes|no)(?![\w-])", text.lower())


def lenient_text(text: str, n_choices: int = 0) -> list[str]:
    """What stands in double quotes, else line by line: 'they are "ya jo", then' -> ["yajo"]."""
    parts = re.findall(r'"([^"\n]+)"', text) or text.splitlines()
    return [found for part in parts for found in strict_text(part)]


def lenient_exact(text: str, n_choices: int = 0) -> list[str]:
    """Line by line, without quotes and other marks of emphasis around it: 'sorted:\\n"ant bee".' ->
    ["sorted:", "ant bee"].
    """
    bare = (line.strip(" \t\"'*`").removesuffix(".").strip("\"'*`") for line in text.splitlines())
    return [line for line in bare if line]


def lenient_dates(text: str, n_choices: int = 0) -> list[str]:
    """Written months, ISO and short years too: "May 1st, 2021 or 2021-05-02"
    -> ["05/01/2021", "05/02/2021"].
    """
    from dateutil.parser import ParserError, parse

    found = []
    for written in WRITTEN_DATE.findall(text):
        with suppress(ParserError, OverflowError):
            found.append(f"{parse(written):%m/%d/%Y}")
    return found


def one_of(labels: Sequence[str]) -> tuple[Finder, Finder]:
    """Finders of an exact answer that is one of a few words: anything else is no answer; the lenient one
    takes them in any case, amid others.

    Differs: CasCoD's code takes whatever does not hold "invalid" for "valid" (trap 20); here what is neither
    is no answer.
    """
    spelled = {label.lower(): label for label in labels}
    word = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, spelled))})(?!\w)", re.IGNORECASE)
    return (
        lambda text, n_choices: [found for found in strict_exact(text) if found in labels],
        lambda text, n_choices: [spelled[found.lower()] for found in word.findall(text)],
    )


ANSWER_TYPES: dict[str, tuple[Finder, Finder]] = {  # strict, lenient
    "number": (strict_numbers, lenient_numbers),
    "choice": (strict_letters, lenient_letters),
    "yes_no": (strict_yes_no, lenient_yes_no),
    "text": (strict_text, lenient_text),
    "exact": (strict_exact, lenient_exact),
    "date": (strict_dates, lenient_dates),
    "latex": (strict_latex, lenient_latex),
}


def finders(answer_type: str) -> tuple[Finder, Finder]:
    if answer_type not in ANSWER_TYPES:
        raise ValueError(f"answer type: got {answer_type!r}, wanted one of {', '.join(ANSWER_TYPES)}")
    return ANSWER_TYPES[answer_type]


def candidates(text: str, answer_type: str, n_choices: int = 0) -> list[str]:
    """All answers in `text`, in order, by the published rule; `n_choices` bounds the letters of a choice (5
    -> A-E).

    Raises ValueError for an unknown type, or a choice without `n_choices`.
    """
    return finders(answer_type)[0](text, n_choices)


def name_options(text: str, choices: Sequence[str]) -> str:
    """`text` with each option that is written out replaced by its letter: of ["red", "dark red"], "it is Dark
    red." -> "it is (B).".
    """
    letters: dict[str, str] = {}
    for letter, option in zip(string.ascii_uppercase, choices, strict=False):
        letters.setdefault(option.strip(" .").lower(), letter)  # of two equal options the first counts
    spelled = "|".join(re.escape(option) for option in sorted(letters, key=len, reverse=True) if option)
    if not spelled:
        return text
    return re.sub(
        rf"(?<!\w)(?:{spelled})(?!\w)",
        lambda found: f"({letters[found[0].lower()]})",
        text,
        flags=re.IGNORECASE,
    )


def read(
    text: str, answer_prefix: str, answer_type: str, n_choices: int = 0, choices: Sequence[str] = ()
) -> Reading:
    """The answer in the last text of a completion.

    strict: the first candidate after the first `answer_prefix` ("": from the start); None without prefix or
    candidate. lenient: the first lenient candidate there, else the last one of the whole text, as in the
    released evaluation of Fine-tune-CoT; with the option texts in `choices`, a written-out option counts as
    its letter. An exact answer must be one of the `choices`, if there are any. A mathematical answer in a box
    needs no prefix: the last box counts, wherever it stands.
    """
    strict, lenient = one_of(choices) if answer_type == "exact" and choices else finders(answer_type)
    _, prefix, tail = text.partition(answer_prefix) if answer_prefix else ("", "", text)
    formatted = prefix == answer_prefix
    if answer_type == "latex" and last_box(text) is not None:
        tail = text
        formatted = True
    found = strict(tail, n_choices) if formatted else []
    options = choices if answer_type == "choice" else ()
    after = lenient(name_options(tail, options), n_choices) if formatted else []
    anywhere = after[:1] or lenient(name_options(text, options), n_choices)[-1:]
    return Reading(found[0] if found else None, anywhere[0] if anywhere else None, formatted)


def equals_as_text(answer: str | None, gold: str) -> bool:
    """String equality: the comparison behind the accuracies that zero-shot-CoT logged."""
    return answer is not None and answer == gold


def is_correct(answer: str | None, gold: str, answer_type: str) -> bool:
    """Whether a read answer is the gold one; None never is. Raises ValueError for a number that is none."""
    finders(answer_type)
    if answer is None:
        return False
    # Differs: zero-shot-CoT compares strings, so that "12.30" misses "12.3" and a gold "5,600" can never be
    # met
    if answer_type == "number":
        return math.isclose(
            float(answer.replace(",", "")), float(gold.replace(",", "")), rel_tol=0.0, abs_tol=1e-6
        )
    # Differs: a gold text is cleansed like the answer, so that one with spaces can be met
    if answer_type == "text":
        return strict_text(answer) == strict_text(gold)
    return same(answer, gold) if answer_type == "latex" else answer == gold
