"""OpenBookQA: a stem and four lettered options, which follow it as "Answer Choices: (A) ... (D) ..."."""

from pathlib import Path

from stages.parsing.fields import field, rows_with_place, stem_and_choices
from stages.records.example import Example
from stages.text.gold import LETTERS

FILES = {"train": "train.jsonl", "validation": "dev.jsonl", "test": "test.jsonl"}


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part, name in FILES.items():
        for where, source in rows_with_place(raw / name):
            question, choices = stem_and_choices(source, LETTERS[:4], where)
            examples.append(
                Example(
                    id=f"openbook_qa-{len(examples)}",
                    dataset="openbook_qa",
                    question=question,
                    answer=field(source, "answerKey", where, str),
                    answer_type="choice",
                    choices=choices,
                    source_split=part,
                )
            )
    return examples
