r"""Stated: the answer that a text of today's chat and reasoning models states, never one that it passes.

Thoughts are no answer. Then the place where the answer is stated, the first of these that there is: the last
\boxed{} that is not empty, the last line of "####", what follows the last "answer is" or "answer:", what the
last paragraph sets in bold, the last line. Of what stands there, the value: "not (A) but (B)" is B, "A or B"
is no answer, and of "12 apples, now has 8" it is 8.
"""

import re
from collections.abc import Iterator, Sequence

from stages.text.answer_types import rules_of
from stages.text.mathematics import boxes
from stages.text.stated_values import BY_TYPE, EMPHASIS, first_sentence, sentences
from stages.text.thoughts import split_thoughts

# where an answer is announced
MARK = re.compile(
    r"(?:\b(?:final|correct|right|best)?\s*(?:answer|choice|option|solution|result)s?"
    r"(?:\s+(?:to|for)\s+(?:this|the)\s+(?:question|problem|riddle))?"
    r"\s*(?:choice|option|letter)?\s*[\"'*_)]*\s*"
    r"(?::|(?:is|are|was|would be|will be|must be|should be)\b)\s*:?"
    r"|\banswer\s*[:=]\s*)",
    re.IGNORECASE,
)
BOLD = re.compile(r"\*\*(.+?)\*\*|__(.+?)__", re.DOTALL)
LISTED = re.compile(r"\s*\d+[.)]\s")  # "1. Mia"
SHORT = 3  # words of a line that is an answer and nothing else


def stated_part(text: str) -> tuple[str, bool]:
    """(what is stated as the answer, whether it is announced as one)."""
    if box := next((content for content in boxes(text) if content.strip(" $")), ""):
        return re.sub(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}", r"\1", box), True
    if hashes := re.findall(r"^#{4}\s*(\S.*)$", text, re.MULTILINE):
        return hashes[-1], True
    for mark in reversed(list(MARK.finditer(text))):
        rest = text[mark.end() :].lstrip(EMPHASIS + ":#-")
        if line := rest.split("\n\n")[0].split("\n")[0].strip():
            return line, True
    last = next((part for part in reversed(re.split(r"\n\s*\n", text)) if part.strip(EMPHASIS)), "")
    if bold := [first or second for first, second in BOLD.findall(last)]:
        return bold[-1], True
    lines = [line for line in last.splitlines() if line.strip(EMPHASIS)]
    return (lines[-1] if lines else ""), False


def unannounced_parts(text: str, last_line: str) -> Iterator[tuple[str, bool]]:
    """Where nothing is announced: a first line of a few words is the answer, with reasons behind it; else the
    last sentence, the last line; else a first sentence, "Yes, because ...".
    """
    first = next((line for line in text.splitlines() if line.strip(EMPHASIS)), "")
    if not LISTED.match(first) and len(first_sentence(first).split()) <= SHORT:
        yield first_sentence(first), True
    yield sentences(last_line)[-1], False
    yield last_line, False
    yield first_sentence(first), True


def stated_answer(text: str, answer_type: str, choices: Sequence[str] = ()) -> str | None:
    """The stated answer as an Example would hold it; None where none is stated.

    Where any word may be the answer, it is looked for at the end only.
    """
    said, _ = split_thoughts(text)
    part, announced = stated_part(said)
    if announced:
        parts = [(part, True)]
    elif rules_of(answer_type).any_word:
        parts = [(sentences(part)[-1], False)]
    else:
        parts = list(unannounced_parts(said, part))
    found = (BY_TYPE[answer_type](*place, choices) for place in parts)
    return next((answer for answer in found if answer is not None), None) or None
