"""SVAMP: word problems with changed wording (Patel et al. 2021).

One row of SVAMP.json: {"ID": "chal-1", "Body": "Mia has 3 pens and buys 4", "Question": "How many pens has
she now?", "Equation": "( 3.0 + 4.0 )", "Answer": 7.0, "Type": "Addition"}. The body may end without a period,
and is asked like that.
"""

from pathlib import Path

from stages.parsing.fields import field, number, rows_of
from stages.records.example import Example

PAGE = "https://github.com/arkilpatel/SVAMP"
LICENCE = "MIT"
CITATION = "Patel et al. 2021, Are NLP Models really able to Solve Simple Math Word Problems?"


def parse(raw: Path) -> list[Example]:
    examples = []
    for row, (where, source) in enumerate(rows_of(raw / "SVAMP.json")):
        question = (
            f"{field(source, 'Body', where, str).strip()} {field(source, 'Question', where, str).strip()}"
        )
        examples.append(
            Example(
                f"svamp-{row}",
                "svamp",
                question,
                number(field(source, "Answer", where, object), where),
                "number",
            )
        )
    return examples
