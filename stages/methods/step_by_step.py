"""Distilling Step-by-step: two tasks side by side, question -> rationale and question -> answer (Hsieh et al.
2023; CasCoD equation 3).

loss = (1 - alpha) x CE(rationale) + alpha x CE(answer) = (1 - alpha) l(q + [Rationale], r) + alpha l(q +
[Answer], a).
Differs: equation 3 has 1 and lambda in place of alpha and 1 - alpha: the same up to a factor, for
lambda = (1 - alpha) / alpha (difference 22).
"""

from pydantic import Field

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Segment, Sequence
from stages.text.formats import CASCOD, Release, Worded, with_rationale, worded, written

LEARNS_FROM = "rationales"
TASKS = ("rationale", "answer")
RATIONALE: dict[Release, str] = {
    "paper": " [Rationale]",
    "released": "\nRationale:",
    "chat": " [Rationale]",
}
# Differs: the released code trains "\nAnswer:" and asks "\nAnswer: "; here both are one constant
# (difference 21)
ANSWER: dict[Release, str] = {"paper": " [Answer]", "released": "\nAnswer:", "chat": " [Answer]"}


class Settings(Worded):
    format: Release = "paper"
    # CasCoD section 4.2; its released shell script: 0.1, its class: 0.5
    alpha: float = Field(0.3, ge=0, le=1)
    explain: bool = False  # ask for the rationale too: faithfulness needs one (CasCoD Table 2)


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """Two texts per completion with a rationale, trained in the same step."""
    wording = CASCOD[settings.format]
    alpha = settings.alpha
    asked = worded(example, wording)
    answer = Segment(f" {written(example, example.answer)}{wording.end}", "answer", alpha)
    sequences = []
    for completion, rationale in with_rationale(completions):
        unit = str(completion.sample)
        reasoning = Segment(f"{wording.start}{rationale}", "rationale", round(1 - alpha, 12))
        sequences.append(
            Sequence(example.id, [Segment(asked + RATIONALE[settings.format]), reasoning], unit=unit)
        )
        sequences.append(Sequence(example.id, [Segment(asked + ANSWER[settings.format]), answer], unit=unit))
    return sequences


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    """Only the answer is asked for: reasoning was a task of training; with `explain` the rationale before it,
    which it does not read.
    """
    steps = [RATIONALE[settings.format]] * settings.explain + [ANSWER[settings.format]]
    return worded(example, CASCOD[settings.format]) + steps[len(texts)] if len(texts) < len(steps) else None


def answer_prefix(settings: Settings) -> str:
    return ""


def stops(settings: Settings) -> list[str]:
    return []
