"""Contamination: how many test questions of a target the train part of another data set holds.

In: examples and split of what is learned and of what is asked. Out: counts and example pairs, as JSON. More
equal questions than `contamination` of params.yaml allows are an error, before a student is asked.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from stages.config.cli import run
from stages.config.contamination import read_contamination
from stages.config.load import read_params
from stages.corpus.contamination import contamination, refuse_contaminated
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json


def part_of(examples: Path, split: Path, part: str) -> list[Example]:
    """The questions of one part of a split."""
    by_id = {example.id: example for example in read_examples(examples)}
    return [by_id[one] for one in json.loads(split.read_text(encoding="utf-8"))[part]]


def main(
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl, what is learned.")],
    split: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    target_examples: Annotated[Path, typer.Argument(help="data/examples/TARGET.jsonl, what is asked.")],
    target_split: Annotated[Path, typer.Argument(help="data/splits/TARGET-SPLIT.json")],
    out: Annotated[Path, typer.Argument(help="Where the counts go (JSON).")],
    dataset: Annotated[str, typer.Option()],
    target: Annotated[str, typer.Option()],
) -> None:
    """Count the questions of a target that are learned elsewhere."""
    settings = read_contamination(read_params())
    facts = contamination(part_of(examples, split, "train"), part_of(target_examples, target_split, "test"))
    write_json(out, facts)  # before the error: there it can be looked at
    refuse_contaminated(dataset, target, facts, settings)


if __name__ == "__main__":
    run(main)
