"""GSM8K: the number behind "#### " is the answer, the text before it the human rationale."""

import re
from pathlib import Path

from stages.parsing.fields import field, rows_with_place
from stages.records.example import Example
from stages.text.gold import canonical_number


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part in ("train", "test"):
        for where, source in rows_with_place(raw / f"{part}.jsonl"):
            solution = field(source, "answer", where, str)
            steps, mark, answer = solution.rpartition("#### ")
            if not mark:
                raise ValueError(f"{where}: no '#### ' in answer {solution!r}")
            examples.append(
                Example(
                    id=f"gsm8k-{len(examples)}",
                    dataset="gsm8k",
                    question=field(source, "question", where, str).strip(),
                    answer=canonical_number(answer, where),
                    answer_type="number",
                    source_split=part,
                    # marks of a calculator, no part of the solution's text
                    rationale=re.sub("<<.*?>>", "", steps).strip(),
                )
            )
    return examples
