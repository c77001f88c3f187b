"""CasCoD: rationale learning, then answer learning with the rationale in view, in two cascaded steps (section
3.3).

loss = (1 - alpha) x CE(rationale) + alpha x CE(answer)
     = (1 - alpha) l(q + [Rationale], r) + alpha l(q + [Rationale] + r + [Answer], a)     (equations 4 to 6).
"""

from pydantic import Field

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Segment, Sequence
from stages.text.formats import CASCOD, CONCLUSION, Release, Worded, with_rationale, worded, written

LEARNS_FROM = "rationales"
TASKS = ("rationale", "answer")
# Differs: the released code trains "Rationale:" and asks "\nRationale:"; here both are one constant
# (difference 19)
RATIONALE: dict[Release, str] = {
    "paper": " [Rationale]",
    "released": "Rationale:",
    "chat": " [Rationale]",
}
ANSWER: dict[Release, str] = {
    "paper": "\n[Answer]",
    "released": f"\n{CONCLUSION}",
    "chat": "\n[Answer]",
}


class Settings(Worded):
    format: Release = "paper"
    # section 4.2; the released shell script: 0.1, its class: 0.5
    alpha: float = Field(0.3, ge=0, le=1)


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """Two texts per completion with a rationale, trained in the same step; the second one reads the first
    one's target.
    """
    wording = CASCOD[settings.format]
    alpha = settings.alpha
    answer = Segment(f" {written(example, example.answer)}{wording.end}", "answer", alpha)
    sequences = []
    for completion, rationale in with_rationale(completions):
        first, second = (Segment(ask(example, texts, settings, "") or "") for texts in ([], [rationale]))
        reasoning = Segment(f"{wording.start}{rationale}", "rationale", round(1 - alpha, 12))
        sequences += [
            Sequence(example.id, segments, unit=str(completion.sample))
            for segments in ([first, reasoning], [second, answer])
        ]
    return sequences


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    """First the rationale, then the answer to question and rationale."""
    prompt = worded(example, CASCOD[settings.format]) + RATIONALE[settings.format]
    if not texts:
        return prompt
    return (
        f"{prompt}{CASCOD[settings.format].start}{texts[0].strip()}{ANSWER[settings.format]}"
        if len(texts) == 1
        else None
    )


def answer_prefix(settings: Settings) -> str:
    return ""


def stops(settings: Settings) -> list[str]:
    return []
