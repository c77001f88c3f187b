"""QuaRel: the two options stand in the question."""

import re
from pathlib import Path

from stages.parsing.fields import field, rows_with_place
from stages.records.example import Example
from stages.text.gold import LETTERS


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part in ("train", "validation", "test"):
        for where, source in rows_with_place(raw / f"{part}.jsonl"):
            question = field(source, "question", where, str).strip()
            index = field(source, "answer_index", where, int)
            options = re.search(r"\(A\)(.*)\(B\)(.*)$", question, re.DOTALL)
            if not options or index not in (0, 1):
                raise ValueError(
                    f"{where}: question is {question!r} and answer_index {index}, wanted '... (A) ... (B)"
                    " ...' and 0 or 1"
                )
            examples.append(
                Example(
                    id=f"quarel-{len(examples)}",
                    dataset="quarel",
                    question=question,
                    answer=LETTERS[index],
                    answer_type="choice",
                    choices=[option.strip() for option in options.groups()],
                    source_split=part,
                )
            )
    return examples
