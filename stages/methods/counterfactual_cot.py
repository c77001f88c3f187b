"""Counterfactual CoT: every second sample of a question is a rationale for a wrong answer that the teacher is
given; the others are chat_cot's. Asked only; SCOTT learns from both (Wang et al. 2023).

The wrong answer is drawn, from the seed, of the question's other options, as in SCOTT's released code
(contrastive_decoding_rationalization.py), else of other questions' answers.
Differs: SCOTT continues few-shot prompts that end in "The answer is X.", gives the right answer too, and
decodes against a perturbed prompt; here chat models are told in our own words to argue for X and to end with
it, and reason to their own answer unasked (difference 50).
"""

import random
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Literal

from stages.methods import chat_cot
from stages.records import sequence
from stages.records.completion import Completion
from stages.records.example import Example
from stages.text.answers import is_correct
from stages.text.formats import Worded, written
from stages.text.last_line import MARK

LEARNS_FROM = "nothing"
TASKS = ()
MAX_TOKENS = chat_cot.MAX_TOKENS
ATTEMPTS = 1000  # draws that may be the gold answer


class Settings(Worded):
    format: Literal["chat"] = "chat"
    seed: int = 0  # of the wrong answers


def render(example: Example, completions: list[Completion], settings: Settings) -> list[sequence.Sequence]:
    """Nothing is trained."""
    return []


def ask(example: Example, texts: list[str], settings: Settings, demonstrations: str) -> str | None:
    """For the model's own answer."""
    return chat_cot.ask(example, texts, chat_cot.Settings(), demonstrations)


def given(
    example: Example, sample: int, answers: Mapping[tuple[str | None, str], Sequence[str]], settings: Settings
) -> str | None:
    """The wrong answer that a sample is asked to argue for; None: its own. `answers`: those of each subtask
    and type.

    Raises ValueError where there is no wrong one.
    """
    if sample % 2 == 0:
        return None
    choices = example.choices or []
    options = {"choice": list(ascii_uppercase[: len(choices)]), "yes_no": ["yes", "no"]}
    pool = options.get(example.answer_type, choices) or answers[example.subtask, example.answer_type]
    rng = random.Random(f"{settings.seed} {example.id} {sample}")
    for _ in range(ATTEMPTS):
        if not is_correct(drawn := rng.choice(pool), example.answer, example.answer_type):
            return drawn
    raise ValueError(f"counterfactual_cot: {example.id}: no wrong answer among {list(pool)[:5]}")


def ask_given(
    example: Example, wrong: str, texts: list[str], settings: Settings, demonstrations: str
) -> str | None:
    """For a rationale of this answer."""
    asked = (
        f"{example.question.strip()}\n\nTake it that the answer is {written(example, wrong)}. Reason step by"
        " step to this answer, as someone would who believes it, and do not say that it was given. Then end"
        f' with one last line: "{MARK} {wrong}".'
    )
    return None if texts else asked


def answer_prefix(settings: Settings) -> str:
    return MARK


def stops(settings: Settings) -> list[str]:
    return []
