"""Date Understanding without options: a question and a date behind "#### "."""

from pathlib import Path

from stages.datasets.date_understanding import template
from stages.parsing.fields import field, rows_with_place
from stages.records.example import Example
from stages.text.gold import canonical_date


def parse(raw: Path) -> list[Example]:
    examples = []
    for row, (where, source) in enumerate(rows_with_place(raw / "faithful_questions.jsonl")):
        question, answer = (field(source, name, where, str).strip() for name in ("question", "answer"))
        date = canonical_date(answer.removeprefix("#### "), where)
        told = template(question)
        examples.append(Example(f"date_open-{row}", "date_open", question, date, "date", template=told))
    return examples
