"""Render: write the exact texts to train on, one method's view of one corpus.

In: examples, split, curated completions (none for baselines). Out: sequences of the train and validation
parts, and what they train as numbers. Training depends on this file and not on the method's code: an edit
that leaves the texts alone retrains nothing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.config.cli import progress, run
from stages.config.contracts import Method
from stages.config.load import find, read_params
from stages.config.method import read_method
from stages.corpus.targets import Targets
from stages.records.completion import Completion, CompletionsByQuestion, without_counterfactuals
from stages.records.example import LEARNED, Example, read_examples
from stages.records.jsonl import write_json
from stages.records.sequence import Run, Segment, Sequence, write_sequences
from stages.text.formats import marked_once, system_of


class Own(Mapping[str, list[Completion]]):
    """A corpus without its counterfactual rationales, and without the wrong ones that were kept apart: only
    SCOTT and EDIT learn from those.
    """

    def __init__(self, corpus: Mapping[str, list[Completion]]) -> None:
        self.corpus = corpus

    def __getitem__(self, question: str) -> list[Completion]:
        return [row for row in without_counterfactuals(self.corpus[question]) if not row.apart]

    def __iter__(self) -> Iterator[str]:
        return iter(self.corpus)

    def __len__(self) -> int:
        return len(self.corpus)


def render(
    method: Method,
    settings: Any,
    examples: list[Example],
    parts: dict[str, list[str]],
    corpus: Mapping[str, list[Completion]],
) -> Iterator[Sequence]:
    """The method's sequences for the train and validation questions, in the order of the examples. `corpus`:
    the curated completions of each question that has some.

    A method that shows other questions before one has `render_all`, which sees all of them and which are for
    training.
    """
    part_of = {example_id: part for part in LEARNED for example_id in parts[part]}
    if "counterfactual" not in method.TASKS:
        corpus = Own(corpus)
    asked = [example for example in examples if example.id in part_of]
    if hasattr(method, "render_all"):
        sequences: Iterable[Sequence] = method.render_all(asked, corpus, set(parts["train"]), settings)
    else:
        sequences = (
            sequence
            for example in progress(asked, "render, questions")
            for sequence in method.render(example, corpus.get(example.id, []), settings)
        )
    system = system_of(settings)
    for sequence in sequences:
        turn = sequence if system is None else as_turn(sequence, system)
        yield replace(turn, part=part_of[turn.example_id])


def as_turn(sequence: Sequence, system: str) -> Sequence:
    """The same as a turn of a conversation: what stands between question and answer is the template's."""
    tasks = [bool(segment.task) for segment in sequence.segments]
    first = tasks.index(True) if any(tasks) else None
    segments = [
        without_blanks(segment) if place == first else segment
        for place, segment in enumerate(sequence.segments)
    ]
    return replace(sequence, segments=segments, system=system)


def without_blanks(segment: Segment) -> Segment:
    """Without the white space before its text; its runs are where they were."""
    text = segment.text.lstrip()
    gone = len(segment.text) - len(text)
    moved = (
        Run(max(run.start - gone, 0), run.stop - gone, run.weight)
        for run in segment.runs or ()
        if run.stop > gone
    )
    return replace(segment, text=text, runs=None if segment.runs is None else tuple(moved))


def read_back(sequence: Sequence, method: Method, settings: Any) -> bool:
    """Whether a student that says the trained text word for word is read with its own answer: the method's
    answer prefix stands in it once, and before the first stop mark.
    """
    text = "".join(segment.text for segment in sequence.segments if segment.task in method.TASKS)
    return marked_once(text, method.answer_prefix(settings), method.stops(settings))


def check_trained(
    name: str, method: Method, counts: dict[str, Any], corpus: Path | None, split: Path
) -> None:
    """Raises ValueError if nothing of the train part trains one of the method's tasks."""
    missing = [task for task in method.TASKS if task not in counts["train"]["tasks"]]
    if not missing:
        return
    what = "nothing to train on" if len(missing) == len(method.TASKS) else f"nothing trains {missing}"
    completions = counts["train"]["completions"]
    if corpus is None:
        why = (
            f"{split} has no train question, or these settings need a teacher (then list it under"
            " run.methods)"
        )
    elif not completions:
        why = f"{corpus} keeps no completion of a train question (metrics/funnels says why)"
    else:
        why = (
            f"none of the {completions} completions in {corpus} fits: a rationale is wanted, and for `label:"
            " teacher` an answer, for scott and edit right and wrong ones (a curation with `filter: none` or"
            " `filter: dual`)"
        )
    raise ValueError(f"{name}: {what}; {why}")


def render_files(
    name: str, examples: Path, split: Path, corpus: Path | None, counts: dict[str, Any]
) -> Iterator[Sequence]:
    """The sequences of the method `name` of params.yaml; what they train as numbers is in `counts` when the
    last one has been taken.

    Raises ValueError for a method that there is not, that needs a corpus, or that would train nothing.
    """
    find(read_params(), f"methods.{name}")  # names the methods there are, where this one is not
    method, settings, _ = read_method(name)
    if method.LEARNS_FROM == "rationales" and corpus is None:
        raise ValueError(
            f"{name} learns from a teacher's rationales: list it under run.methods, not run.baselines"
        )
    parts = json.loads(split.read_text(encoding="utf-8"))
    completions = CompletionsByQuestion(corpus) if corpus else {}
    targets = Targets()
    left_out = 0
    seen = set()
    sequences = render(method, settings, read_examples(examples), parts, completions)
    for question, group in groupby(sequences, key=attrgetter("example_id")):
        if question in seen:
            raise ValueError(
                f"{name}: the sequences of {question} do not stand together: render_all must sort"
            )
        seen.add(question)
        rendered = list(group)
        kept = [sequence for sequence in rendered if read_back(sequence, method, settings)]
        left_out += len(rendered) - len(kept)
        if kept:
            targets.add(kept)
        yield from kept
    counts |= {"method": name, "learns_from": method.LEARNS_FROM}
    if left_out:
        counts["left_out_for_a_mark_within"] = left_out
    sizes = completions.sizes if isinstance(completions, CompletionsByQuestion) else {}
    counts |= targets.counts(parts, sizes)
    check_trained(name, method, counts, corpus, split)


def main(
    name: Annotated[str, typer.Argument(metavar="METHOD", help="A block under `methods`.")],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    out: Annotated[Path, typer.Argument(help="Where the sequences go.")],
    counts_json: Annotated[Path, typer.Argument(help="Where the counts go (JSON).")],
    corpus: Annotated[
        Path | None, typer.Option(help="Curated completions; without it the method must not need a teacher.")
    ] = None,
) -> None:
    """Write what a method trains on."""
    counts: dict[str, Any] = {}
    write_sequences(out, render_files(name, examples, split, corpus, counts))
    write_json(counts_json, counts)


if __name__ == "__main__":
    run(main)
