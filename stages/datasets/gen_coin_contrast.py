"""Contrast set of the generated coin: pairs that differ in one person's act and in the answer."""

import random
from dataclasses import replace
from pathlib import Path

from stages.parsing.coin import Settings, contrast_question, draw_question, rationale
from stages.parsing.generated import generate_examples
from stages.records.example import Example

__all__ = ["SUBTASKS", "Settings", "parse", "rationale"]
SUBTASKS = ("original", "contrast")


def parse(raw: Path) -> list[Example]:
    """`questions` pairs, original first; both have the pair's number."""
    examples = []
    for number, original in enumerate(generate_examples(raw, "gen_coin_contrast", Settings, draw_question)):
        turned = contrast_question(original.question, random.Random(original.question))
        other = replace(original, question=turned, answer={"yes": "no", "no": "yes"}[original.answer])
        for place, (subtask, example) in enumerate(zip(SUBTASKS, (original, other), strict=True)):
            example_id = f"gen_coin_contrast-{2 * number + place}"
            examples.append(
                replace(
                    example, id=example_id, dataset="gen_coin_contrast", subtask=subtask, pair=str(number)
                )
            )
    return examples
