"""Few-shot prompting: demonstrations without their rationales, then the question (CasCoD section 4.2; SCoTD
Table 2, "No CoT"). Asked only.
"""

from stages.config.load import Block
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence
from stages.text.formats import parse_demonstrations

LEARNS_FROM = "nothing"
TASKS = ()
ANSWER = "The answer is"


class Settings(Block):
    pass


def render(example: Example, completions: list[Completion], settings: Settings) -> list[Sequence]:
    """Nothing is trained."""
    return []


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    """The demonstrations keep their questions and answers. Raises ValueError for a dataset without
    demonstrations, or odd ones.
    """
    if texts:
        return None
    description, shots = parse_demonstrations(demonstrations, "few_shot", example)
    blocks = [description] * bool(description) + [
        f"Q: {shot.question}\nA: {ANSWER} {shot.answer}" for shot in shots
    ]
    return "\n\n".join([*blocks, f"Q: {example.question.strip()}\nA:"])


def answer_prefix(settings: Settings) -> str:
    return ANSWER


def stops(settings: Settings) -> list[str]:
    return ["\nQ:"]
