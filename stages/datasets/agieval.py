"""AGIEval: passage, question and options as one question. A row's label is the printed letter where each
option has one (so says the logic of the rows), else its place.
"""

import re
from pathlib import Path

from stages.parsing.fields import field, rows_with_place, with_options
from stages.records.example import Example
from stages.text.gold import LETTERS

SUBTASKS = (  # of its files, with "-" for "_"
    "aqua_rat",
    "logiqa_en",
    "lsat_ar",
    "lsat_lr",
    "lsat_rc",
    "sat_math",
    "sat_en",
    "sat_en_without_passage",
)


def read_options(options: list[str], where: str) -> list[str]:
    """Option texts in the order of their letters."""
    printed = [option[1:2] if re.match(r"\([A-Z]\)", option) else "" for option in options]
    if sorted(printed) == list(LETTERS[: len(options)]):
        return [option[3:].strip() for _, option in sorted(zip(printed, options, strict=True))]
    if not 2 <= len(options) <= len(LETTERS):
        raise ValueError(f"{where}: options is {options!r}, wanted a list of 2 to {len(LETTERS)} texts")
    return [
        re.sub(rf"^(?:\({letter}\)|{letter}[? ])", "", option).strip()
        for letter, option in zip(LETTERS, options, strict=False)
    ]


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for subtask in SUBTASKS:
        for where, source in rows_with_place(raw / f"{subtask.replace('_', '-')}.jsonl"):
            passage = field(source, "passage", where, object) or ""
            choices = read_options([str(option) for option in field(source, "options", where, list)], where)
            asked = f"{passage}\n{field(source, 'question', where, str)}".strip()
            examples.append(
                Example(
                    id=f"agieval-{len(examples)}",
                    dataset="agieval",
                    question=with_options(asked, choices),
                    answer=field(source, "label", where, str),
                    answer_type="choice",
                    choices=choices,
                    source_split="test",
                    subtask=subtask,
                )
            )
    return examples
