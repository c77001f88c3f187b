"""Teach: collect a teacher's completions for every question of a dataset (Fine-tune-CoT section 3, step 1).

In: examples (and what the dataset's raw folder and demonstrations hold). Out: completions, D samples a question, and a
count of what was asked and what is missing. The backend is the file stages/teachers/<backend>.py.
"""

from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from stages.cli import progress, run
from stages.config.load import check, find, read_params
from stages.records.completion import Completion, write_completions
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json


def report(examples: list[Example], completions: list[Completion]) -> dict[str, object]:
    """Counts of a corpus: a shortfall is a number, never silence."""
    per_question = Counter(completion.example_id for completion in completions)
    return {
        "questions": len(examples),
        "questions_without_completion": sum(example.id not in per_question for example in examples),
        "completions": len(completions),
        "completions_per_question_max": max(per_question.values(), default=0),
        "distinct_texts": len({(completion.example_id, *completion.texts) for completion in completions}),
        "models": dict(sorted(Counter(completion.model for completion in completions).items())),
    }


def main(
    teacher: Annotated[str, typer.Argument(help="A block under `teachers` in params.yaml.")],
    raw: Annotated[Path, typer.Argument(help="data/raw/DATASET")],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    demonstrations: Annotated[Path, typer.Argument(help="data/demonstrations/DATASET.txt")],
    out: Annotated[Path, typer.Argument(help="Where the completions go.")],
    counts: Annotated[Path, typer.Argument(help="Where the counts go (JSON).")],
) -> None:
    """Ask a teacher, or read what it answered once."""
    values = find(read_params(), f"teachers.{teacher}")
    backend = import_module(f"stages.teachers.{values.get('backend')}")
    settings = check(f"teachers.{teacher}", values, backend.Settings)
    questions = read_examples(examples)
    shown = demonstrations.read_text(encoding="utf-8")
    rank = {example.id: place for place, example in enumerate(questions)}
    completions = list(progress(backend.complete(questions, settings, raw, shown), f"teach {teacher}", len(questions) * settings.samples))
    completions.sort(key=lambda completion: (rank[completion.example_id], completion.sample))
    write_completions(out, completions)
    write_json(counts, report(questions, completions))


if __name__ == "__main__":
    run(main)
