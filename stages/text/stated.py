r"""Stated: the answer that a text of today's chat and reasoning models states, never one that it passes.

Thoughts are no answer. Then the place where the answer is stated, the first of these that there is: the last
\boxed{} that is not empty, the last line of "####", what follows the last "answer is" or "answer:", what the
last paragraph sets in bold, the last line. Of what stands there, the value: "not (A) but (B)" is B, "A or B"
is no answer, and of "12 apples, now has 8" it is 8.
"""

# ruff: noqa: RUF001  # dashes and quotes of all kinds are what is looked for

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from stages.text.answer_types import rules_of
from stages.text.hedges import side_by_side
from stages.text.mathematics import boxes
from stages.text.stated_values import EMPHASIS, first_sentence, sentences
from stages.text.thoughts import split_thoughts

# where an answer is announced
MARK = re.compile(
    r"(?:\b(?:final|correct|right|best)?\s*(?:(?:answer|solution|result)s?|choice|option)"
    r"(?:\s+(?:to|for)\s+(?:this|the)\s+(?:question|problem|riddle))?"
    r"\s*(?:choice|option|letter)?\s*[\"'*_)]*\s*"
    r"(?::|(?:is|are|was|would be|will be|must be|should be)\b)\s*:?"
    r"|\banswer\s*[:=]\s*|^[ \t#*_>]*(?:final\s+)?answer\s*(?:[-=]+>?|[–—→])\s+)",
    re.IGNORECASE | re.MULTILINE,
)
# what is said about an answer, and announces none: "the reason for this answer is", "this answer is right"
OF_IT = re.compile(r"\b(?:behind|for|to|of|about)\s+(?:the\s+|this\s+|my\s+)?$", re.IGNORECASE)
SAID_OF_IT = re.compile(
    r"\s*(?:that\b|because|correct|right|wrong|incorrect|reasonable|consistent|supported|based|obvious|clear\b"
    r"|simple|straightforward|as (?:follows|they)|derived|obtained|verified|below|above|found (?:by|in)"
    r"|given (?:by|in|below|above))",
    re.IGNORECASE,
)
TAGGED = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.IGNORECASE | re.DOTALL)
FENCE = re.compile(r"^[ \t]*```\w*[ \t]*$", re.MULTILINE)
ANNOUNCED = re.compile(rf"{MARK.pattern}|^#{{4}}|\\boxed|<answer>", re.IGNORECASE | re.MULTILINE)
# behind an answer a completion model goes on with a question of its own
ANOTHER = re.compile(
    r"(?:^|(?<=[.!?])\s)[ \t]*Q:|^[#*_ ]{0,6}(?:Question|Problem|Human|User|Instruction)[*_ ]{0,3}:",
    re.MULTILINE,
)
# and a chat model is polite
COURTESY = re.compile(
    r"(?:^|(?<=[.!?)*])\s)[ \t]*(?:please |i )?(?:let me know|feel free|hope (?:this|that|it)"
    r"|is there anything|if you (?:have|need|would like|want) (?:any|more|further|other|another|help|to|me)"
    r"|do you (?:want|need|have) (?:any|more|help|me)|would you like|have a (?:great|nice|good)|good luck)\b"
    r"[^\n]{0,200}\Z",
    re.IGNORECASE | re.MULTILINE,
)
LAST = 300  # characters of a text in which a courtesy is looked for
BULLET = re.compile(r"^[\s*_:]*\n\s*[-*]\s+")
QUOTED = ("***", "**", "__", "*", "_", "`", '"', "'")  # one that only begins belongs to what stands before
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
BOLD = re.compile(r"\*\*(.+?)\*\*|__(.+?)__", re.DOTALL)
IN_WORDS = re.compile(r"\\(?:text|textbf|textit|texttt|mathrm|mathbf)\s*\{([^{}]*)\}")
LISTED = re.compile(r"\s*\d+[.)]\s")  # "1. Mia"
# "He has 3.": a step of the reasoning, short as it is
TOLD = re.compile(
    r"\W*(?:(?!Option|Choice|Answer|Letter)[A-Z]\w*|[tT]h\w+|[iI]t|[sS]?[hH]e|[wW]e|[yY]ou)\s+"
    r"(?:is|are|was|were|has|have|had|\w{2,}ed|\w{3,}s|ate|bought|came|did|found|gave|get|got|kept|left|lost|made"
    r"|paid|ran|sold|spent|took|went|won|buy|eat|give|need|sell|take)\b"
)
QUESTIONS = re.compile(r"^(?:[^.!?\n]*\?\s+)+(?=\S)")  # "Yes or no? No."
# behind an answer that nothing announces
EXPLAINED = re.compile(
    r"\n\W*(?:Explanation|Reasoning|Reason|Rationale|Justification|Note)\W*:.*\Z", re.DOTALL
)
OPTION_LINES = re.compile(r"^\W*\(?[A-Za-z]\)[^\n]*$", re.MULTILINE)
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
    if box := next((content for content in boxes(text) if content.strip(" $\\,;!")), ""):
        return Statement(box, True, text.rindex(f"{{{box}}}"))
    for marks in (TAGGED, HASHES):
        if tagged := [mark for mark in marks.finditer(text) if mark[1]]:
            return Statement(tagged[-1][1], True, tagged[-1].start())
    announced = list(announcements(text))
    if announced:
        return next((one for one, of_it in announced if not of_it), announced[0][0])
    last = next((part for part in reversed(re.split(r"\n\s*\n", text)) if part.strip(EMPHASIS)), "")
    if bold := list(BOLD.finditer(last)):
        both = len(bold) > 1 and side_by_side(last[bold[-2].end() : bold[-1].start()])
        part = last[bold[-2].start() : bold[-1].end()] if both else bold[-1][1] or bold[-1][2]
        return Statement(part, True, len(text))
    lines = [line for line in last.splitlines() if line.strip(EMPHASIS)]
    return Statement(lines[-1] if lines else "", False, len(text))


def announcements(text: str) -> Iterator[tuple[Statement, bool]]:
    """What follows each "the answer is", the last one first; and whether that is said of the answer only."""
    for mark in reversed(list(MARK.finditer(text))):
        line = line_behind(text[mark.start() + len(mark[0].rstrip()) :])
        if line:
            of_it = OF_IT.search(text[max(0, mark.start() - 20) : mark.start()]) or SAID_OF_IT.match(line)
            yield Statement(line, True, mark.start()), bool(of_it)


def line_behind(text: str) -> str:
    """The line behind what announces an answer, without a mark of emphasis or a quote that ends there."""
    rest = BULLET.sub("", text)
    while True:
        rest = rest.lstrip(" \t\n:#”’»")
        line = rest.split("\n")[0]
        mark = next((mark for mark in QUOTED if line.startswith(mark) and line.count(mark) % 2), "")
        if not mark:
            return line.strip()
        rest = rest[len(mark) :]


def only_reply(text: str) -> str:
    """Without the fences of code, without a question that is asked behind the answer, and courtesies."""
    text = FENCE.sub("", text)
    first = ANNOUNCED.search(text)
    if first and (question := ANOTHER.search(text, first.end())):
        text = text[: question.start()]
    elif not first and (end := EXPLAINED.search(text)) and text[: end.start()].strip():
        text = text[: end.start()]
    text = text.rstrip()
    while (end := COURTESY.search(text, max(0, len(text) - LAST))) and not MARK.search(end[0]):
        text = text[: end.start()].rstrip()
    return text


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
