"""Curate: choose which of a teacher's completions a student may learn from.

In: examples, split, all completions of a teacher. Out: the kept completions of train and validation
questions (never of test questions), each with the answer read in it, and a funnel that says for every row
that is gone what it was gone for. Sources: Fine-tune-CoT section 3, step 2, and appendix E.1; SCoTD section
4.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console

from stages.config.cli import run
from stages.config.curation import Curation
from stages.config.load import block
from stages.corpus.fates import print_fates
from stages.corpus.filters import (
    draw_questions,
    keep_answered,
    keep_correct,
    keep_distinct,
    keep_finished,
    keep_first_samples,
    keep_questions,
    keep_thoughtful,
    keep_whole_thoughts,
    thoughts_of,
    with_answers,
    with_rationales,
)
from stages.corpus.funnel import corpus_counts, questions_below_budget, row_counts, token_counts
from stages.corpus.selection import select_rows, selection_summary
from stages.records.completion import Completion, read_completions, readers_of, write_completions
from stages.records.example import Example, read_examples
from stages.records.jsonl import read_text, write_json

PARTS = ("train", "validation")
Filter = Callable[[list[Completion]], list[Completion]]


def read_golden(path: Path, examples: Mapping[str, Example]) -> set[str]:
    """The listed ids that are of these examples.

    Raises ValueError where an id of this dataset names no example or none is listed.
    """
    datasets = {example.dataset for example in examples.values()}
    listed = {line.strip() for line in read_text(path).splitlines() if line.strip()}
    ours = {example_id for example_id in listed if example_id.rpartition("-")[0] in datasets}
    strange = sorted(ours - examples.keys())
    if not ours or strange:
        raise ValueError(f"{path}: wanted ids of {sorted(datasets)}, got {strange[:5] or 'none of them'}")
    return ours


def filters_of(
    curation: Curation, examples: Mapping[str, Example], golden: set[str], before: list[Completion]
) -> dict[str, Filter]:
    """The filters in their order, by the reason for which each removes rows; `list` keeps everything.

    The budget of Fine-tune-CoT comes first: D samples are asked for, and wrong ones among them are lost
    (section 3, diverse reasoning). SCoTD's comes last: so many of the right ones stay (section 4). `before`
    are all completions of the questions to be filtered.
    """

    def matched(completions: list[Completion]) -> list[Completion]:
        count = len({row.example_id for row in completions} & golden)
        return draw_questions(completions, count, curation.seed)

    by_answer = curation.filter in ("answer", "golden")
    filters: dict[str, Filter] = {
        "over_budget": partial(keep_first_samples, per_question=curation.per_question),
        **thought_filters(curation, before),
        "unfinished": keep_finished if curation.finished_only else list,
        "duplicate": keep_distinct if curation.dedup else list,
        "no_answer": partial(keep_answered, examples=examples) if by_answer else list,
        "wrong_answer": partial(keep_correct, examples=examples) if by_answer else list,
        "not_golden": partial(keep_questions, ids=golden) if curation.filter == "golden" else list,
        "undersampled": matched if curation.match_size == "golden" else list,
    }
    if curation.select:
        asked = keep_first_samples(before, curation.per_question)
        choose = partial(select_rows, asked=asked, select=curation.select, seed=curation.seed)
        filters[f"not_selected_by_{curation.select.by}"] = choose
    return filters


def thought_filters(curation: Curation, before: list[Completion]) -> dict[str, Filter]:
    """Those that a model that thinks needs; {} for others."""
    if not any(any(thoughts_of(row)) for row in before):
        return {}
    return {
        "cut_thoughts": list if curation.keep_cut_thoughts else keep_whole_thoughts,
        "without_thoughts": keep_thoughtful if curation.train_on == "thoughts" else list,
    }


def apply_filters(
    completions: list[Completion], filters: Mapping[str, Filter]
) -> tuple[list[Completion], dict[str, list[Completion]]]:
    """What passes all filters, and the rows that each removed."""
    kept = completions
    removed = {}
    for reason, keep in filters.items():
        passed = keep(kept)
        places = {(row.example_id, row.sample) for row in passed}
        removed[reason] = [row for row in kept if (row.example_id, row.sample) not in places]
        kept = passed
    return kept, removed


def teacher_accuracy(asked: list[Completion], examples: Mapping[str, Example]) -> float | None:
    """The share of right answers among all that was paid for; None where nothing was asked."""
    return round(len(keep_correct(asked, examples)) / len(asked), 4) if asked else None


def curate(
    completions: list[Completion],
    examples: Mapping[str, Example],
    split: Mapping[str, list[str]],
    curation: Curation,
    golden: set[str],
) -> tuple[list[Completion], dict[str, object]]:
    """The kept completions, train before validation, and the funnel of each part and of all rows."""
    of_part = {part: keep_questions(completions, set(split[part])) for part in PARTS}
    asked = {part: keep_first_samples(rows, curation.per_question) for part, rows in of_part.items()}
    kept: list[Completion] = []
    removed = Counter(not_in_train=len(completions) - sum(map(len, of_part.values())))
    funnel: dict[str, object] = {"reader": readers_of(completions)}
    for part, before in of_part.items():
        passed, dropped = apply_filters(before, filters_of(curation, examples, golden, before))
        after = with_rationales(with_answers(passed, examples), curation.train_on)
        removed_here = {reason: len(rows) for reason, rows in dropped.items()}
        funnel[part] = {
            **row_counts(len(split[part]), before, after, removed_here),
            **corpus_counts(after, examples),
            "asked": {"completions": len(asked[part]), **token_counts(asked[part])},
        }
        kept += after
        removed.update(removed_here)
    questions = {question for part in PARTS for question in split[part]}
    listed = sum(len(split[part]) for part in PARTS)
    in_parts = keep_questions(completions, questions)
    funnel["all"] = row_counts(listed, completions, kept, dict(removed))
    funnel["questions_below_budget"] = questions_below_budget(in_parts, questions, *curation.budget)
    funnel["teacher_accuracy_train"] = teacher_accuracy(asked["train"], examples)
    if curation.select:
        funnel["select"] = selection_summary(curation.select)
    return kept, funnel


def check_rows(completions: list[Completion], examples: Mapping[str, Example], path: Path) -> None:
    """Raises ValueError for a completion of no example and for two rows with the same sample index."""
    seen = set()
    for row in completions:
        if row.example_id not in examples:
            raise ValueError(f"{path}: completion of {row.example_id!r}, which is no example")
        if (row.example_id, row.sample) in seen:
            raise ValueError(f"{path}: {row.example_id!r} has sample {row.sample} twice, wanted one row each")
        seen.add((row.example_id, row.sample))


class Inputs(NamedTuple):
    """What `curate` takes, in its order."""

    completions: list[Completion]
    examples: dict[str, Example]
    split: dict[str, list[str]]
    curation: Curation
    golden: set[str]


def read_inputs(name: str, examples: Path, split: Path, completions: Path) -> Inputs:
    """The curation `name` of params.yaml, the files, and the golden list where the curation has one."""
    curation = block(f"curations.{name}", Curation)
    by_id = {example.id: example for example in read_examples(examples)}
    rows = read_completions(completions)
    check_rows(rows, by_id, completions)
    golden = read_golden(Path("local", curation.golden), by_id) if curation.golden else set()
    return Inputs(rows, by_id, json.loads(split.read_text(encoding="utf-8")), curation, golden)


def show_fates(name: str, examples: Path, split: Path, completions: Path, count: int) -> None:
    """Print what becomes of the completions of `count` train questions."""
    rows, by_id, parts, curation, golden = read_inputs(name, examples, split, completions)
    train = keep_questions(rows, set(parts["train"]))
    kept, removed = apply_filters(train, filters_of(curation, by_id, golden, train))
    print_fates({"kept": kept, **removed}, by_id, count, Console())


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
    kept, counts = curate(*read_inputs(name, examples, split, completions))
    write_completions(out, kept)
    write_json(funnel, counts)


if __name__ == "__main__":
    run(main)
