"""CommonsenseQA, five options (Talmor et al. 2019). Rows: train_rand_split.jsonl, then dev_rand_split.jsonl,
the test part of the published split.

One row: {"id": "0a", "answerKey": "B", "question": {"stem": "Where do pens lie?", "question_concept": "pen",
"choices": [{"label": "A", "text": "sky"}, {"label": "B", "text": "desk"}, ... to "E"]}}. The official test
part has no answers.
"""

from pathlib import Path

from stages.parsing.fields import LETTERS, field, rows_of, with_choices
from stages.records.example import Example

PAGE = "https://github.com/kojima-takeshi188/zero_shot_cot/tree/main/dataset/CommonsenseQA"
LICENCE = "unstated"
CITATION = "Talmor et al. 2019, CommonsenseQA: A Question Answering Challenge Targeting Commonsense Knowledge"
FILES = {"train": "train_rand_split.jsonl", "test": "dev_rand_split.jsonl"}


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part, name in FILES.items():
        for where, source in rows_of(raw / name):
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
