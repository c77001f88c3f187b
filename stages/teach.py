"""Teach: collect a teacher's completions for every question of a dataset (Fine-tune-CoT section 3, step 1).

In: examples (and what the dataset's raw folder and demonstrations hold). Out: completions, D samples a
question, and a count of what was asked and what is missing. The backend is the file
stages/teachers/<backend>.py.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.config.cli import progress, run
from stages.config.contracts import load_plug_in
from stages.config.load import check, find, read_params
from stages.records.completion import Completion, write_completions
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json


def counted(
    completions: Iterable[Completion], questions: list[Example], counts: dict[str, object], what: str
) -> Iterator[Completion]:
    """Pass completions through, sorted by question as they are, and leave their counts in `counts`: a
    shortfall is a number, never silence.

    Raises ValueError for completions that are not in the order of the questions and their samples.
    """
    rank = {example.id: place for place, example in enumerate(questions)}
    models: Counter[str] = Counter()
    readers: set[str] = set()
    asked = most = distinct = 0
    last = -1
    groups = groupby(completions, key=lambda completion: rank[completion.example_id])
    # a bar for 300,000 completions would take longer than they do
    for place, group in progress(groups, what, len(questions)):
        rows = list(group)
        if place <= last or [row.sample for row in rows] != sorted({row.sample for row in rows}):
            raise ValueError(
                f"{questions[place].id}: its completions do not come in order, samples"
                f" {[row.sample for row in rows]}: the backend must sort"
            )
        last = place
        asked = asked + 1
        most = max(most, len(rows))
        distinct += len({tuple(row.texts) for row in rows})
        models.update(row.model for row in rows)
        readers.update(row.reader for row in rows)
        yield from rows
    counts |= {
        "questions": len(questions),
        "questions_without_completion": len(questions) - asked,
        "completions": models.total(),
        "completions_per_question_max": most,
        "distinct_texts": distinct,
        "models": dict(sorted(models.items())),
        "reader": ", ".join(sorted(readers)),
    }


def read_teacher(teacher: str) -> tuple[Any, Any]:
    """The backend, a file of stages/teachers, and the settings of the block `teachers.<teacher>`."""
    where = f"teachers.{teacher}"
    values = find(read_params(), where)
    backend = load_plug_in("teachers", values.get("backend"), f"{where}.backend")
    return backend, check(where, values, backend.Settings)


def less_often(teacher: str, settings: Any, not_learned: list[str] | None) -> dict[str, dict[str, int]]:
    """What a backend is told besides, as `fewer`: the samples of questions that no split learns from; {}
    where all are asked alike. Raises ValueError where these questions are not known.
    """
    samples = getattr(settings, "samples_test", None)
    if samples is None:
        return {}
    if not_learned is None:
        raise ValueError(f"teachers.{teacher}.samples_test: wanted --allotted, which stages.allot writes")
    return {"fewer": dict.fromkeys(not_learned, samples)}


def plan(
    teacher: str, questions: list[Example], demonstrations: str, not_learned: list[str] | None = None
) -> str:
    """What would be asked, and what it would cost: nothing is asked."""
    backend, settings = read_teacher(teacher)
    if not hasattr(backend, "plan"):
        return f"teacher {teacher!r} is not paid: nothing to estimate"
    told = less_often(teacher, settings, not_learned)
    return str(backend.plan(questions, settings, demonstrations, **told))


def main(
    teacher: Annotated[str, typer.Argument(help="A block under `teachers` in params.yaml.")],
    raw: Annotated[Path, typer.Argument(help="data/raw/DATASET")],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    demonstrations: Annotated[Path, typer.Argument(help="data/demonstrations/DATASET.txt")],
    out: Annotated[Path, typer.Argument(help="Where the completions go.")],
    counts: Annotated[Path, typer.Argument(help="Where the counts go (JSON).")],
    allotted: Annotated[
        Path | None, typer.Option(help="Ids of the questions that no split learns from (JSON).")
    ] = None,
) -> None:
    """Ask a teacher, or read what it answered once."""
    backend, settings = read_teacher(teacher)
    questions = read_examples(examples)
    not_learned = json.loads(allotted.read_text(encoding="utf-8")) if allotted else None
    told = less_often(teacher, settings, not_learned)
    shown = demonstrations.read_text(encoding="utf-8")
    found = backend.complete(questions, settings, raw, shown, **told)
    report: dict[str, Any] = {}
    write_completions(out, counted(found, questions, report, f"teach {teacher}, questions"))
    whole = report["completions"] == report["completions_per_question_max"] * len(questions)
    if not whole and hasattr(backend, "missing"):
        report |= {"missing": kinds} if (kinds := backend.missing(questions, settings, shown, **told)) else {}
    if told:
        report |= {"questions_not_learned": len(not_learned or []), "samples_test": settings.samples_test}
    if hasattr(backend, "coverage"):
        report["sources"] = backend.coverage(questions, settings, raw)
    write_json(counts, report)


if __name__ == "__main__":
    run(main)
