"""Last Letter Concatenation with four names (task: Wei et al. 2022; these rows: Kojima et al. 2022).

One row under `examples` of last_letters.json: {"question": "Take the last letters of each words in \\"Mia
Bob\\" and concatenate them.", "answer": "ab"}.
"""

from pathlib import Path

from stages.parsing.fields import field, rows_of
from stages.records.example import Example

PAGE = "https://github.com/kojima-takeshi188/zero_shot_cot/tree/main/dataset/last_letters"
LICENCE = "unstated"
CITATION = "Kojima et al. 2022, Large Language Models are Zero-Shot Reasoners"


def parse(raw: Path) -> list[Example]:
    return [
        Example(
            f"last_letter-{row}",
            "last_letter",
            field(source, "question", where, str).strip(),
            field(source, "answer", where, str).strip(),
            "text",
        )
        for row, (where, source) in enumerate(rows_of(raw / "last_letters.json", under="examples"))
    ]
