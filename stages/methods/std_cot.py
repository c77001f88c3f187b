"""Std-CoT: question -> rationale and answer in one piece (CasCoD section 3.2, equation 1; Magister et al.
2023).

loss = CE(cot) = l(q, r + a). The prompt is CasCoD's, as for all its baselines.
"""

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Segment, Sequence
from stages.text.formats import (
    CASCOD,
    CONCLUSION,
    Release,
    Worded,
    concluded,
    with_rationale,
    worded,
    written,
)

LEARNS_FROM = "rationales"
TASKS = ("cot",)


class Settings(Worded):
    format: Release = "paper"


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """One text per completion with a rationale.
    Differs: the released code trains the teacher's response as it came, here r + a are put together
    (difference 23).
    """
    prompt = Segment(worded(example, CASCOD[settings.format]))
    start = CASCOD[settings.format].start
    answer = written(example, example.answer)
    return [
        Sequence(
            example.id,
            [prompt, Segment(f"{start}{concluded(rationale, CONCLUSION, answer)}.", "cot")],
            unit=str(completion.sample),
        )
        for completion, rationale in with_rationale(completions)
    ]


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    return None if texts else worded(example, CASCOD[settings.format])


def answer_prefix(settings: Settings) -> str:
    return CONCLUSION


def stops(settings: Settings) -> list[str]:
    return []
