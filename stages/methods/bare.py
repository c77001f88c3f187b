"""The question as it stands, and nothing around it: for texts that are whole prompts already
(stages/judging/consult.py). Asked only.
"""

from stages.config.load import Block
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence

LEARNS_FROM = "nothing"
TASKS = ()


class Settings(Block):
    pass


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """Nothing is trained."""
    return []


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    return None if texts else example.question


def answer_prefix(settings: Settings) -> str:
    return ""


def stops(settings: Settings) -> list[str]:
    return []
