"""IMDb: reviews, asked in the words of imdb_contrast.py."""

from pathlib import Path

import polars as pl

from stages.records.example import Example

PARTS = ("train", "test")
CHOICES = ["negative", "positive"]  # label 0 and 1


def parse(raw: Path) -> list[Example]:
    examples: list[Example] = []
    for part in PARTS:
        path = raw / f"{part}.parquet"
        reviews = pl.read_parquet(path)
        if reviews.columns != ["text", "label"] or not reviews["label"].is_in([0, 1]).all():
            raise ValueError(
                f"{path}: got columns {reviews.columns}, wanted text and label, and of labels 0 and 1 alone"
            )
        for text, label in reviews.iter_rows():
            examples.append(
                Example(
                    id=f"imdb-{len(examples)}",
                    dataset="imdb",
                    question=f"What is the sentiment of the following review?\n{text.strip()}",
                    answer=CHOICES[label],
                    answer_type="exact",
                    choices=CHOICES,
                    source_split=part,
                )
            )
    return examples
