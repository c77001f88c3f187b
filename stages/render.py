"""Render: write the exact texts to train on, one method's view of one corpus.

In: examples, split, curated completions (none for baselines). Out: sequences of the train and validation
parts, and what they train as numbers. Training depends on this file and not on the method's code: an edit
that leaves the texts alone retrains nothing.
"""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from stages.config.cli import run
from stages.config.load import block, find, read_params
from stages.records.completion import Completion, read_completions
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json
from stages.records.sequence import END, Segment, Sequence, write_sequences

PARTS = ("train", "validation")
COLOURS = {
    "rationale": "green",
    "cot": "green",
    "answer": "cyan",
    "counterfactual": "red",
    "prompt": "yellow",
}


def render(
    method: ModuleType,
    settings: object,
    examples: list[Example],
    parts: dict[str, list[str]],
    completions: list[Completion],
) -> list[Sequence]:
    """The method's sequences for the train and validation questions, in the order of the examples.

    A method that shows other questions before one has `render_all`, which sees all of them and which are for
    training.
    """
    corpus = defaultdict(list)
    for completion in completions:
        corpus[completion.example_id].append(completion)
    part_of = {example_id: part for part in PARTS for example_id in parts[part]}
    asked = [example for example in examples if example.id in part_of]
    if hasattr(method, "render_all"):
        sequences = method.render_all(asked, corpus, set(parts["train"]), settings)
    else:
        sequences = [
            sequence for example in asked for sequence in method.render(example, corpus[example.id], settings)
        ]
    return [replace(sequence, part=part_of[sequence.example_id]) for sequence in sequences]


def weights_of(sequences: list[Sequence]) -> dict[str, float]:
    """Each task's weight. Raises ValueError for an empty target, a mark that only prompts have, or a task
    with two weights: a fault of the method.
    """
    weights: dict[str, float] = {}
    for sequence in sequences:
        if not any(segment.task for segment in sequence.segments):
            raise ValueError(f"{sequence.example_id}: a sequence without a task, wanted something to train")
        for segment in sequence.segments:
            if END in segment.text:
                raise ValueError(
                    f"{sequence.example_id}: {segment.text[:200]!r} contains {END!r}, which stands for the"
                    " end-of-text token in prompts"
                )
            if segment.task is None:
                continue
            if not segment.text.strip():
                raise ValueError(
                    f"{sequence.example_id}: the target of task {segment.task!r} is {segment.text!r}, wanted"
                    " a text that is not empty"
                )
            if weights.setdefault(segment.task, segment.weight) != segment.weight:
                raise ValueError(
                    f"{sequence.example_id}: task {segment.task!r} has weights {weights[segment.task]} and"
                    f" {segment.weight}, wanted one"
                )
    return weights


def audit_part(sequences: list[Sequence], completions: int) -> dict[str, Any]:
    """What one part trains: characters and words of the targets, without end-of-text. An epoch sees one of a
    question's drawn sequences.
    """
    per_question = Counter(sequence.example_id for sequence in sequences)
    drawn = Counter(sequence.example_id for sequence in sequences if sequence.draw)
    tasks: dict[str, Counter[str]] = defaultdict(Counter)
    for sequence in sequences:
        trained: dict[str, list[Segment]] = defaultdict(list)
        for segment in sequence.segments:
            if segment.task:
                trained[segment.task].append(segment)
        for task, segments in trained.items():
            texts = [segment.text for segment in segments]
            tasks[task].update(
                sequences=1, characters=sum(map(len, texts)), words=sum(len(text.split()) for text in texts)
            )
    return {
        "completions": completions,
        # trained in one step each
        "units": (
            len({(s.example_id, s.unit) for s in sequences if s.unit}) + sum(not s.unit for s in sequences)
        ),
        "questions": len(per_question),
        "sequences": len(sequences),
        "sequences_per_epoch": len(sequences) - sum(drawn.values()) + len(drawn),
        "sequences_per_question": {
            "mean": round(len(sequences) / len(per_question), 4) if per_question else None,
            "most": max(per_question.values(), default=0),
        },
        "tasks": {task: dict(counts) for task, counts in sorted(tasks.items())},
    }


