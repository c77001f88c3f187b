"""SCOTT: the teacher's right reasoning, and wrong reasoning to which the wrong answer has to follow (Wang et
al. 2023; CasCoD section 4.2).

loss = (1 - alpha) x CE(cot) + alpha x CE(counterfactual)
     = (1 - alpha) l([Factual] + q, r + a) + alpha l([Counterfactual] + q + r', a')

as in the released code of CasCoD.
Needs both kinds: a curation with `filter: none`, of a teacher that is asked for r' too (counterfactual_cot;
the scripted one's `counterfactual`), or else of one that errs. In r' only the answer a' is trained.
"""

from itertools import zip_longest
from typing import Literal

from pydantic import Field

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Segment, Sequence
from stages.text.formats import (
    CASCOD,
    CONCLUSION,
    Worded,
    Wording,
    concluded,
    with_rationale,
    worded,
    written,
)

LEARNS_FROM = "rationales"
TASKS = ("cot", "counterfactual")
FormatName = Literal["paper", "cascod_release", "scott_release", "chat"]
# Differs: SCOTT's own code reads r' in the decoder, with the prefix once more; here an encoder-decoder
# student reads it in its encoder (difference 25)
WORDINGS: dict[FormatName, Wording] = {
    "paper": CASCOD["paper"],
    "cascod_release": CASCOD["released"],
    "scott_release": Wording("{question}", " ", ""),
    "chat": CASCOD["chat"],
}
PREFIXES: dict[FormatName, tuple[str, str]] = {
    "paper": ("[Factual] ", "[Counterfactual] "),
    "cascod_release": ("[Factual] ", "[Counterfactual] "),
    "scott_release": ("[factual] ", "[counterfactual] "),
    "chat": ("[Factual] ", "[Counterfactual] "),
}
CONCLUSIONS: dict[FormatName, str] = {
    "paper": CONCLUSION,
    "cascod_release": CONCLUSION,
    "scott_release": "So the answer is",
    "chat": CONCLUSION,
}
# in the counterfactual text
BEFORE_CONCLUSION: dict[FormatName, str] = {
    "paper": " ",
    "cascod_release": "\n",
    "scott_release": " ",
    "chat": " ",
}


class Settings(Worded):
    format: FormatName = "paper"
    alpha: float = Field(0.3, ge=0, le=1)  # CasCoD section 4.2; SCOTT's own code: 0.5


def start(settings: Settings, side: int) -> str:
    """What stands between the question and the reasoning, which SCOTT's own code begins with the prefix too;
    side 0: factual, 1: counterfactual.
    """
    again = PREFIXES[settings.format][side] if settings.format == "scott_release" else ""
    return WORDINGS[settings.format].start + again


def asked(example: Example, settings: Settings, side: int) -> str:
    return PREFIXES[settings.format][side] + worded(example, WORDINGS[settings.format])


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """One text per completion with a rationale and an answer; the i-th right one and the i-th wrong one are
    trained in the same step.

    Right is what curate read as the gold answer. A completion without an answer is neither.
    """
    form = settings.format
    conclusion = CONCLUSIONS[form]
    end = "" if form == "scott_release" else "."
    right: list[list[Segment]] = []
    wrong: list[list[Segment]] = []
    for completion, rationale in with_rationale(completions):
        if completion.answer == example.answer:
            target = (
                start(settings, 0) + concluded(rationale, conclusion, written(example, example.answer)) + end
            )
            right.append(
                [Segment(asked(example, settings, 0)), Segment(target, "cot", round(1 - settings.alpha, 12))]
            )
        elif completion.answer is not None:
            context = (
                asked(example, settings, 1)
                + start(settings, 1)
                + rationale
                + BEFORE_CONCLUSION[form]
                + conclusion
            )
            wrong.append(
                [
                    Segment(context),
                    Segment(f" {written(example, completion.answer)}{end}", "counterfactual", settings.alpha),
                ]
            )
    pairs = enumerate(zip_longest(right, wrong))
    return [
        Sequence(example.id, segments, unit=str(number))
        for number, pair in pairs
        for segments in pair
        if segments
    ]


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    return None if texts else asked(example, settings, 0)


def answer_prefix(settings: Settings) -> str:
    return CONCLUSIONS[settings.format]


def stops(settings: Settings) -> list[str]:
    return []
