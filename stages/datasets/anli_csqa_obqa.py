"""A mixture: rows, ids and `dataset` are those of anli.py, commonsense_qa.py and openbook_qa.py, whose files
lie in folders of these names; `subtask` says which one, so that each has a score of its own.
"""

from dataclasses import replace
from pathlib import Path

from stages.datasets import anli, commonsense_qa, openbook_qa
from stages.records.example import Example

PARTS = {"anli": anli.parse, "commonsense_qa": commonsense_qa.parse, "openbook_qa": openbook_qa.parse}
SUBTASKS = tuple(PARTS)


def parse(raw: Path) -> list[Example]:
    if not (raw / "anli" / "train.jsonl").exists():
        raise ValueError(
            f"{raw / 'anli' / 'train.jsonl'} not found: without it nothing of ANLI is trained on"
        )
    return [
        replace(example, subtask=name)
        for name, parse_part in PARTS.items()
        for example in parse_part(raw / name)
    ]
