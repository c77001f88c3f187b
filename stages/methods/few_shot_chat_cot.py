"""Few-shot chat-CoT: demonstrations that end as the reply is to end, then what chat_cot asks. Asked only."""

from typing import Literal

from stages.methods import chat_cot
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence
from stages.text.formats import Worded, parse_demonstrations
from stages.text.last_line import MARK

LEARNS_FROM = "nothing"
TASKS = ()
MAX_TOKENS = chat_cot.MAX_TOKENS


class Settings(Worded):
    format: Literal["chat"] = "chat"


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """Nothing is trained."""
    return []


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    """Raises ValueError for a dataset without demonstrations, or odd ones."""
    question = chat_cot.ask(example, texts, chat_cot.Settings(), "")
    if question is None:
        return None
    description, shots = parse_demonstrations(demonstrations, "few_shot_chat_cot", example)
    shown = [
        f"Question: {shot.question}\n\n{shot.rationale}\n{MARK} {shot.answer.removesuffix('.')}"
        for shot in shots
    ]
    return "\n\n".join([description] * bool(description) + [*shown, f"Question: {question}"])


def answer_prefix(settings: Settings) -> str:
    return MARK


def stops(settings: Settings) -> list[str]:
    return []
