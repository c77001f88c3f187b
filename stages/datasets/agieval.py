"""AGIEval, its eight English tasks with options (Zhong et al. 2023), one of CasCoD's test beds (Table 3):
2,546 questions, subtask by subtask.

One row of lsat-ar.jsonl: {"passage": "Ann sits left of Bob.", "question": "Who sits right?", "options":
["(A)Ann", "(B)Bob"], "label": "B"}. 28 rows of logiqa-en mark their options otherwise: in the order (A) (C)
(B) (D), as "B Third" or "C? Fourth", or not at all. The label is the printed letter where each option has one
(so says the logic of the rows), else its place.
"""

import re
from pathlib import Path

from stages.parsing.fields import LETTERS, field, rows_of, with_options
from stages.records.example import Example

PAGE = "https://github.com/ruixiangcui/AGIEval"
LICENCE = "MIT"
CITATION = "Zhong et al. 2023, AGIEval: A Human-Centric Benchmark for Evaluating Foundation Models"
SUBTASKS = (
    "aqua-rat",
    "logiqa-en",
    "lsat-ar",
    "lsat-lr",
    "lsat-rc",
    "sat-math",
    "sat-en",
    "sat-en-without-passage",
)


def choices_of(options: list[str], where: str) -> list[str]:
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
        for where, source in rows_of(raw / f"{subtask}.jsonl"):
            passage = field(source, "passage", where, object) or ""
            choices = choices_of([str(option) for option in field(source, "options", where, list)], where)
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
                    subtask=subtask.replace("-", "_"),
                )
            )
    return examples
