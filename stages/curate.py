"""Curate: choose which of a teacher's completions a student may learn from (Fine-tune-CoT section 3, step 2; appendix E.1).

In: examples, split, all completions of a teacher. Out: the kept completions of train and validation questions (never of
test questions), each with the answer read in it, and a funnel that says for every row that is gone what it was gone for.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from stages.cli import run
from stages.config.curation import Curation
from stages.config.load import block
from stages.filters import answered, correct, distinct, first_samples, of_questions, undersample, with_answer
from stages.records.completion import Completion, read_completions, write_completions
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json

PARTS = ("train", "validation")
Filter = Callable[[list[Completion]], list[Completion]]


def read_golden(path: Path, examples: Mapping[str, Example]) -> set[str]:
    """The listed ids that are of these examples. Raises ValueError where an id of this dataset names no example or none is listed."""
    datasets = {example.dataset for example in examples.values()}
    listed = {line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}
    ours = {example_id for example_id in listed if example_id.rpartition("-")[0] in datasets}
    if not ours or ours - examples.keys():
        raise ValueError(f"{path}: wanted ids of {sorted(datasets)}, got {sorted(ours - examples.keys())[:5] or 'none of them'}")
    return ours


def steps(curation: Curation, examples: Mapping[str, Example], golden: set[str]) -> list[tuple[str, Filter]]:
    """The filters in the order of application, each under the reason for which it removes rows; `list` keeps everything.

    The budget comes first: D samples are asked for, and wrong ones among them are lost (section 3, diverse reasoning).
    """

    def matched(completions: list[Completion]) -> list[Completion]:
        return undersample(completions, len({row.example_id for row in completions} & golden), curation.seed)

    by_answer = curation.filter in ("answer", "golden")
    return [
        ("over_budget", partial(first_samples, per_question=curation.per_question)),
        ("duplicate", distinct if curation.dedup else list),
        ("no_answer", partial(answered, examples=examples) if by_answer else list),
        ("wrong_answer", partial(correct, examples=examples) if by_answer else list),
        ("not_golden", partial(of_questions, ids=golden) if curation.filter == "golden" else list),
        ("undersampled", matched if curation.match_size == "golden" else list),
    ]


def apply(completions: list[Completion], filters: list[tuple[str, Filter]]) -> tuple[list[Completion], dict[str, int]]:
    """What passes all filters, and the number of rows that each removed."""
    removed = {}
    for reason, keep in filters:
        kept = keep(completions)
        removed[reason] = len(completions) - len(kept)
        completions = kept
    return completions, removed


def counts(listed: int, before: list[Completion], after: list[Completion], removed: dict[str, int]) -> dict[str, object]:
    """One stage of the funnel: rows and questions in and out; `removed` adds up to rows_in - rows_out."""
    questions_in, questions_out = ({row.example_id for row in rows} for rows in (before, after))
    rows = {"rows_in": len(before), "rows_out": len(after), "removed": removed}
    return {**rows, "questions_listed": listed, "questions_in": len(questions_in), "questions_out": len(questions_out)}


def below_budget(completions: list[Completion], questions: set[str], budget: int | None) -> int:
    """How many questions have fewer completions than the budget asks for. Raises ValueError if all have: D would be a wrong label."""
    asked = Counter(row.example_id for row in completions)
    short = sum(asked[question] < (budget or 0) for question in questions)
    if short and short == len(questions):
        raise ValueError(f"per_question is {budget}, but the teacher gave at most {max(asked.values(), default=0)} completions a question")
    return short


def curate(
    completions: list[Completion], examples: Mapping[str, Example], split: Mapping[str, list[str]], curation: Curation, golden: set[str]
) -> tuple[list[Completion], dict[str, object]]:
    """The kept completions, train before validation, and the funnel of each part and of all rows."""
    filters = steps(curation, examples, golden)
    kept: list[Completion] = []
    funnel: dict[str, object] = {}
    removed = {"not_in_train": len(completions), **{reason: 0 for reason, _ in filters}}
    for part in PARTS:
        before = of_questions(completions, set(split[part]))
        after, gone = apply(before, filters)
        kept += with_answer(after, examples)
        funnel[part] = counts(len(split[part]), before, after, gone)
        removed = {**removed, **{reason: removed[reason] + number for reason, number in gone.items()}}
        removed["not_in_train"] -= len(before)
    listed = set(split["train"]) | set(split["validation"])
    funnel["questions_below_budget"] = below_budget(of_questions(completions, listed), listed, curation.per_question)
    funnel["all"] = counts(sum(len(split[part]) for part in PARTS), completions, kept, removed)
    asked = first_samples(of_questions(completions, set(split["train"])), curation.per_question)
    funnel["teacher_accuracy_train"] = round(len(correct(asked, examples)) / len(asked), 4) if asked else None
    return kept, funnel


def check_rows(completions: list[Completion], examples: Mapping[str, Example], path: Path) -> None:
    """Raises ValueError for a completion of no example and for two rows with the same sample index."""
    seen = set()
    for row in completions:
        if row.example_id not in examples:
            raise ValueError(f"{path}: completion of {row.example_id!r}, which is no example")
        if (row.example_id, row.sample) in seen:
            raise ValueError(f"{path}: {row.example_id!r} has sample {row.sample} twice, wanted one row per sample")
        seen.add((row.example_id, row.sample))


def main(
    name: Annotated[str, typer.Argument(metavar="CURATION", help="A block under `curations` in params.yaml.")],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    completions: Annotated[Path, typer.Argument(help="A teacher's completions.")],
    out: Annotated[Path, typer.Argument(help="Where the kept completions go.")],
    funnel: Annotated[Path, typer.Argument(help="Where the counts go (JSON).")],
) -> None:
    """Filter a teacher's completions and count what is lost."""
    curation = block(f"curations.{name}", Curation)
    by_id = {example.id: example for example in read_examples(examples)}
    rows = read_completions(completions)
    check_rows(rows, by_id, completions)
    golden = read_golden(Path("local", curation.golden), by_id) if curation.golden else set()
    kept, report = curate(rows, by_id, json.loads(split.read_text(encoding="utf-8")), curation, golden)
    write_completions(out, kept)
    write_json(funnel, report)


if __name__ == "__main__":
    run(main)
