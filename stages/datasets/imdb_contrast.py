"""Contrast sets of IMDb: `subtask` is original or contrast, `pair` what the two versions share."""

import csv
from pathlib import Path

from stages.records.example import Example

PARTS = {"validation": "dev", "test": "test"}
SUBTASKS = ("original", "contrast")
CHOICES = ["negative", "positive"]


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part, stem in PARTS.items():
        sizes = set()
        for version in SUBTASKS:
            path = raw / f"{stem}_{version}.tsv"
            with path.open(encoding="utf-8", newline="") as file:
                header, *rows = csv.reader(file, delimiter="\t")
            sizes.add(len(rows))
            if header != ["Sentiment", "Text"] or len(sizes) > 1:
                raise ValueError(
                    f"{path}: got header {header} and {len(rows)} rows, wanted Sentiment and Text and as many"
                    " rows as its originals"
                )
            for row, cells in enumerate(rows):
                answer = cells[0].lower()
                if len(cells) != 2 or answer not in CHOICES:
                    raise ValueError(
                        f"{path} row {row}: got {cells!r}, wanted Positive or Negative and a text"
                    )
                examples.append(
                    Example(
                        id=f"imdb_contrast-{len(examples)}",
                        dataset="imdb_contrast",
                        question=f"What is the sentiment of the following review?\n{cells[1].strip()}",
                        answer=answer,
                        answer_type="exact",
                        choices=CHOICES,
                        source_split=part,
                        subtask=version,
                        pair=f"{stem}-{row}",
                    )
                )
    return examples
