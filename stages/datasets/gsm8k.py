"""GSM8K: grade school problems with human solutions (Cobbe et al. 2021). Rows: train.jsonl, then test.jsonl,
as the published split counts.

One row: {"question": "Mia has 3 boxes of 4 pens. How many pens?", "answer": "She has 3*4=<<3*4=12>>12
pens.\\n#### 12"}.
"""

import re
from pathlib import Path

from stages.parsing.fields import field, number, rows_of
from stages.records.example import Example

PAGE = "https://github.com/openai/grade-school-math"
LICENCE = "MIT"
CITATION = "Cobbe et al. 2021, Training Verifiers to Solve Math Word Problems"


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part in ("train", "test"):
        for where, source in rows_of(raw / f"{part}.jsonl"):
            solution = field(source, "answer", where, str)
            steps, mark, answer = solution.rpartition("#### ")
            if not mark:
                raise ValueError(f"{where}: no '#### ' in answer {solution!r}")
            examples.append(
                Example(
                    id=f"gsm8k-{len(examples)}",
                    dataset="gsm8k",
                    question=field(source, "question", where, str).strip(),
                    answer=number(answer, where),
                    answer_type="number",
                    source_split=part,
                    # marks of a calculator, no part of the solution's text
                    rationale=re.sub("<<.*?>>", "", steps).strip(),
                )
            )
    return examples
