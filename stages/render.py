"""Render: write the exact texts to train on, one method's view of one corpus.

In: examples, split, curated completions (none for baselines). Out: sequences of the train and validation parts.
Training depends on this file and not on the method's code: an edit that leaves the texts alone retrains nothing.
"""

import json
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from stages.cli import run
from stages.config.load import block, find, read_params
from stages.records.completion import Completion, read_completions
from stages.records.example import Example, read_examples
from stages.records.sequence import Sequence, write_sequences


def render(
    method: ModuleType, settings: object, examples: list[Example], parts: dict[str, list[str]], completions: list[Completion]
) -> list[Sequence]:
    """The method's sequences for the train and validation questions, in the order of the examples."""
    corpus = defaultdict(list)
    for completion in completions:
        corpus[completion.example_id].append(completion)
    part_of = {example_id: part for part in ("train", "validation") for example_id in parts[part]}
    return [
        Sequence(example.id, part_of[example.id], segments)
        for example in examples
        if example.id in part_of
        for segments in method.render(example, corpus[example.id], settings)
    ]


def show(sequences: list[Sequence], count: int) -> None:
    """Print the first sequences: context plain, trained text coloured, with its task."""
    console = Console()
    for sequence in sequences[:count]:
        console.rule(f"{sequence.example_id} ({sequence.part})")
        for segment in sequence.segments:
            console.print(Text(segment.text, style="green" if segment.task else ""), Text(f"  [{segment.task or 'context'}]", style="dim"))


def main(
    name: Annotated[str, typer.Argument(metavar="METHOD", help="A file of stages/methods and a block under `methods`.")],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    out: Annotated[Path, typer.Argument(help="Where the sequences go.")],
    corpus: Annotated[Path | None, typer.Option(help="Curated completions; without it the method must not need a teacher.")] = None,
    peek: Annotated[int, typer.Option("--show", help="Print this many sequences instead of writing.")] = 0,
) -> None:
    """Write what a method trains on."""
    find(read_params(), f"methods.{name}")  # names the methods there are, where this one is not
    method = import_module(f"stages.methods.{name}")
    settings = block(f"methods.{name}", method.Settings)
    if method.LEARNS_FROM == "rationales" and corpus is None:
        raise ValueError(f"{name} learns from a teacher's rationales: list it under run.methods, not run.baselines")
    parts = json.loads(split.read_text(encoding="utf-8"))
    sequences = render(method, settings, read_examples(examples), parts, read_completions(corpus) if corpus else [])
    if method.LEARNS_FROM != "nothing" and not any(sequence.part == "train" for sequence in sequences):
        why = f"{corpus} keeps no completion of a train question (metrics/funnels says why)" if corpus else f"{split} has no train question"
        raise ValueError(f"{name}: nothing to train on; {why}")
    if peek:
        show(sequences, peek)
    else:
        write_sequences(out, sequences)


if __name__ == "__main__":
    run(main)
