"""AIME 2024: 30 problems of a competition, answers from 0 to 999. One row: {"id": 7, "problem": "How many
...?", "solution": "...", "answer": "025"}.

The answer type is `latex`, for models of mathematics answer in a box; a bare "25" is read too.
"""

from pathlib import Path

from stages.parsing.fields import competition
from stages.records.example import Example

PAGE = "https://github.com/QwenLM/Qwen2.5-Math/tree/main/evaluation/data/aime24"
LICENCE = "MIT"
CITATION = "Mathematical Association of America 2024, American Invitational Mathematics Examination"


def parse(raw: Path) -> list[Example]:
    return competition(raw / "test.jsonl", "aime24")
