"""CommonsenseQA: a stem and five lettered options, which follow it as "Answer Choices: (A) ... (E) ..."."""

from pathlib import Path

from stages.parsing.fields import field, rows_with_place, stem_and_choices
from stages.records.example import Example
from stages.text.gold import LETTERS

FILES = {"train": "train_rand_split.jsonl", "test": "dev_rand_split.jsonl"}


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part, name in FILES.items():
        for where, source in rows_with_place(raw / name):
            question, choices = stem_and_choices(source, LETTERS[:5], where)
            examples.append(
                Example(
                    id=f"commonsense_qa-{len(examples)}",
                    dataset="commonsense_qa",
                    question=question,
                    answer=field(source, "answerKey", where, str),
                    answer_type="choice",
                    choices=choices,
                    source_split=part,
                )
            )
    return examples
