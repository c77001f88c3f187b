"""Adversarial NLI: the answer is a word, in the form of SCoTD's six demonstrations. Without train.jsonl there
are only the other rows, under the numbers that they have behind it.

Differs: SCoTD's loader takes 1 for "no" and 2 for "not possible to tell", against the data and its own
demonstrations (difference 5).
"""

from pathlib import Path

from stages.parsing.fields import field, rows_with_place
from stages.records.example import Example

FIRST_ROW = {"train": 0, "validation": 16946, "test": 17946}
ANSWERS = ("yes", "it is not possible to tell", "no")  # by label
CHOICES = ["yes", "no", "it is not possible to tell"]  # as they are shown


def parse(raw: Path) -> list[Example]:
    parts = [part for part in FIRST_ROW if part != "train" or (raw / "train.jsonl").exists()]
    return [
        parse_row(part, FIRST_ROW[part] + row, where, source)
        for part in parts
        for row, (where, source) in enumerate(rows_with_place(raw / f"{part}.jsonl"))
    ]


def parse_row(part: str, row: int, where: str, source: dict[str, object]) -> Example:
    label = field(source, "label", where, int)
    if label not in (0, 1, 2):
        raise ValueError(f"{where}: label is {label}, wanted 0, 1 or 2")
    premise, hypothesis = (field(source, name, where, str).strip() for name in ("premise", "hypothesis"))
    listed = "\n- ".join(CHOICES)
    return Example(
        id=f"anli-{row}",
        dataset="anli",
        question=(
            f'Premise:\n"{premise}"\nBased on this premise, can we conclude the hypothesis "{hypothesis}" is'
            f" true?\nOPTIONS:\n- {listed}"
        ),
        answer=ANSWERS[label],
        answer_type="exact",
        choices=CHOICES,
        source_split=part,
        # why the writer thinks it fools a model, mostly
        rationale=field(source, "reason", where, str).strip() or None,
    )
