"""Zero-shot-CoT, asked in two steps (Kojima et al. 2022; Fine-tune-CoT section 3, step 1): first the
rationale, then the answer. Asked only.
"""

from stages.config.load import Block
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence

LEARNS_FROM = "nothing"
TASKS = ()
REASON = "\nA: Let's think step by step."
# Differs: Kojima et al. name the answer's form here ("among A through E", "arabic numerals"); Fine-tune-CoT
# does not (difference 11)
ANSWER = "\nTherefore, the answer is"


class Settings(Block):
    pass


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """Nothing is trained."""
    return []


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    prompt = f"Q: {example.question.strip()}{REASON}"
    if len(texts) == 0:
        return prompt
    return f"{prompt}{texts[0].rstrip()}{ANSWER}" if len(texts) == 1 else None


def prompts(example: Example, texts: list[str]) -> list[str]:
    """Both prompts, for answers that are known already: [first, second] to texts [rationale, answer]."""
    return [ask(example, texts[:step], Settings(), "") or "" for step in range(len(texts))]


def answer_prefix(settings: Settings) -> str:
    return ""


def stops(settings: Settings) -> list[str]:
    return ["\nQ:"]