def audit(
    method: str, sequences: list[Sequence], parts: dict[str, list[str]], completions: list[Completion]
) -> dict[str, Any]:
    """The figures of metrics/rendered: tokens are counted in train, where there is a tokenizer."""
    said = Counter(completion.example_id for completion in completions)
    counts = {
        part: audit_part([s for s in sequences if s.part == part], sum(said[question] for question in parts[part])) for part in PARTS
    }  # fmt: skip
    return {"method": method, "weights": dict(sorted(weights_of(sequences).items())), **counts}


def check_trained(
    name: str, method: ModuleType, counts: dict[str, Any], corpus: Path | None, split: Path
) -> None:
    """Raises ValueError if nothing of the train part trains one of the method's tasks."""
    missing = [task for task in method.TASKS if task not in counts["train"]["tasks"]]
    if not missing:
        return
    what = "nothing to train on" if len(missing) == len(method.TASKS) else f"nothing trains {missing}"
    if corpus is None:
        raise ValueError(
            f"{name}: {what}; {split} has no train question, or these settings need a teacher (then list it"
            " under run.methods)"
        )
    if not counts["train"]["completions"]:
        raise ValueError(
            f"{name}: {what}; {corpus} keeps no completion of a train question (metrics/funnels says why)"
        )
    raise ValueError(
        f"{name}: {what}; none of the {counts['train']['completions']} completions in {corpus} fits: a"
        " rationale is wanted, and for `label: teacher` an answer, for scott right and wrong answers (a"
        " curation with `filter: none`)"
    )


def show(sequences: list[Sequence], count: int, console: Console) -> None:
    """Print the first sequences: prompt plain, then each segment with its task and weight; trained text has
    its task's colour.
    """
    for sequence in sequences[:count]:
        notes = [
            sequence.part,
            *([f"unit {sequence.unit}"] if sequence.unit else []),
            *(["one drawn per epoch"] if sequence.draw else []),
        ]
        console.rule(f"{sequence.example_id} ({', '.join(notes)})")
        last = len(sequence.segments) - 1
        for place, segment in enumerate(sequence.segments):
            end = END if segment.end or place == last else ""
            note = f"{segment.task} x {segment.weight:g}" if segment.task else "context"
            console.print(
                Text(
                    segment.text + end,
                    style=COLOURS.get(segment.task or "", "magenta") if segment.task else "",
                ),
                Text(f"  [{note}]", style="dim"),
            )


def main(
    name: Annotated[
        str, typer.Argument(metavar="METHOD", help="A file of stages/methods and a block under `methods`.")
    ],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    out: Annotated[Path | None, typer.Argument(help="Where the sequences go.")] = None,
    counts: Annotated[Path | None, typer.Argument(help="Where the counts go (JSON).")] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="Curated completions; without it the method must not need a teacher.")
    ] = None,
    peek: Annotated[int, typer.Option("--show", help="Print this many sequences instead of writing.")] = 0,
) -> None:
    """Write what a method trains on."""
    find(read_params(), f"methods.{name}")  # names the methods there are, where this one is not
    method = import_module(f"stages.methods.{name}")
    settings = block(f"methods.{name}", method.Settings)
    if method.LEARNS_FROM == "rationales" and corpus is None:
        raise ValueError(
            f"{name} learns from a teacher's rationales: list it under run.methods, not run.baselines"
        )
    parts = json.loads(split.read_text(encoding="utf-8"))
    completions = read_completions(corpus) if corpus else []
    sequences = render(method, settings, read_examples(examples), parts, completions)
    report = audit(name, sequences, parts, completions)
    check_trained(name, method, report, corpus, split)
    if peek:
        show(sequences, peek, Console())
    elif out:
        write_sequences(out, sequences)
        if counts:
            write_json(counts, report)
    else:
        raise ValueError("wanted either OUT or --show")


if __name__ == "__main__":
    run(main)
