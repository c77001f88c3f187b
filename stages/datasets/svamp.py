"""SVAMP: body and question are one question."""

from pathlib import Path

from stages.parsing.fields import field, rows_with_place
from stages.records.example import Example
from stages.text.gold import canonical_number


def parse(raw: Path) -> list[Example]:
    examples = []
    for row, (where, source) in enumerate(rows_with_place(raw / "SVAMP.json")):
        body = field(source, "Body", where, str).strip()
        question = field(source, "Question", where, str).strip()
        answer = canonical_number(field(source, "Answer", where, object), where)
        examples.append(Example(f"svamp-{row}", "svamp", f"{body} {question}", answer, "number"))
    return examples
