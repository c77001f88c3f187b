"""MATH: the last box of a solution is the answer, without a unit behind it. Where the release took the box
away, its own column is; that ends at the first brace, which in the rows without a box is none.
"""

import re
from pathlib import Path

from stages.parsing.fields import field, rows_with_place
from stages.records.example import Example
from stages.text.mathematics import last_box

DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)  # code, which may print boxes of its own
UNIT = re.compile(r"(?<=.)(?:\\ |\s)*\\(?:text|mbox|textnormal)\{[^}]*\}\W*$")


def parse(raw: Path) -> list[Example]:
    """Row numbers are the file's: the one row whose answer was taken from a drawing is left out."""
    examples = []
    for row, (where, source) in enumerate(rows_with_place(raw / "problems.json")):
        solution = field(source, "solution", where, str).strip()
        told = DRAWING.sub("", solution)
        answer = last_box(told) or field(source, "output", where, str)
        if answer not in told:
            continue
        examples.append(
            Example(
                id=f"math-{row}",
                dataset="math",
                question=field(source, "problem", where, str).strip(),
                answer=UNIT.sub("", answer).strip(),
                answer_type="latex",
                rationale=solution,
            )
        )
    return examples
