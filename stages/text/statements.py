"""Statements: where a reply states its answer, and what of a reply is not the reply any more."""

# ruff: noqa: RUF001  # dashes and quotes of all kinds are what is looked for

import re
from collections.abc import Iterator
from typing import NamedTuple

from stages.text.hedges import side_by_side
from stages.text.mathematics import boxes
from stages.text.stated_values import EMPHASIS

# where an answer is announced
MARK = re.compile(
    r"(?:\b(?:final|correct|right|best)?\s*(?:(?:answer|solution|result)s?|choice|option)"
    r"(?:\s+(?:to|for)\s+(?:this|the)\s+(?:question|problem|riddle))?"
    r"\s*(?:choice|option|letter)?\s*[\"'*_)]*\s*"
    r"(?::|(?:is|are|was|would be|will be|must be|should be)\b)\s*:?"
    r"|\banswer\s*[:=]\s*|^[ \t#*_>]*(?:final\s+)?answer\s*(?:[-=]+>?|[–—→])\s+"
    r"|^(?:#{1,6}[ \t]*|\*\*|__)(?:(?:the|my)[ \t]+)?(?:(?:final|correct)[ \t]+)?answer[*_ \t]*$)",
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
OPENED = " ([{$*_\"'\\"  # an answer may begin so; a text that was cut there states none
QUOTED = ("***", "**", "__", "*", "_", "`", '"', "'")  # one that only begins belongs to what stands before
BOLD = re.compile(r"\*\*(.+?)\*\*|__(.+?)__", re.DOTALL)
# behind an answer that nothing announces
EXPLAINED = re.compile(
    r"\n\W*(?:Explanation|Reasoning|Reason|Rationale|Justification|Note)\W*:.*\Z", re.DOTALL
)
HASHES = re.compile(r"^#{4}[ \t]*(\S.*)$", re.MULTILINE)
# a number with a unit, a letter, yes or no: behind "####" an answer, and no heading of what follows
VALUE = re.compile(
    r"\W*(?:\d(?:[\d.,/]*\d)?(?:\s?[^\W\d]+%?| ?%){0,2}|[A-Z]|yes|no|true|false)\W*", re.IGNORECASE
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
    if tagged := [mark for mark in TAGGED.finditer(text) if mark[1]] or hashed(text):
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


def hashed(text: str) -> list[re.Match[str]]:
    """GSM8K's marks of an answer, "#### 18". A line of "####" with text under it is a heading of Markdown,
    unless it is a value and no more.
    """
    return [
        mark
        for mark in HASHES.finditer(text)
        if not text[mark.end() :].strip(EMPHASIS) or VALUE.fullmatch(mark[1])
    ]


def announcements(text: str) -> Iterator[tuple[Statement, bool]]:
    """What follows each "the answer is", the last one first; and whether that is said of the answer only."""
    for mark in reversed(list(MARK.finditer(text))):
        line = line_behind(text[mark.start() + len(mark[0].rstrip()) :])
        if line.strip(OPENED):
            of_it = OF_IT.search(text[max(0, mark.start() - 20) : mark.start()]) or SAID_OF_IT.match(line)
            begins = mark.end() - len(mark[0].lstrip())  # blanks before it may end the line before
            yield Statement(line, True, begins), bool(of_it)


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
