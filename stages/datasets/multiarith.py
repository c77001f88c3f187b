"""MultiArith: word problems of two steps (Roy and Roth 2015), as zero-shot-CoT serves them.

One row of MultiArith.json: {"iIndex": 0, "sQuestion": " Mia has 3 pens, buys 4 and loses 1. How many now? ",
"lEquations": ["X=((3.0+4.0)-1.0)"], "lSolutions": [6.0], "lAlignments": [9, 22, 34]}. Twenty rows occur
twice.
"""

from pathlib import Path

from stages.parsing.fields import word_problems
from stages.records.example import Example

PAGE = "https://github.com/kojima-takeshi188/zero_shot_cot/tree/main/dataset/MultiArith"
LICENCE = "unstated"
CITATION = "Roy and Roth 2015, Solving General Arithmetic Word Problems"


def parse(raw: Path) -> list[Example]:
    return word_problems(raw / "MultiArith.json", "multiarith")
