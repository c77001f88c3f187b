"""All-Aligned: CasCoD's prefixes and an end-of-text token between rationale and answer, in one text (CasCoD
equation 7, Figure 5).

loss = 0.7 x CE(rationale) + 0.3 x CE(answer) on l(q + [Rationale], r + [EOS] + [Answer] + a); [Answer] may be
masked.
Differs: equation 7 sums omega x l over tokens; by default each of the two means has its weight, as in
Weight-Aligned. `normalisation: tokens` is the equation (difference 30).

It is asked in two steps, because the student stops after the rationale; the second prompt
holds that end-of-text token, so that a causal student reads what it was trained on. An encoder-decoder
student would get it in its encoder, where training had it in the decoder.
"""

from typing import Literal

from pydantic import Field

from stages.config.load import Block
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import END, Segment, Sequence
from stages.text.formats import CASCOD, CONCLUSION, with_rationale, worded, written

LEARNS_FROM = "rationales"
Release = Literal["paper", "released"]  # no `chat`: its second prompt continues what the student said
TASKS = ("rationale", "answer")
RATIONALE: dict[Release, str] = {"paper": " [Rationale]", "released": "Rationale:"}
# Differs: no released code; `released` has CasCoD's released prefixes (difference 26)
ANSWER: dict[Release, str] = {"paper": "\n[Answer]", "released": f"\n{CONCLUSION}"}


class Settings(Block):
    format: Release = "paper"
    alpha: float = Field(0.3, ge=0, le=1)  # Figure 5: 0.3 on the answer tokens, 0.7 on the rationale tokens
    # section 3.3: the prefix [Answer] "can be masked"; else it is trained with the answer
    mask_prefix: bool = True


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """One text per completion with a rationale, in two tasks, the first of which ends inside it."""
    wording = CASCOD[settings.format]
    alpha = settings.alpha
    prompt = Segment(ask(example, [], settings, "") or "")
    prefix = (
        Segment(ANSWER[settings.format])
        if settings.mask_prefix
        else Segment(ANSWER[settings.format], "answer", alpha)
    )
    answer = Segment(f" {written(example, example.answer)}{wording.end}", "answer", alpha)
    sequences = []
    for completion, rationale in with_rationale(completions):
        reasoning = Segment(f"{wording.start}{rationale}", "rationale", round(1 - alpha, 12), end=True)
        sequences.append(
            Sequence(example.id, [prompt, reasoning, prefix, answer], unit=str(completion.sample))
        )
    return sequences


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    prompt = worded(example, CASCOD[settings.format]) + RATIONALE[settings.format]
    if not texts:
        return prompt
    return (
        f"{prompt}{CASCOD[settings.format].start}{texts[0].strip()}{END}{ANSWER[settings.format]}"
        if len(texts) == 1
        else None
    )


def answer_prefix(settings: Settings) -> str:
    return ""


def stops(settings: Settings) -> list[str]:
    return []
