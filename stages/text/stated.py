r"""Stated: the answer that a text of today's chat and reasoning models states, never one that it passes.

Thoughts are no answer. Then the place where the answer is stated, the first of these that there is: the last
\boxed{} that is not empty, the last line of "####", what follows the last "answer is" or "answer:", what the
last paragraph sets in bold, the last line. Of what stands there, the value: "not (A) but (B)" is B, "A or B"
is no answer, and of "12 apples, now has 8" it is 8.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stages.text.answer_types import rules_of
from stages.text.mathematics import boxes
from stages.text.stated_values import EMPHASIS, first_sentence, sentences
from stages.text.thoughts import split_thoughts

# where an answer is announced
MARK = re.compile(
    r"(?:\b(?:final|correct|right|best)?\s*(?:(?:answer|solution|result)s?|choice|option)"
    r"(?:\s+(?:to|for)\s+(?:this|the)\s+(?:question|problem|riddle))?"
    r"\s*(?:choice|option|letter)?\s*[\"'*_)]*\s*"
    r"(?::|(?:is|are|was|would be|will be|must be|should be)\b)\s*:?"
    r"|\banswer\s*[:=]\s*)",
    re.IGNORECASE,
)
BULLET = re.compile(r"^[\s*_:]*\n\s*[-*]\s+")
# a text that says that there is no answer
DECLINES = re.compile(
    r"\b(?:not enough|insufficient|more) information|\bnot provide enough"
    r"|\b(?:error|mistake) in the (?:problem|question|calculations?|answer|choices)"
    r"|\b(?:cannot|can't|can ?not|could not|impossible to) (?:be |give |determine|answer|solve|say|tell)"
    r"|\bnone of the (?:answer |given |other )?(?:choices|options)"
    r"|\bnot (?:in|among|one of) the (?:answer )?choices|\bplease (?:check|provide)"
    r"|\b(?:do|does|would)(?: not|n't) make sense|\bis not possible",
    re.IGNORECASE,
)
BOLD = re.compile(r"\*\*(.+?)\*\*|__(.+?)__", re.DOTALL)
IN_WORDS = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}")
LISTED = re.compile(r"\s*\d+[.)]\s")  # "1. Mia"
SENTENCE_END = re.compile(r"[.!?][*_\"')]*\s+|\n")
SHORT = 3  # words of a line that is an answer and nothing else
HASHES = re.compile(r"^#{4}\s*(\S.*)$", re.MULTILINE)
# a line that leads up to a statement and says nothing itself: "### Final Answer", an opened formula
LEAD = re.compile(
    r"[#*_ ]*(?:(?:the |my )?(?:final |correct )?(?:answer|solution|result|conclusion))?[:*_ ]*|\\\[|\$\$?",
    re.IGNORECASE,
)


class Statement(NamedTuple):
    """A piece of text that states an answer."""

    part: str
    announced: bool  # the text calls it its answer
    start: int  # where what announces it begins; the text's end, where it is a part of the reasoning


def find_statement(text: str) -> Statement:
    """What is stated as the answer, the last line where nothing is announced as one."""
    if box := next((content for content in boxes(text) if content.strip(" $")), ""):
        return Statement(box, True, text.rindex(f"{{{box}}}"))
    if hashes := list(HASHES.finditer(text)):
        return Statement(hashes[-1][1], True, hashes[-1].start())
    for mark in reversed(list(MARK.finditer(text))):
        end = mark.start() + len(mark[0].rstrip())
        rest = BULLET.sub("", text[end:]).lstrip(EMPHASIS + ":#")
        if line := rest.split("\n\n")[0].split("\n")[0].strip():
            return Statement(line, True, mark.start())
    last = next((part for part in reversed(re.split(r"\n\s*\n", text)) if part.strip(EMPHASIS)), "")
    if bold := BOLD.findall(last):
        return Statement(bold[-1][0] or bold[-1][1], True, len(text))
    lines = [line for line in last.splitlines() if line.strip(EMPHASIS)]
    return Statement(lines[-1] if lines else "", False, len(text))


def rationale_before(text: str) -> str:
    """What is said before the sentence that announces the answer; without thoughts. All that is said where
    no sentence does; "" where the answer comes first.
    """
    said, _ = split_thoughts(text)
    start = find_statement(said).start
    before = said[:start]
    if start < len(said):
        before = before[: max((end.end() for end in SENTENCE_END.finditer(before)), default=0)]
    lines = before.rstrip().split("\n")
    while lines and LEAD.fullmatch(lines[-1].strip()):
        lines.pop()
    return "\n".join(lines).strip()


def unannounced_parts(text: str, last_line: str) -> Iterator[tuple[str, bool]]:
    """Where nothing is announced: a first line of a few words is the answer, with reasons behind it, and so
    is one word before a comma, "No, for ..."; else the last sentence, the last line, a first sentence.
    Nothing where these say that there is no answer, "but ..." aside.
    """
    first = next((line for line in text.splitlines() if line.strip(EMPHASIS)), "")
    if not LISTED.match(first) and len(first_sentence(first).split()) <= SHORT:
        yield first_sentence(first), True
    if len((clause := first.split(",")[0]).split()) == 1:
        yield clause, True
    last_sentence = sentences(last_line)[-1]
    if not DECLINES.search(last_sentence):
        yield last_sentence, False
    elif ", but " in last_sentence:
        yield last_sentence.split(", but ")[-1], False
    if not DECLINES.search(last_line):
        yield last_line, False
        yield first_sentence(first), True


def read_stated(text: str, answer_type: str, choices: Sequence[str] = ()) -> tuple[str | None, bool]:
    """(the stated answer as an Example would hold it, None where none is stated; is it announced?)

    Where any word may be the answer, it is looked for at the end only.
    """
    said, _ = split_thoughts(text)
    rules = rules_of(answer_type)
    part, announced, _ = find_statement(said)
    if not rules.marked(said):  # not mathematics, to which words are words
        part = IN_WORDS.sub(r"\1", part)
    if announced:
        parts = [(part, True)]
    elif rules.any_word:
        parts = [(sentences(part)[-1], False)]
    else:
        parts = list(unannounced_parts(said, part))
    found = (rules.stated(*place, choices) for place in parts)
    return next((answer for answer in found if answer is not None), None) or None, announced


def stated_answer(text: str, answer_type: str, choices: Sequence[str] = ()) -> str | None:
    """The stated answer alone."""
    return read_stated(text, answer_type, choices)[0]
