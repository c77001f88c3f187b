"""Coin Flip with four people (task: Wei et al. 2022; these rows: Kojima et al. 2022).

One row under `examples` of coin_flip.json: {"question": "A coin is heads up. Mia flips the coin. Bob does not
flip the coin. Is the coin still heads up?", "answer": "no"}.
"""

from pathlib import Path

from stages.parsing.fields import field, rows_of
from stages.records.example import Example

PAGE = "https://github.com/kojima-takeshi188/zero_shot_cot/tree/main/dataset/coin_flip"
LICENCE = "unstated"
CITATION = "Kojima et al. 2022, Large Language Models are Zero-Shot Reasoners"


def parse(raw: Path) -> list[Example]:
    return [
        Example(
            f"coin_flip-{row}",
            "coin_flip",
            field(source, "question", where, str).strip(),
            field(source, "answer", where, str),
            "yes_no",
        )
        for row, (where, source) in enumerate(rows_of(raw / "coin_flip.json", under="examples"))
    ]
