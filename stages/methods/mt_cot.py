"""MT-CoT: two tasks side by side, question -> rationale and answer, and question -> answer (Li et al. 2022;
CasCoD section 4.2).

loss = (1 - alpha) x CE(cot) + alpha x CE(answer) = (1 - alpha) l(q + [Rationale], r + a) + alpha l(q +
[Answer], a). It differs from Step-by-step in the first target only.
"""

from pydantic import Field

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
TASKS = ("cot", "answer")
COT: dict[Release, str] = {
    "paper": " [Rationale]",
    "released": "\n[Explanation Generation]:",
    "chat": " [Rationale]",
}
# Differs: the released code trains "\n[Answer Prediction]:" and asks it with one space more; here both are
# one constant (difference 20)
ANSWER: dict[Release, str] = {
    "paper": " [Answer]",
    "released": "\n[Answer Prediction]:",
    "chat": " [Answer]",
}


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
    gold = written(example, example.answer)
    answer = Segment(f" {gold}{wording.end}", "answer", alpha)
    sequences = []
    for completion, rationale in with_rationale(completions):
        unit = str(completion.sample)
        cot = f"{wording.start}{concluded(rationale, CONCLUSION, gold)}."
        sequences.append(
            Sequence(
                example.id,
                [Segment(asked + COT[settings.format]), Segment(cot, "cot", round(1 - alpha, 12))],
                unit=unit,
            )
        )
        sequences.append(Sequence(example.id, [Segment(asked + ANSWER[settings.format]), answer], unit=unit))
    return sequences


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    """Only the answer is asked for, as the released evaluation does; with `explain` the rationale before it,
    which it does not read.
    """
    steps = [COT[settings.format]] * settings.explain + [ANSWER[settings.format]]
    return worded(example, CASCOD[settings.format]) + steps[len(texts)] if len(texts) < len(steps) else None


def answer_prefix(settings: Settings) -> str:
    return ""


def stops(settings: Settings) -> list[str]:
    return []
