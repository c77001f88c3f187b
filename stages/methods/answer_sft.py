"""Answer-SFT: question -> answer, no reasoning (CasCoD Table 1, "Answer-SFT"; SCoTD section 3.1,
"Label-Only").

loss = CE(answer) = l(q, a).
"""

from typing import Literal

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Segment, Sequence
from stages.text.formats import CASCOD, SCOTD, Worded, Wording, worded, written

LEARNS_FROM = "answers"
TASKS = ("answer",)
# Differs: the released code of CasCoD ends an answer as its data does, here without a period
# (difference 24)
WORDINGS: dict[str, Wording] = {
    "paper": CASCOD["paper"],
    "cascod_release": Wording(CASCOD["released"].question, CASCOD["released"].start, ""),
    "scotd_release": SCOTD["released"],
    "chat": CASCOD["chat"],
}


class Settings(Worded):
    format: Literal["paper", "cascod_release", "scotd_release", "chat"] = "paper"
    label: Literal["gold", "teacher"] = "gold"  # teacher: SCoTD's few-shot setting, whose label may be wrong


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """One text per question with the gold label. With the teacher's: one per completion that has an answer,
    of which one is drawn per epoch.

    SCoTD does not say which of the N labels Label-Only takes; the draw is what its released code does with
    DROP_RATIONALE.
    """
    wording = WORDINGS[settings.format]

    def sequence(answer: str, unit: str = "", draw: bool = False) -> Sequence:
        prompt = Segment(worded(example, wording))
        target = Segment(f"{wording.start}{written(example, answer)}{wording.end}", "answer")
        return Sequence(example.id, [prompt, target], unit=unit, draw=draw)

    if settings.label == "gold":
        return [sequence(example.answer)]
    return [
        sequence(completion.answer, str(completion.sample), True)
        for completion in completions
        if completion.answer is not None
    ]


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    return None if texts else worded(example, WORDINGS[settings.format])


def answer_prefix(settings: Settings) -> str:
    return ""


def stops(settings: Settings) -> list[str]:
    return [end] if (end := WORDINGS[settings.format].end) else []
