"""Reasoning-CoT: a model that thinks before it speaks is given the question, and told how to end. Asked only.

Its thoughts - a separate field of the server's reply, or <think>...</think> in the text - stay apart as the
completion's `reasoning`; `train_on` of a curation says which of the two a student learns.
"""

from typing import Literal

from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence
from stages.text.formats import Worded
from stages.text.last_line import MARK, last_line

LEARNS_FROM = "nothing"
TASKS = ()
MAX_TOKENS = 16_384  # thoughts and reply together


class Settings(Worded):
    format: Literal["chat"] = "chat"


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """Nothing is trained."""
    return []


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    """The question, and how to end; to think it need not be told."""
    return None if texts else f"{example.question.strip()}\n\nEnd your reply with {last_line(example)}."


def answer_prefix(settings: Settings) -> str:
    return MARK


def stops(settings: Settings) -> list[str]:
    return []
