r"""Stated: the answer that a text of today's chat and reasoning models states, never one that it passes.

Thoughts are no answer. Then the place where the answer is stated, the first of these that there is: the last
\boxed{} that is not empty, the last "####" that is no heading, what follows the last "answer is" or
"answer:", what the last paragraph sets in bold, the last line. Of what stands there, the value: "not (A) but
(B)" is B, "A or B" is no answer, and of "12 apples, now has 8" it is 8.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from stages.text.answer_types import rules_of
from stages.text.mathematics import IN_WORDS
from stages.text.stated_values import EMPHASIS, first_sentence, sentences
from stages.text.statements import find_statement, only_reply
from stages.text.thoughts import split_thoughts

# a text that says that there is no answer
DECLINES = re.compile(
    r"\b(?:not enough|insufficient|more) information|\bnot provide enough"
    r"|\b(?:error|mistake) in the (?:problem|question|calculations?|answer|choices)"
    r"|\b(?:cannot|can't|can ?not|could not|impossible to)"
    r" (?:be (?:\w+ed\b|known|found|said|told|given|sure)|give |determine|answer|solve|say|tell)"
    r"|\bnone of the (?:answer |given |other )?(?:choices|options)"
    r"|\bnot (?:in|among|one of) the (?:answer )?choices|\bplease (?:check|provide)"
    r"|\b(?:do|does|would)(?: not|n't) make sense|\bis not possible",
    re.IGNORECASE,
)
LISTED = re.compile(r"[\s#*_]*\d+[.)]\s")  # "1. Mia"
# "He has 3.": a step of the reasoning, short as it is
TOLD = re.compile(
    r"\W*(?:(?!Option|Choice|Answer|Letter)[A-Z]\w*|[tT]h\w+|[iI]t|[sS]?[hH]e|[wW]e|[yY]ou)\s+"
    r"(?:is|are|was|were|has|have|had|\w{2,}ed|\w{3,}s|ate|bought|came|did|found|gave|get|got|kept|left|lost|made"
    r"|paid|ran|sold|spent|took|went|won|buy|eat|give|need|sell|take)\b"
)
QUESTIONS = re.compile(r"^(?:[^.!?\n]*\?\s+)+(?=\S)")  # "Yes or no? No."
OPTION_LINES = re.compile(r"^\W*\(?[A-Za-z]\)[^\n]*$", re.MULTILINE)
SENTENCE_END = re.compile(r"[.!?][*_\"')]*\s+|\n")
SHORT = 3  # words of a line that is an answer and nothing else
# a line that leads up to a statement and says nothing itself: "### Final Answer", an opened formula
LEAD = re.compile(
    r"[#*_ ]*(?:(?:the |my )?(?:final |correct )?(?:answer|solution|result|conclusion))?[:*_ ]*|\\\[|\$\$?",
    re.IGNORECASE,
)


def rationale_before(text: str) -> str:
    """What is said before the sentence that announces the answer; without thoughts. All that is said where
    no sentence does; "" where the answer comes first.
    """
    said = only_reply(split_thoughts(text)[0])
    start = find_statement(said).start
    before = said[:start]
    if start < len(said):
        before = before[: max((end.end() for end in SENTENCE_END.finditer(before)), default=0)]
    lines = before.rstrip().split("\n")
    while lines and LEAD.fullmatch(lines[-1].strip()):
        lines.pop()
    return "\n".join(lines).strip()


def unannounced_parts(
    text: str, last_line: str, lettered: bool, states: Callable[[str], bool]
) -> Iterator[tuple[str, bool]]:
    """Where nothing is announced: a first line of a few words is the answer, with reasons behind it, and so
    is one word before a comma, "No, for ..."; else the last sentence, the last line, a first sentence.
    Nothing where these say that there is no answer, "but ..." aside. The last line of options one by one is
    none: all of them are, of which those that are denied are not meant.
    """
    first = next((line for line in text.splitlines() if line.strip(EMPHASIS)), "")
    short = first_sentence(QUESTIONS.sub("", first))
    if not LISTED.match(first) and len(short.split()) <= SHORT and not TOLD.match(short):
        yield short, True
    if len((clause := first.split(",")[0]).split()) == 1 and states(clause):
        yield short, True
    if (
        lettered
        and len(options := OPTION_LINES.findall(text)) > 1
        and last_line.strip() == options[-1].strip()
    ):
        yield " ".join(options), False
        return
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
    said = only_reply(split_thoughts(text)[0])
    rules = rules_of(answer_type)
    part, announced, _ = find_statement(said)
    if not rules.marked(said):  # not mathematics, to which words are words
        part = IN_WORDS.sub(r"\1", part)
    if announced:
        parts = [(part, True)]
    elif rules.any_word:
        parts = [(sentences(part)[-1], False)]
    else:

        def states(clause: str) -> bool:
            return bool(rules.stated(clause, True, choices))

        parts = list(unannounced_parts(said, part, rules.lettered, states))
    found = (rules.stated(QUESTIONS.sub("", part), announced, choices) for part, announced in parts)
    return next((answer for answer in found if answer is not None), None) or None, announced


def stated_answer(text: str, answer_type: str, choices: Sequence[str] = ()) -> str | None:
    """The stated answer alone."""
    return read_stated(text, answer_type, choices)[0]
