"""Curate: choose which of a teacher's completions a student may learn from.

In: examples, split, all completions of a teacher. Out: the kept completions of train and validation
questions (never of test questions), each with the answer read in it, and a funnel that says for every row
that is gone what it was gone for. Sources: Fine-tune-CoT section 3, step 2, and appendix E.1; SCoTD section
4.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer
from rich.console import Console

from stages.config.cli import run
from stages.corpus.curated import curate
from stages.corpus.fates import print_fates
from stages.corpus.inputs import read_inputs
from stages.corpus.known import known_of
from stages.corpus.sieve import apply_filters, filters_of
from stages.records.completion import Completion, as_row
from stages.records.jsonl import line_of, write_json, write_lines


def lines_by_part(kept: Iterable[tuple[str, Completion]], folder: Path) -> Iterator[str]:
    """The rows of train, then those of validation, which wait in a file of `folder` until then."""
    with TemporaryFile("w+", encoding="utf-8", newline="\n", dir=folder) as waiting:
        for part, row in kept:
            line = line_of(as_row(row))
            if part == "train":
                yield line
            else:
                waiting.write(line)
        waiting.seek(0)
        yield from waiting


def show_fates(name: str, examples: Path, split: Path, completions: Path, count: int) -> None:
    """Print what becomes of the completions of `count` train questions."""
    questions, by_id, split_parts, curation, given = read_inputs(name, examples, split, completions)
    train = dict.fromkeys(split_parts["train"], "train")
    known = known_of(questions, by_id, train, curation, given)["train"]
    filters = filters_of(curation, by_id, given, known)
    fates: dict[str, list[Completion]] = defaultdict(list)
    for rows in questions:
        if rows[0].example_id in train:
            kept, removed = apply_filters(rows, filters)
            for fate, those in {"kept": kept, **removed}.items():
                fates[fate] += those
    print_fates(fates, by_id, count, Console())


def main(
    name: Annotated[
        str, typer.Argument(metavar="CURATION", help="A block under `curations` in params.yaml.")
    ],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    completions: Annotated[Path, typer.Argument(help="A teacher's completions.")],
    out: Annotated[Path, typer.Argument(help="Where the kept completions go.")],
    funnel: Annotated[Path, typer.Argument(help="Where the counts go (JSON).")],
) -> None:
    """Filter a teacher's completions and count what is lost."""
    counts: dict[str, object] = {}
    kept = curate(*read_inputs(name, examples, split, completions), counts)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_lines(out, lines_by_part(kept, out.parent))
    write_json(funnel, counts)


if __name__ == "__main__":
    run(main)
