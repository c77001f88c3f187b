"""Date Understanding (Srivastava et al. 2022) without options, as Faithful-CoT asks it (Lyu et al. 2023): 359
rows whose answer is a date.

One row of faithful_questions.jsonl: {"id": 7, "question": "Today is 1/2/2020. Tomorrow in MM/DD/YYYY?",
"answer": "#### 01/03/2020"}. The ids leave gaps: ten rows of the task are missing.
"""

from pathlib import Path

from stages.parsing.fields import date, field, rows_of
from stages.records.example import Example

PAGE = "https://github.com/veronica320/Faithful-COT/tree/main/data/date"
LICENCE = "MIT"
CITATION = "Lyu et al. 2023, Faithful Chain-of-Thought Reasoning"


def parse(raw: Path) -> list[Example]:
    examples = []
    for row, (where, source) in enumerate(rows_of(raw / "faithful_questions.jsonl")):
        question, answer = (field(source, name, where, str).strip() for name in ("question", "answer"))
        examples.append(
            Example(
                f"date_open-{row}", "date_open", question, date(answer.removeprefix("#### "), where), "date"
            )
        )
    return examples
