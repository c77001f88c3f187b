"""Allot: which questions a teacher need not be asked D times, because no split of the run learns from them.

In: examples, the raw folder (index files of splits), the blocks of `run.splits`. Out: their ids where the
teacher's block has `samples_test`, else none: so another split asks no other teacher anew. The papers sample
on the training part (Fine-tune-CoT section 3; SCoTD section 2); a test question is asked for the teacher's
accuracy alone.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from stages.config.cli import run
from stages.config.load import block, find, read_params
from stages.config.split import Split
from stages.corpus.parts import learned_from
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json


def not_learned(values: dict[str, Any], examples: list[Example], raw: Path) -> list[str]:
    """Ids of the questions in no train and no validation part of the run's splits, in order.

    [] for a teacher, given by its block's values, without `samples_test`.
    """
    if values.get("samples_test") is None:
        return []
    splits = [block(f"splits.{name}", Split) for name in find(read_params(), "run")["splits"]]
    learned = learned_from(examples, splits, raw)
    return [example.id for example in examples if example.id not in learned]


def main(
    teacher: Annotated[str, typer.Argument(help="A block under `teachers` in params.yaml.")],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    raw: Annotated[Path, typer.Argument(help="data/raw/DATASET, where an index file lies.")],
    out: Annotated[Path, typer.Argument(help="Where the ids go (JSON).")],
) -> None:
    """Find the questions that a teacher is asked `samples_test` times."""
    values = find(read_params(), f"teachers.{teacher}")
    write_json(out, not_learned(values, read_examples(examples), raw))


if __name__ == "__main__":
    run(main)
