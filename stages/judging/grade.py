"""Grade: what a model that judges (`judges`) gives a completion, from 1 to 10."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from stages.judging.consult import consult, plan

# "Score: 7", "**Score:** 7/10", "score (1-10) = 7.5"
SCORE = re.compile(r"\bscore\b(?:\s*\([^)]*\))?[\s*_]*(?::|=|is|of)[\s*_]*(\d+(?:\.\d+)?)", re.IGNORECASE)
LOWEST = 1
HIGHEST = 10


class Graded(NamedTuple):
    """What a judge sees. The gold answer is not among it."""

    question: str
    rationale: str
    answer: str | None  # None: none was read


def grade_prompt(one: Graded) -> str:
    answer = f"\n\nAnswer:\n{one.answer}" if one.answer is not None else ""
    return (
        "Below are a question and somebody's reasoning about it. How good is the reasoning? What counts most"
        " is whether each step is right and follows from those before it; then, whether it leads to the"
        f" answer without detours.\n\nQuestion:\n{one.question.strip()}\n\nReasoning:\n"
        f"{one.rationale.strip()}{answer}\n\nReply with one line and nothing else, a whole number from"
        f" {LOWEST} (useless) to {HIGHEST} (flawless):\nScore: N"
    )


def read_grade(reply: str | None) -> float | None:
    """The score in a judge's words; None where they name none, several, or one that is none."""
    named = {float(number) for number in SCORE.findall(reply or "")}
    score = named.pop() if len(named) == 1 else None
    return score if score is not None and LOWEST <= score <= HIGHEST else None


def grades(judge: str, asked: Sequence[Graded]) -> list[float | None]:
    """What the block `judges.<judge>` gives each; None: nothing came, or nothing that can be read.

    Raises ValueError where nothing at all can be read: what answers is no judge.
    """
    replies = consult(f"judges.{judge}", [grade_prompt(one) for one in asked])
    found = [read_grade(reply) for reply in replies]
    if found and all(score is None for score in found):
        raise ValueError(
            f"judges.{judge}: {len(found)} replies and no score in any, such as {str(replies[0])[:80]!r};"
            f" wanted `Score: N`, from {LOWEST} to {HIGHEST} (a limit of tokens may cut it off)"
        )
    return found


def grades_plan(judge: str, asked: Sequence[Graded]) -> str:
    """What `grades` would ask for, and what it would cost: nothing is asked."""
    return plan(f"judges.{judge}", [grade_prompt(one) for one in asked])
