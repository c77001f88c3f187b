"""AIME 2025: 30 problems of a competition, answers from 0 to 999. One row: {"id": "7", "problem": "How many
...?", "answer": 25}.

The answer type is `latex`, for models of mathematics answer in a box; a bare "25" is read too.
"""

from pathlib import Path

from stages.parsing.fields import competition
from stages.records.example import Example

PAGE = "https://github.com/zhshgmail/AReaL/tree/main/evaluation/data/aime25"
LICENCE = "Apache-2.0"
CITATION = "Mathematical Association of America 2025, American Invitational Mathematics Examination"


def parse(raw: Path) -> list[Example]:
    return competition(raw / "test.jsonl", "aime25")
