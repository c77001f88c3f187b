"""Prepare: a data set's raw files become examples, and its few-shot demonstrations one text (Fine-tune-CoT
appendix B).

In: stages/datasets/NAME.yaml, its files in data/raw/NAME (of a `local` source: in local/). Out: examples,
checked, and demonstrations (empty where there are none).
"""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from stages.config.cli import run
from stages.config.dataset import LOCAL, read_dataset, stated_parts
from stages.parsing.demonstrations import demonstrations_text
from stages.parsing.readers import parse_raw
from stages.records.example import Example, write_examples
from stages.records.jsonl import write_text
from stages.text.answer_types import rules_of


def check_examples(dataset: str, examples: list[Example], rows: int | None) -> None:
    """Raises ValueError for a wrong count, an id that occurs twice or is no word, an empty question or
    an illegal answer.
    """
    if not examples or (rows is not None and len(examples) != rows):
        raise ValueError(
            f"{dataset}: got {len(examples)} examples, wanted {rows or 'some'} (`rows` of"
            f" stages/datasets/{dataset}.yaml)"
        )
    twice = [
        example_id for example_id, count in Counter(example.id for example in examples).items() if count > 1
    ]
    if twice:
        raise ValueError(f"{dataset}: {len(twice)} ids occur more than once, first {twice[0]!r}")
    for example in examples:
        if len(example.id.split()) != 1:  # reports list them with blanks between
            raise ValueError(f"{dataset}: an id is {example.id!r}, wanted one word")
        if not example.question.strip():
            raise ValueError(
                f"{example.id}: question is {example.question!r}, wanted a text that is not empty"
            )
        rules = rules_of(example.answer_type)
        if wanted := rules.wanted(example.answer, example.id, example.choices or []):
            raise ValueError(f"{example.id}: answer is {example.answer!r}, wanted {wanted}")


def check_parts(name: str, examples: list[Example], stated: set[str] | None) -> None:
    """Raises ValueError where rows state other parts than the data set's YAML; None: it says nothing."""
    found = {example.source_split for example in examples if example.source_split is not None}
    if stated is not None and found != stated:
        raise ValueError(
            f"{name}: its rows state the parts {sorted(found)}, wanted {sorted(stated)} (`parts` of"
            f" stages/datasets/{name}.yaml)"
        )


def select_subtasks(name: str, examples: list[Example], wanted: list[str] | None) -> list[Example]:
    """The examples of these subtasks (None: all). Raises ValueError for one that there is not."""
    known = dict.fromkeys(example.subtask for example in examples if example.subtask is not None)
    if unknown := [subtask for subtask in wanted or () if subtask not in known]:
        raise ValueError(f"datasets.{name}.subtasks: got {unknown}, wanted some of {list(known)}")
    return examples if wanted is None else [example for example in examples if example.subtask in wanted]


def main(
    dataset: Annotated[str, typer.Argument(help="A file of stages/datasets.")],
    raw: Annotated[Path, typer.Argument(metavar="RAW_DIR", help="data/raw/DATASET")],
    out: Annotated[Path, typer.Argument(metavar="EXAMPLES_OUT", help="Where the examples go.")],
    demonstrations: Annotated[
        Path, typer.Argument(metavar="DEMONSTRATIONS_OUT", help="Where the demonstrations go.")
    ],
) -> None:
    """Parse a data set's raw files."""
    declared = read_dataset(dataset)
    examples = parse_raw(dataset, declared, LOCAL if declared.source.kind == "local" else raw)
    check_examples(dataset, examples, declared.rows)
    check_parts(dataset, examples, stated_parts(declared))
    examples = select_subtasks(dataset, examples, declared.subtasks)
    write_examples(out, examples)
    subtasks = dict.fromkeys(example.subtask for example in examples if example.subtask is not None)
    write_text(demonstrations, demonstrations_text(dataset, declared.demonstrations, raw, subtasks))


if __name__ == "__main__":
    run(main)
