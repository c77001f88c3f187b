"""Contrast sets of IMDb: film reviews, and the same ones edited until their sentiment turns (Gardner et al.
2020; SCoTD Figure 5).

One row of test_contrast.tsv, below a header: "Positive<TAB>Not a minute too long." `subtask` is original or
contrast, `pair` what the two versions share: 100 pairs of validation, 488 of test. The training part of IMDb
(25,000 reviews, Maas et al. 2011) is not among the pinned files: a student of another data set is asked.
SCoTD cuts inputs at 700 tokens.
"""

import csv
from pathlib import Path

from stages.records.example import Example

PAGE = "https://github.com/allenai/contrast-sets"
LICENCE = "unstated"
CITATION = "Gardner et al. 2020, Evaluating Models' Local Decision Boundaries via Contrast Sets"
PARTS = {"validation": "dev", "test": "test"}
CHOICES = ["negative", "positive"]


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part, stem in PARTS.items():
        sizes = set()
        for version in ("original", "contrast"):
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
