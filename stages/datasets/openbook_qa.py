"""OpenBookQA, four options, main part (Mihaylov et al. 2018; SCoTD section 3). Rows: train 4,957, then dev
500, then test 500.

One row: {"id": "1-2", "answerKey": "B", "question": {"stem": "Pens hold", "choices": [{"text": "air",
"label": "A"}, {"text": "ink", "label": "B"}, ... to "D"]}}. SCoTD's four demonstrations are rows 0, 2, 5 and
12 of train; they show the options without the words "Answer Choices:".
"""

from pathlib import Path

from stages.parsing.fields import LETTERS, field, rows_of, with_choices
from stages.records.example import Example

PAGE = "https://github.com/katulevskiy/NLP-OpenBookQA"
LICENCE = "GPL-3.0"  # of this copy; the original release, allenai/OpenBookQA, is under Apache-2.0
CITATION = "Mihaylov et al. 2018, Can a Suit of Armor Conduct Electricity?"
FILES = {"train": "train.jsonl", "validation": "dev.jsonl", "test": "test.jsonl"}


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part, name in FILES.items():
        for where, source in rows_of(raw / name):
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
