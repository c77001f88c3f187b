"""OpenBookQA: a stem and four lettered options, which follow it as "Answer Choices: (A) ... (D) ..."."""

from pathlib import Path

from stages.parsing.fields import LETTERS, field, rows_with_place, with_choices
from stages.records.example import Example

FILES = {"train": "train.jsonl", "validation": "dev.jsonl", "test": "test.jsonl"}


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part, name in FILES.items():
        for where, source in rows_with_place(raw / name):
            asked = field(source, "question", where, dict)
            options = field(asked, "choices", where, list)
            if "".join(field(option, "label", where, str) for option in options) != LETTERS[:4]:
                raise ValueError(f"{where}: choices is {options!r}, wanted the labels A to D in order")
            choices = [field(option, "text", where, str) for option in options]
            question = with_choices(field(asked, "stem", where, str).strip(), choices).strip()
            answer = field(source, "answerKey", where, str)
            examples.append(
                Example(
                    f"openbook_qa-{len(examples)}",
                    "openbook_qa",
                    question,
                    answer,
                    "choice",
                    choices,
                    source_split=part,
                )
            )
    return examples
