"""AQuA-RAT: options as zero-shot-CoT shows them. Without train.jsonl there are only the test rows, under the
numbers that they have behind it.
"""

from pathlib import Path

from stages.parsing.fields import field, rows_with_place
from stages.records.example import Example
from stages.text.gold import LETTERS

FIRST_ROW = {"train": 0, "test": 97467}


def parse(raw: Path) -> list[Example]:
    parts = [part for part in FIRST_ROW if part == "test" or (raw / f"{part}.jsonl").exists()]
    return [
        parse_row(part, FIRST_ROW[part] + row, where, source)
        for part in parts
        for row, (where, source) in enumerate(rows_with_place(raw / f"{part}.jsonl"))
    ]


def parse_row(part: str, row: int, where: str, source: dict[str, object]) -> Example:
    options = field(source, "options", where, list)
    if [str(option)[:2] for option in options] != [f"{letter})" for letter in LETTERS[:5]]:
        raise ValueError(f"{where}: options is {options!r}, wanted five texts 'A)...' to 'E)...'")
    # zero-shot-CoT sets blanks around every bracket, also those inside an option; its released rationales are
    # joined on this text
    shown = "".join(f"({option}" for option in options).replace("(", " (").replace(")", ") ")
    return Example(
        id=f"aqua-{row}",
        dataset="aqua",
        question=f"{field(source, 'question', where, str).strip()} Answer Choices:{shown}".strip(),
        answer=field(source, "correct", where, str),
        answer_type="choice",
        choices=[option[2:].strip() for option in options],
        source_split=part,
        rationale=field(source, "rationale", where, str).strip(),
    )
