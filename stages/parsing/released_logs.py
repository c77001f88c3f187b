"""Logs of zero-shot-CoT (Kojima et al. 2022): text-davinci-002, asked in two steps, or in one for the bare
answer.

One record: a ruler, "Q: ...", "A: ..." with all that was said and what was put between, what its authors read
in it, a ruler.
"""

import ast
import re
from typing import NamedTuple

RULER = re.compile(r"^\*{25}$", re.MULTILINE)
RECORD = re.compile(
    r"\s*(?:\d+st data\n)?\d+_th_sampling\nQ: (?P<question>.*?)\nA: (?P<reply>.*)\npred_before :"
    r" (?P<before>.*)"
    r"\npred_after : (?P<after>.*)\npred_list : .*\npred_mode : .*\nGT : (?P<gold>[^\n]*)\s*",
    re.DOTALL,
)


class LogRecord(NamedTuple):
    question: str  # after "Q: "
    steps: list[tuple[str, str]]  # what was put after the text so far, and what the model said to it
    pred_before: str  # the answer text as the log repeats it
    pred_after: str  # the answer the log's authors read
    gold: str


def header_value(header: str, name: str) -> str:
    """A string argument in the log's printed `Namespace(...)`."""
    found = re.search(rf"\b{name}=('[^']*'|\"[^\"]*\")", header)
    if not found:
        raise ValueError(f"no {name}='...' in the header {header[:200]!r}")
    return str(ast.literal_eval(found[1]))


def split_steps(
    reply: str, before: str, method: str, cot_trigger: str, trigger: str
) -> list[tuple[str, str]]:
    """The steps in all that the log shows after "A: ". `trigger` asks for the answer and starts with
    "\\nTherefore, ".
    """
    if method == "zero_shot":
        asked = trigger.removeprefix("\nTherefore, ")
        asked = asked[0].upper() + asked[1:]
        if not reply.startswith(asked):
            raise ValueError(f"no {asked!r} at the start of the reply {reply[:80]!r}")
        return [(f"\nA: {asked}", reply.removeprefix(asked))]
    if method != "zero_shot_cot" or not reply.startswith(cot_trigger):
        raise ValueError(
            f"method {method!r}, wanted 'zero_shot' or 'zero_shot_cot'; no {cot_trigger!r} at the start of"
            f" {reply[:80]!r}"
        )
    rest = reply.removeprefix(cot_trigger)
    places = [found.start() for found in re.finditer(re.escape(trigger), rest)]
    # rationale and answer may repeat the trigger, and older logs print the answer trimmed and without colons
    fits = [place for place in places if comparable(rest[place + len(trigger) :]) == comparable(before)]
    if len(fits) != 1:
        raise ValueError(
            f"{len(fits)} of {len(places)} places of {trigger!r} leave the answer {before!r}, wanted 1:"
            f" {rest!r}"
        )
    rationale = rest[: fits[0]]
    answer = rest[fits[0] + len(trigger) :]
    space = " " if rationale.endswith(" ") else ""  # the one that the asking code puts before the trigger
    return [(f"\nA: {cot_trigger}", rationale.removesuffix(" ")), (space + trigger, answer)]


def comparable(text: str) -> str:
    return re.sub(r"[\s:]", "", text)


def parse_log(text: str) -> list[LogRecord]:
    """All records of a zero-shot-CoT log, in its order (a shuffled one). Raises ValueError with the record's
    number.
    """
    header, *parts = RULER.split(text)
    method, cot_trigger, trigger = (
        header_value(header, name) for name in ("method", "cot_trigger", "direct_answer_trigger")
    )
    bodies = [part for part in parts if part.strip() and not part.lstrip().startswith("accuracy : ")]
    records = []
    for number, body in enumerate(bodies, 1):
        found = RECORD.fullmatch(body)
        if not found:
            raise ValueError(
                f"record {number}: wanted 'Q: ... A: ... pred_before ... GT : ...', got {body[:200]!r}"
            )
        try:
            steps = split_steps(found["reply"], found["before"], method, cot_trigger, trigger)
        except ValueError as error:
            raise ValueError(f"record {number}: {error}") from error
        records.append(LogRecord(found["question"], steps, found["before"], found["after"], found["gold"]))
    return records
