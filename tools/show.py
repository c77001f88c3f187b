"""Show: texts to read - what became of a teacher's completions, what a student is trained on, what it
answered wrongly. A cell's name is all that is needed: the files follow from it.
"""

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from stages import curate, render, score
from stages.config.load import block
from stages.config.run import Axes, Run, declared_cells, declared_transfers
from stages.config.visible import visible
from stages.records.sequence import END, Segment, Sequence
from tools.tables import console
from tools.terminal import checkout, command_group, made_by

COLOURS = {
    "rationale": "green",
    "cot": "green",
    "answer": "cyan",
    "counterfactual": "red",
    "prompt": "yellow",
}
DATA = Path("data")
Count = Annotated[int, typer.Option("--count", "-n", min=1, help="So many.")]
app = command_group()


@app.callback()
def in_checkout() -> None:
    """Texts to read: what was kept, is trained, was answered wrongly. CELL is a name in metrics/cells."""
    checkout()


def axes_of(cell: str) -> Axes:
    """Raises ValueError for what is no declared cell and no declared transfer."""
    run = block("run", Run)
    declared = {**declared_cells(run), **declared_transfers(run)}
    if cell not in declared:
        raise ValueError(f"{cell!r} is no cell that `run` declares, wanted one such as {min(declared)}")
    return declared[cell]


def family(at: Axes) -> str:
    """How the stages of a cell's kind end."""
    kinds = {"_mentored": at["mentor"], "_second": at["first"], "_baseline": not at["teacher"]}
    return next((kind for kind, fits in kinds.items() if fits), "")


def corpus_of(at: Mapping[str, Any]) -> Path:
    """What a cell's student learned from, its mentor's rationales among it."""
    axes: tuple[str, ...] = ("dataset", "split", "teacher", "curation")
    if at["mentor"]:
        axes = (*axes, "method", "mentor", "seed")
    name = "-".join(str(at[axis]) for axis in axes)
    return made_by(f"curate{'_mentored' * bool(at['mentor'])}@{name}", DATA / f"corpora/{name}.jsonl")


def funnel_of(at: Mapping[str, Any]) -> Path:
    """What became of the completions that its corpus was made of."""
    return Path("metrics", "mentored" if at["mentor"] else "funnels", f"{corpus_of(at).stem}.json")


def examples_and_split(dataset: str, split: str) -> tuple[Path, Path]:
    examples = made_by(f"prepare@{dataset}", DATA / f"examples/{dataset}.jsonl")
    return examples, made_by(f"split@{dataset}-{split}", DATA / f"splits/{dataset}-{split}.json")


@app.command()
def corpus(
    name: Annotated[
        str, typer.Argument(metavar="CORPUS", help="DATASET-SPLIT-TEACHER-CURATION, or a CELL that has one.")
    ],
    count: Count = 3,
) -> None:
    """What became of every completion of some train questions."""
    values = name.split("-")
    if len(values) != 4:  # a cell
        at = axes_of(name)
        values = [at[axis] for axis in ("dataset", "split", "teacher", "curation")]
    if None in values:
        raise ValueError(f"{name!r}: wanted DATASET-SPLIT-TEACHER-CURATION, or a cell that has a teacher")
    dataset, split, teacher, curation = values
    completions = made_by(f"teach@{dataset}-{teacher}", DATA / f"completions/{dataset}-{teacher}.jsonl")
    os.environ["COT_MODE"] = "replay"  # a look asks no judge
    curate.show_fates(curation, *examples_and_split(dataset, split), completions, count)


@app.command()
def training(
    cell: Annotated[
        str, typer.Argument(metavar="CELL", help="Its student, seed and decoding do not matter.")
    ],
    count: Count = 3,
) -> None:
    """The exact texts that a student is trained on, with weights."""
    at = axes_of(cell)
    kept = corpus_of(at) if at["teacher"] else None
    files = examples_and_split(at["dataset"], at["split"])
    sequences = render.render_files(at["method"], *files, kept, {})
    print_sequences([*islice(sequences, count)], console())


def print_sequences(sequences: list[Sequence], console: Console) -> None:
    """Prompt plain, then each segment with its task and weight; trained text has its task's colour."""
    for sequence in sequences:
        notes = [sequence.part]
        notes += [f"unit {sequence.unit}"] if sequence.unit else []
        notes += ["one drawn per epoch"] if sequence.draw else []
        notes += ["in the student's chat template"] if sequence.system is not None else []
        notes += [f"system {sequence.system!r}"] if sequence.system else []
        console.rule(f"{sequence.example_id} ({', '.join(notes)})")
        last = len(sequence.segments) - 1
        for place, segment in enumerate(sequence.segments):
            text = segment.text + (END if segment.end or place == last else "")
            style = COLOURS.get(segment.task, "magenta") if segment.task else ""
            note = f"{segment.task} x {segment.weight:g}{weighed(segment)}" if segment.task else "context"
            console.print(Text(visible(text), style=style), Text(f"  [{note}]", style="dim"))


def weighed(segment: Segment) -> str:
    """What alone of a segment has a weight, where that is not all of it."""
    if segment.runs is None:
        return ""
    parts = [(segment.text[run.start : run.stop], run.weight) for run in segment.runs]
    said = [repr(text) + (f" x {weight:g}" if weight != 1 else "") for text, weight in parts]
    return f"; of it only {', '.join(said) or 'nothing'}"


@app.command()
def mistakes(
    cell: Annotated[str, typer.Argument(metavar="CELL", help="Or a transfer, CELL-TARGET.")],
    count: Count = 5,
) -> None:
    """Questions that a student answered wrongly, and what it said."""
    at = axes_of(cell)
    folder = "transfers" if at["target"] else "predictions"
    stage = f"predict{'_transfer' * bool(at['target'])}{family(at)}"
    predictions = made_by(f"{stage}@{cell}", DATA / f"{folder}/{cell}.jsonl")
    files = examples_and_split(at["target"] or at["dataset"], at["split"])
    score.show_mistakes(*files, predictions, count)
