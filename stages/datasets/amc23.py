"""AMC 12 of 2023: 40 problems of a competition whose answers are integers. One row: {"id": 7, "problem": "How
many ...?", "answer": 25.0}.

The answer type is `latex`, for models of mathematics answer in a box; a bare "25" is read too.
"""

from pathlib import Path

from stages.parsing.fields import competition
from stages.records.example import Example

PAGE = "https://github.com/QwenLM/Qwen2.5-Math/tree/main/evaluation/data/amc23"
LICENCE = "MIT"
CITATION = "Mathematical Association of America 2023, American Mathematics Competitions 12"


def parse(raw: Path) -> list[Example]:
    return competition(raw / "test.jsonl", "amc23")
