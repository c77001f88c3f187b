"""SCoTD: question -> each of the teacher's N sampled rationales with its answer (section 2).

loss = CE(cot): E over the corpus of -log S(y, z | x).
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
    # Differs: the released code draws one rationale per question and epoch, by the clock (difference 27)
    per_epoch: Literal["all", "one"] = "all"
    # section 3.1: gold with the answer filter (supervised), the teacher's own without (few-shot)
    label: Literal["gold", "teacher"] = "gold"


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """One text per completion with a rationale, and with an answer where that is the label."""
    wording = SCOTD[settings.format]
    sequences = []
    for completion, rationale in with_rationale(completions):
        label = example.answer if settings.label == "gold" else completion.answer
        if label is None:
            continue
        target = (
            f"{wording.start}{concluded(rationale, SCOTD_CONCLUSION, written(example, label))}{wording.end}"
        )
        segments = [Segment(worded(example, wording)), Segment(target, "cot")]
        sequences.append(
            Sequence(example.id, segments, unit=str(completion.sample), draw=settings.per_epoch == "one")
        )
    return sequences


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    return None if texts else worded(example, SCOTD[settings.format])


def answer_prefix(settings: Settings) -> str:
    return SCOTD_CONCLUSION


def stops(settings: Settings) -> list[str]:
    return [end] if (end := SCOTD[settings.format].end) else []
