"""OlympiadBench: one text with all answers, read as LaTeX."""

from pathlib import Path

from stages.parsing.fields import field, rows_with_place
from stages.records.example import Example

SUBTASKS = ("algebra", "combinatorics", "geometry", "number_theory")


def parse(raw: Path) -> list[Example]:
    examples = []
    for row, (where, source) in enumerate(rows_with_place(raw / "test.jsonl")):
        answers = field(source, "final_answer", where, list)
        if len(answers) != 1:
            raise ValueError(f"{where}: final_answer is {answers!r}, wanted one text")
        examples.append(
            Example(
                id=f"olympiad_bench-{row}",
                dataset="olympiad_bench",
                question=field(source, "question", where, str).strip(),
                answer=field({"final_answer": answers[0]}, "final_answer", where, str).strip(),
                answer_type="latex",
                source_split="test",
                subtask=field(source, "subfield", where, str).lower().replace(" ", "_"),
            )
        )
    return examples
