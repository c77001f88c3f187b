r"""Answers of type `latex`: found by their box, read and compared by the library math-verify (LaTeX to
sympy).

Every answer is parsed as the content of a \boxed{}, so that "1,3,5" is a set and "2n-2" a term. What the
library cannot parse is compared as text. Unit marks, \text{...}, degrees and the left side of "x = 3" do not
count; a tuple has an order, a list has none, and "50\%" equals both 50 and 0.5.
"""

import re
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

# for one parse or comparison; what takes longer is not read, or not equal - the one place where a slow
# machine may differ
SECONDS = 5
LONGEST = 1000  # characters of an answer: what is longer is a text that never ended
# no command, no product of two variables
WORD = re.compile(r"(?<![\\A-Za-z])(?:[A-Za-z]{3,}|is|it|of|or|so|to|we)(?![A-Za-z])", re.IGNORECASE)


def limit() -> int | None:
    """The library interrupts itself with a signal, which Python delivers to the main thread only: elsewhere
    there is no limit.
    """
    return SECONDS if threading.current_thread() is threading.main_thread() else None


def parser() -> Callable[..., list[Any]]:
    from math_verify import parse  # with sympy, a second or more

    return parse  # type: ignore[no-any-return]


def last_box(text: str) -> str | None:
    r"""Content of the last \boxed{...} that is closed: "\boxed{1} or \boxed{\frac{1}{2}}" -> "\frac{1}{2}";
    None without one.
    """
    for start in reversed([found.end() for found in re.finditer(r"\\(?:boxed|fbox)\s*\{", text)]):
        depth = 1
        for place, sign in enumerate(text[start:], start):
            depth += (sign == "{") - (sign == "}")
            if depth == 0:
                return text[start:place]
    return None


@lru_cache(maxsize=4096)
def parsed(answer: str) -> tuple[Any, ...]:
    """An answer as the library reads it: a sympy object and its text, or the text alone; () where there is
    nothing to read.
    """
    bare = answer.replace("$", "").replace(r"\%", "%").strip().removesuffix(".")
    if len(bare) > LONGEST:
        return ()
    return tuple(parser()(bare if bare.endswith("%") else rf"\boxed{{{bare}}}", parsing_timeout=limit()))


def found_in(text: str) -> list[str]:
    """What the library takes for the answer: behind "final answer is" or "answer:", else the last mathematics
    there is.
    """
    return [str(found) for found in parser()(text, parsing_timeout=limit())[-1:]]


def strict_latex(text: str, n_choices: int = 0) -> list[str]:
    r"""The last box; without one the first line, or what the library finds in it if it has words: "so 12
    pens" -> ["12"].
    """
    box = last_box(text)
    if box is not None:
        return [box.strip()] if parsed(box) else []
    line = text.strip(" *_\n").split("\n")[0].rstrip(". *_")
    if WORD.search(line):
        return found_in(line)
    return [line] if any(not isinstance(read, str) for read in parsed(line)) else []


def lenient_latex(text: str, n_choices: int = 0) -> list[str]:
    """As the strict rule where there is a box or nothing but one answer; else what the library takes for the
    answer, wherever it stands.
    """
    alone = "\n" not in text.strip(" *_\n") and not WORD.search(text)
    return strict_latex(text) if alone or last_box(text) is not None else found_in(text)


def spoken(answer: str) -> str:
    """An answer without dollars, \\text{} and doubled blanks."""
    return " ".join(re.sub(r"\\text\s*\{([^}]*)\}", r"\1", answer.replace("$", "")).split())


def same(answer: str, gold: str) -> bool:
    """Whether two answers mean the same: equal as sympy objects, numbers to six decimals, or as text where
    one cannot be parsed.

    A gold answer in words is compared as text: the library would take some number in it for the whole.
    """
    if WORD.search(spoken(gold)):
        return spoken(answer) == spoken(gold)
    from math_verify import verify

    return bool(verify(list(parsed(gold)), list(parsed(answer)), timeout_seconds=limit()))
