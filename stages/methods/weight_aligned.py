"""Weight-Aligned: Std-CoT's text with one weight for the rationale and one for the answer (CasCoD section
4.4, Figure 5).

loss = 0.7 x CE(rationale) + 0.3 x CE(answer), both in one text l(q, r + a); the answer's part begins with
"Therefore, the answer is".
Differs: equation 7 sums omega x l over tokens; by default, as in the released code, each of the two means
has its weight. `normalisation: tokens` is the equation (difference 31).
"""

from pydantic import Field

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Segment, Sequence
from stages.text.formats import CASCOD, CONCLUSION, Release, Worded, with_rationale, worded, written

LEARNS_FROM = "rationales"
TASKS = ("rationale", "answer")


class Settings(Worded):
    format: Release = "paper"
    alpha: float = Field(0.3, ge=0, le=1)  # Figure 5: 0.3 on the answer tokens, 0.7 on the rationale tokens


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """One text per completion with a rationale, in two tasks."""
    wording = CASCOD[settings.format]
    alpha = settings.alpha
    prompt = Segment(worded(example, wording))
    answer = Segment(f" {CONCLUSION} {written(example, example.answer)}.", "answer", alpha)
    sequences = []
    for completion, rationale in with_rationale(completions):
        reasoning = Segment(f"{wording.start}{rationale}", "rationale", round(1 - alpha, 12))
        sequences.append(Sequence(example.id, [prompt, reasoning, answer], unit=str(completion.sample)))
    return sequences


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    return None if texts else worded(example, CASCOD[settings.format])


def answer_prefix(settings: Settings) -> str:
    return CONCLUSION


def stops(settings: Settings) -> list[str]:
    return []
