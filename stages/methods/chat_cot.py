"""Chat-CoT: a chat model reasons and answers in one call; the last line of its reply gives the answer. Asked
only.

What zero-shot-CoT asks of a completion model in two steps (Kojima et al. 2022), in the way that today's chat
models take it.
"""

from typing import Literal

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence
from stages.text.formats import Worded
from stages.text.last_line import MARK, last_line

LEARNS_FROM = "nothing"
TASKS = ()
MAX_TOKENS = 1024


class Settings(Worded):
    format: Literal["chat"] = "chat"


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """Nothing is trained."""
    return []


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    """The question, and how to end."""
    asked = f"{example.question.strip()}\n\nThink step by step. Then end with {last_line(example)}."
    return None if texts else asked


def answer_prefix(settings: Settings) -> str:
    return MARK


def stops(settings: Settings) -> list[str]:
    return []
