"""QuaRel: stories about how one quantity moves another, two options (Tafjord et al. 2019; SCoTD section 3).
Train 1,941, validation 278, test 552.

One row of train.jsonl: {"id": "x", "answer_index": 1, "question": "Ice is smooth. Where does Mia slide
further? (A) sand (B) ice"}.
"""

import re
from pathlib import Path

from stages.parsing.fields import LETTERS, field, rows_of
from stages.records.example import Example

PAGE = "https://huggingface.co/datasets/community-datasets/quarel"
LICENCE = "CC-BY-4.0"
CITATION = (
    "Tafjord et al. 2019, QuaRel: A Dataset and Models for Answering Questions about Qualitative"
    " Relationships"
)


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part in ("train", "validation", "test"):
        for where, source in rows_of(raw / f"{part}.jsonl"):
            question = field(source, "question", where, str).strip()
            index = field(source, "answer_index", where, int)
            options = re.search(r"\(A\)(.*)\(B\)(.*)$", question, re.DOTALL)
            if not options or index not in (0, 1):
                raise ValueError(
                    f"{where}: question is {question!r} and answer_index {index}, wanted '... (A) ... (B)"
                    " ...' and 0 or 1"
                )
            choices = [option.strip() for option in options.groups()]
            examples.append(
                Example(
                    f"quarel-{len(examples)}",
                    "quarel",
                    question,
                    LETTERS[index],
                    "choice",
                    choices,
                    source_split=part,
                )
            )
    return examples
