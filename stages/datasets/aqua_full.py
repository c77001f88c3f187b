"""AQuA-RAT with its train part: rows, ids and `dataset` are those of aqua.py."""

from pathlib import Path

from stages.datasets import aqua
from stages.records.example import Example


def parse(raw: Path) -> list[Example]:
    """Raises ValueError without the train part: then aqua.yaml is the data set."""
    if not (raw / "train.jsonl").exists():
        raise ValueError(f"{raw / 'train.jsonl'} not found: without it nothing of AQuA is trained on")
    return aqua.parse(raw)
