"""Coin flip, generated. `rationale` is how the scripted teacher reasons about it."""

from pathlib import Path

from stages.parsing.coin import PHRASINGS, Settings, draw_question, facts, rationale
from stages.parsing.generated import generate_examples
from stages.records.example import Example

__all__ = ["PHRASINGS", "Settings", "facts", "parse", "rationale"]


def parse(raw: Path) -> list[Example]:
    return generate_examples(raw, "gen_coin_flip", Settings, draw_question)
