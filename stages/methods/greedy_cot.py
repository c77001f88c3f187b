"""Greedy-CoT: SCoTD's baseline with one rationale per question, the teacher's most likely one (SCoTD section
3.1).

loss = CE(cot). The text is SCoTD's; the teacher's block says `temperature: 0` and `samples: 1`.
"""

from typing import Literal

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Segment, Sequence
from stages.text.formats import (
    SCOTD,
    SCOTD_CONCLUSION,
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
    # section 3.1: gold with the answer filter (supervised), the teacher's own without (few-shot)
    label: Literal["gold", "teacher"] = "gold"


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """One text per question. Raises ValueError for a question with several completions, because a sample is
    not the most likely text.
    """
    if len(completions) > 1:
        raise ValueError(
            f"greedy_cot: {example.id} has {len(completions)} completions, wanted 1: ask a teacher with"
            " `temperature: 0`, `samples: 1`"
        )
    wording = SCOTD[settings.format]
    sequences = []
    for completion, rationale in with_rationale(completions):
        label = example.answer if settings.label == "gold" else completion.answer
        if label is not None:
            reasoned = concluded(rationale, SCOTD_CONCLUSION, written(example, label))
            target = f"{wording.start}{reasoned}{wording.end}"
            sequences.append(
                Sequence(
                    example.id,
                    [Segment(worded(example, wording)), Segment(target, "cot")],
                    unit=str(completion.sample),
                )
            )
    return sequences


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    return None if texts else worded(example, SCOTD[settings.format])


def answer_prefix(settings: Settings) -> str:
    return SCOTD_CONCLUSION


def stops(settings: Settings) -> list[str]:
    return [end] if (end := SCOTD[settings.format].end) else []
