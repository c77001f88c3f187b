"""SingleEq: word problems that one equation solves (Koncel-Kedziorski et al. 2015), as zero-shot-CoT serves
them.

One row of questions.json: {"iIndex": 0, "sQuestion": "Mia has 3 pens. She buys 4. How many now ?",
"lEquations": ["3+4=x"], "lSolutions": [7.0], "templateNumber": 0, "grammarCheck": 0}. templateNumber is 0 in
every row, so it states no template.
"""

from pathlib import Path

from stages.parsing.fields import word_problems
from stages.records.example import Example

PAGE = "https://github.com/kojima-takeshi188/zero_shot_cot/tree/main/dataset/SingleEq"
LICENCE = "unstated"
CITATION = "Koncel-Kedziorski et al. 2015, Parsing Algebraic Word Problems into Equations"


def parse(raw: Path) -> list[Example]:
    return word_problems(raw / "questions.json", "single_eq")
