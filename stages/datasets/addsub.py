"""AddSub: addition and subtraction word problems (Hosseini et al. 2014), as zero-shot-CoT serves them.

One row of AddSub.json: {"iIndex": 1, "sQuestion": "Mia has 3 pens . She buys 4 . How many now ? ",
"lEquations": ["X = 3 + 4"], "lSolutions": ["7"]}. Solutions are texts, "7" or "7.0".
"""

from pathlib import Path

from stages.parsing.fields import word_problems
from stages.records.example import Example

PAGE = "https://github.com/kojima-takeshi188/zero_shot_cot/tree/main/dataset/AddSub"
LICENCE = "unstated"
CITATION = "Hosseini et al. 2014, Learning to Solve Arithmetic Word Problems with Verb Categorization"


def parse(raw: Path) -> list[Example]:
    return word_problems(raw / "AddSub.json", "addsub")
