"""Coin flip, generated: the task of Wei et al. 2022 and Kojima et al. 2022 in ten phrasings, with `people`
who flip a coin or leave it.

One row: "A coin lies heads up. Ada flips it. Rex leaves it alone. Does it still lie heads up?" -> "no".
`rationale` is how the scripted teacher reasons about it.
"""

from pathlib import Path

from stages.parsing.coin import PHRASINGS, Settings, draw, facts, rationale
from stages.parsing.generated import generate
from stages.records.example import Example

__all__ = ["PHRASINGS", "Settings", "facts", "parse", "rationale"]
PAGE = "stages/datasets/gen_coin_flip.py"
LICENCE = "that of this repository"
CITATION = "the task: Wei et al. 2022, Chain-of-Thought Prompting Elicits Reasoning in Large Language Models"


def parse(raw: Path) -> list[Example]:
    return generate(raw, "gen_coin_flip", Settings, draw)
