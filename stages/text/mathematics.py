r"""Answers of type `latex`: found by their box, read and compared by math-verify (LaTeX to sympy).

Every answer is parsed as the content of a \boxed{}, so that "1,3,5" is a set and "2n-2" a term. What the
library cannot parse, or would compute for ever, is compared as text. Unit marks, \text{...}, degrees and the
left side of "x = 3" do not count; a tuple has an order, a list has none, and "50\%" equals both 50 and 0.5.
"""

import math
import re
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

# For one parse or comparison. What takes longer is not read, or not equal: the one place where a slow
# machine may differ.
SECONDS = 5
LONGEST = 1000  # characters of an answer: what is longer is a text that never ended
DEEPEST = 40  # brackets within brackets
MOST_DIGITS = 100_000  # of a number that is written out
POWER = re.compile(r"(\d+)\s*\^\s*\{?\s*(\d+)(?:\s*\^\s*\{?\s*(\d+)(\s*\^)?)?")
# what grows faster than a power: of a number of so many digits, or of one that is computed itself
FACTORIAL = re.compile(
    r"\d{5,}\s*!|![\s)}]*!|\^[\s{]*\d*[^!]{0,20}[)}]\s*!|\\(?:[dt]?binom|sum|prod).*\d{6,}"
)
# no command, no product of two variables
WORD = re.compile(r"(?<![\\A-Za-z])(?:[A-Za-z]{3,}|is|it|of|or|so|to|we)(?![A-Za-z])", re.IGNORECASE)


IN_WORDS = re.compile(r"\\(?:text|textbf|textit|texttt|mathrm|mathbf|mbox)\s*\{([^{}]*)\}")
MIXED = re.compile(r"(?<![\d.,/)}])(\d+) (\d+)/(\d+)(?![\d/])")  # 1 1/4
DOTS = re.compile(r"\\(?:[lc]?dots|dotsc|dotsb)|\.\.\.|…")  # a list that goes on is compared whole


def time_limit() -> int | None:
    """Seconds; None outside the main thread, for the library interrupts itself with a signal."""
    return SECONDS if threading.current_thread() is threading.main_thread() else None


def boxes(text: str) -> Iterator[str]:
    r"""The contents of all closed \boxed{...}, the last one first, without looking at a character twice."""
    open_braces: list[tuple[int, bool]] = []
    found: list[tuple[int, str]] = []
    starts = {match.end() - 1 for match in re.finditer(r"\\(?:boxed|fbox)\s*\{", text)}
    for brace in re.finditer(r"(?<!\\)[{}]", text):
        place = brace.start()
        if brace[0] == "{":
            open_braces.append((place, place in starts))
        elif open_braces:
            start, box = open_braces.pop()
            if box:
                found.append((start, text[start + 1 : place]))
    return (content for _, content in sorted(found, reverse=True))


def last_box(text: str) -> str | None:
    r"""Content of the last \boxed{...} that is closed; None without one.

    "\boxed{1} or \boxed{\frac{1}{2}}" -> "\frac{1}{2}"
    """
    return next(boxes(text), None)


def is_unwieldy(text: str) -> bool:
    """Whether to compute what stands here takes more than its worth: 9^{9^{9}} has 370 million digits."""
    depth = deepest = 0
    for bracket in re.finditer(r"[(\[{)\]}]", text):
        depth += 1 if bracket[0] in "([{" else -1
        deepest = max(deepest, depth)
    return deepest > DEEPEST or bool(FACTORIAL.search(text)) or any(map(is_huge, POWER.finditer(text)))


def is_huge(power: re.Match[str]) -> bool:
    """Whether a^b or a^{b^c} may have more than MOST_DIGITS digits; a higher tower always counts as one."""
    base, exponent, third, higher = power.groups()
    if base.lstrip("0") in ("", "1"):
        return False
    if higher or max(len(exponent), len(third or "")) > 6:
        return True
    times = int(exponent)
    if third:
        if int(third) * math.log10(max(times, 1)) > 6:
            return True
        times **= int(third)
    return times * len(base) > MOST_DIGITS


@lru_cache(maxsize=4096)
def parse_answer(answer: str) -> tuple[Any, ...]:
    """An answer as the library reads it: a sympy object and its text, or the text alone; () for nothing."""
    from math_verify import parse  # with sympy, a second or more

    bare = answer.replace(r"\$", "").replace("$", "").replace(r"\%", "%").strip().removesuffix(".")
    bare = MIXED.sub(r"\\frac{\1*\3+\2}{\3}", bare)
    if len(bare) > LONGEST:
        return ()
    if is_unwieldy(bare):
        return (bare,)
    return tuple(parse(bare if bare.endswith("%") else rf"\boxed{{{bare}}}", parsing_timeout=time_limit()))


def find_answer(text: str) -> list[str]:
    """What the library takes for the answer: behind "answer:", or else the last mathematics there is.

    Lines with what cannot be computed are passed over: the library would try.
    """
    from math_verify import parse

    text = "\n".join(line for line in text.split("\n") if not is_unwieldy(line))
    return [str(found) for found in parse(text, parsing_timeout=time_limit())[-1:]]


def strict_latex(text: str, choices: Sequence[str] = ()) -> list[str]:
    """The last box; without one the first line.

    In a line with words it is what the library finds: "so 12 pens" -> ["12"]; where it finds nothing, words
    that are set as such are the answer: "\text{even}".
    """
    box = last_box(text)
    if box is not None:
        return [box.strip()] if parse_answer(box) else []
    line = text.strip(" *_\n").split("\n")[0].rstrip(". *_")
    if WORD.search(line):
        return find_answer(line) or [line] * (not WORD.search(IN_WORDS.sub("", line)))
    return [line] if any(not isinstance(found, str) for found in parse_answer(line)) else []


def lenient_latex(text: str, choices: Sequence[str] = ()) -> list[str]:
    """As the strict rule where there is a box or a bare answer; else what the library finds in the text."""
    alone = "\n" not in text.strip(" *_\n") and not WORD.search(IN_WORDS.sub("", text))
    return strict_latex(text) if alone or last_box(text) is not None else find_answer(text)


def in_words(answer: str) -> str:
    r"""An answer without dollars, \text{} and doubled blanks."""
    return " ".join(IN_WORDS.sub(r"\1", answer.replace("$", "")).split())


def listed(answer: str) -> str:
    """A list that goes on, without blanks, and dots of one kind."""
    return re.sub(r"\s|\\[,;!]", "", DOTS.sub("...", in_words(answer)))


def equal_latex(answer: str, gold: str) -> bool:
    """Equal as sympy objects, numbers to six decimals, or as text where one cannot be parsed.

    A gold answer in words is compared as text: the library would take some number in it for the whole. The
    two sides are not alike: an interval answers a gold inequality, and not the other way round.
    """
    if WORD.search(in_words(gold)):
        return in_words(answer) == in_words(gold)
    if DOTS.search(answer) or DOTS.search(gold):
        return listed(answer) == listed(gold)
    from math_verify import verify

    return bool(verify(list(parse_answer(gold)), list(parse_answer(answer)), timeout_seconds=time_limit()))
