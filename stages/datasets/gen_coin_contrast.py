"""Contrast set of the generated coin: each question beside one in which a single person does the opposite, so
that the answer is the other one.

SCoTD section 3.4 asks whether a student follows such a small change (IMDb contrast sets); here the pairs are
made by script. One pair: "A coin lies heads up. Ada flips it. Does it still lie heads up?" -> "no" and "A
coin lies heads up. Ada leaves it alone. Does it still ...?" -> "yes".
"""

import random
from dataclasses import replace
from pathlib import Path

from stages.parsing.coin import Settings, contrast, draw, rationale
from stages.parsing.generated import generate
from stages.records.example import Example

__all__ = ["Settings", "parse", "rationale"]
PAGE = "stages/datasets/gen_coin_contrast.py"
LICENCE = "that of this repository"
CITATION = "the idea: Gardner et al. 2020, Evaluating Models' Local Decision Boundaries via Contrast Sets"


def parse(raw: Path) -> list[Example]:
    """`questions` pairs, original first; both have the pair's number."""
    examples = []
    for number, original in enumerate(generate(raw, "gen_coin_contrast", Settings, draw)):
        turned = contrast(original.question, random.Random(original.question))
        other = replace(original, question=turned, answer={"yes": "no", "no": "yes"}[original.answer])
        for place, (subtask, example) in enumerate((("original", original), ("contrast", other))):
            example_id = f"gen_coin_contrast-{2 * number + place}"
            examples.append(
                replace(
                    example, id=example_id, dataset="gen_coin_contrast", subtask=subtask, pair=str(number)
                )
            )
    return examples
