"""SVAMP: body and question are one question."""

from pathlib import Path

from stages.parsing.fields import canonical_number, field, rows_with_place
from stages.records.example import Example


def parse(raw: Path) -> list[Example]:
    examples = []
    for row, (where, source) in enumerate(rows_with_place(raw / "SVAMP.json")):
        question = (
            f"{field(source, 'Body', where, str).strip()} {field(source, 'Question', where, str).strip()}"
        )
        examples.append(
            Example(
                f"svamp-{row}",
                "svamp",
                question,
                canonical_number(field(source, "Answer", where, object), where),
                "number",
            )
        )
    return examples
