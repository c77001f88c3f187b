"""CommonsenseQA: a stem and five lettered options, which follow it as "Answer Choices: (A) ... (E) ..."."""

from pathlib import Path

from stages.parsing.fields import LETTERS, field, rows_with_place, with_choices
from stages.records.example import Example

FILES = {"train": "train_rand_split.jsonl", "test": "dev_rand_split.jsonl"}


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part, name in FILES.items():
        for where, source in rows_with_place(raw / name):
            asked = field(source, "question", where, dict)
            options = field(asked, "choices", where, list)
            if "".join(field(option, "label", where, str) for option in options) != LETTERS[:5]:
                raise ValueError(f"{where}: choices is {options!r}, wanted the labels A to E in order")
            choices = [field(option, "text", where, str) for option in options]
            question = with_choices(field(asked, "stem", where, str).strip(), choices).strip()
            answer = field(source, "answerKey", where, str)
            examples.append(
                Example(
                    f"commonsense_qa-{len(examples)}",
                    "commonsense_qa",
                    question,
                    answer,
                    "choice",
                    choices,
                    source_split=part,
                )
            )
    return examples
