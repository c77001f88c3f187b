"""Few-shot-CoT: demonstrations with rationales, then the question (Wei et al. 2022; Fine-tune-CoT appendix
A). Asked only.
"""

from stages.config.load import Block
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence

LEARNS_FROM = "nothing"
TASKS = ()


class Settings(Block):
    # as demonstrations say it: "The answer is" (Fine-tune-CoT), "So the answer is" (SCoTD, BIG-Bench Hard)
    answer_prefix: str = "he answer is"


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """Nothing is trained."""
    return []


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    """Raises ValueError for a dataset without demonstrations (Fine-tune-CoT has none for Tracking Shuffled
    Objects).
    """
    if not demonstrations.strip():
        raise ValueError(
            f"few_shot_cot: {example.dataset} has no demonstrations: write"
            f" stages/datasets/{example.dataset}.txt or drop it from run.datasets"
        )
    return None if texts else f"{demonstrations.rstrip()}\n\nQ: {example.question.strip()}\nA:"


def answer_prefix(settings: Settings) -> str:
    return settings.answer_prefix


def stops(settings: Settings) -> list[str]:
    return ["\nQ:"]
