"""SST-2: sentences, asked in the words of SCoTD's six demonstrations, which are phrases and no rows of these
files.
"""

from pathlib import Path

from stages.records.example import Example

FILES = {"train": "train.tsv", "validation": "dev.tsv", "test": "test.tsv"}
CHOICES = ["negative", "positive"]


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part, name in FILES.items():
        for row, line in enumerate((raw / name).read_text(encoding="utf-8").rstrip("\n").split("\n")):
            text, tab, label = line.partition("\t")
            if not tab or label not in ("0", "1"):
                raise ValueError(f"{raw / name} row {row}: got {line!r}, wanted a text, a tab and 0 or 1")
            examples.append(
                Example(
                    id=f"sst2-{len(examples)}",
                    dataset="sst2",
                    question=f'What is the sentiment of the following sentence?\n"{text.strip()}"',
                    answer=CHOICES[int(label)],
                    answer_type="exact",
                    choices=CHOICES,
                    source_split=part,
                )
            )
    return examples
