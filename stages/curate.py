"""Curate: choose which of a teacher's completions a student may learn from (Fine-tune-CoT section 3, step 2;
appendix E.1).

In: examples, split, all completions of a teacher. Out: the kept completions of train and validation questions
(never of test questions), each with the answer read in it, and a funnel that says for every row that is gone
what it was gone for.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from stages.config.cli import run
from stages.config.curation import Curation
from stages.config.load import block
from stages.corpus.filters import (
    answered,
    correct,
    distinct,
    finished,
    first_samples,
    of_questions,
    undersample,
    with_answer,
)
from stages.corpus.funnel import below_budget, corpus, counts
from stages.corpus.selection import selected
from stages.corpus.similarity import NAMES
from stages.corpus.usage import tokens
from stages.records.completion import Completion, read_completions, write_completions
from stages.records.example import Example, read_examples
from stages.records.jsonl import write_json

PARTS = ("train", "validation")
Filter = Callable[[list[Completion]], list[Completion]]


def read_golden(path: Path, examples: Mapping[str, Example]) -> set[str]:
    """The listed ids that are of these examples. Raises ValueError where an id of this dataset names no
    example or none is listed.
    """
    datasets = {example.dataset for example in examples.values()}
    listed = {line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}
    ours = {example_id for example_id in listed if example_id.rpartition("-")[0] in datasets}
    if not ours or ours - examples.keys():
        raise ValueError(
            f"{path}: wanted ids of {sorted(datasets)}, got"
            f" {sorted(ours - examples.keys())[:5] or 'none of them'}"
        )
    return ours


def steps(
    curation: Curation, examples: Mapping[str, Example], golden: set[str], said: list[Completion]
) -> list[tuple[str, Filter]]:
    """The filters in the order of application, each under the reason for which it removes rows; `list` keeps
    everything.

    The budget of Fine-tune-CoT comes first: D samples are asked for, and wrong ones among them are lost
    (section 3, diverse reasoning). SCoTD's comes last: so many of the right ones stay (section 4). `said` are
    all completions of the questions to be filtered.
    """

    def matched(completions: list[Completion]) -> list[Completion]:
        return undersample(completions, len({row.example_id for row in completions} & golden), curation.seed)

    by_answer = curation.filter in ("answer", "golden")
    filters: list[tuple[str, Filter]] = [
        ("over_budget", partial(first_samples, per_question=curation.per_question)),
        ("unfinished", finished if curation.finished_only else list),
        ("duplicate", distinct if curation.dedup else list),
        ("no_answer", partial(answered, examples=examples) if by_answer else list),
        ("wrong_answer", partial(correct, examples=examples) if by_answer else list),
        ("not_golden", partial(of_questions, ids=golden) if curation.filter == "golden" else list),
        ("undersampled", matched if curation.match_size == "golden" else list),
    ]
    if curation.select:
        asked = first_samples(said, curation.per_question)
        choose = partial(selected, asked=asked, select=curation.select, seed=curation.seed)
        filters.append((f"not_selected_by_{curation.select.by}", choose))
    return filters


def apply(
    completions: list[Completion], filters: list[tuple[str, Filter]]
) -> tuple[list[Completion], dict[str, list[Completion]]]:
    """What passes all filters, and the rows that each removed."""
    removed = {}
    for reason, keep in filters:
        kept = keep(completions)
        left = {(row.example_id, row.sample) for row in kept}
        removed[reason] = [row for row in completions if (row.example_id, row.sample) not in left]
        completions = kept
    return completions, removed


def curate(
    completions: list[Completion],
    examples: Mapping[str, Example],
    split: Mapping[str, list[str]],
    curation: Curation,
    golden: set[str],
) -> tuple[list[Completion], dict[str, object]]:
    """The kept completions, train before validation, and the funnel of each part and of all rows."""
    kept: list[Completion] = []
    funnel: dict[str, object] = {}
    removed: dict[str, int] = {"not_in_train": len(completions)}
    for part in PARTS:
        before = of_questions(completions, set(split[part]))
        after, dropped = apply(before, steps(curation, examples, golden, before))
        after = with_answer(after, examples)
        gone = {reason: len(rows) for reason, rows in dropped.items()}
        kept += after
        asked = first_samples(before, curation.per_question)
        funnel[part] = {
            **counts(len(split[part]), before, after, gone),
            **corpus(after, examples),
            "asked": {"completions": len(asked), **tokens(asked)},
        }
        removed = {**removed, **{reason: removed.get(reason, 0) + number for reason, number in gone.items()}}
        removed["not_in_train"] -= len(before)
    listed = set(split["train"]) | set(split["validation"])
    funnel["questions_below_budget"] = below_budget(
        of_questions(completions, listed), listed, *curation.budget
    )
    funnel["all"] = counts(sum(len(split[part]) for part in PARTS), completions, kept, removed)
    # what was paid for, wrong ones too
    asked = first_samples(of_questions(completions, set(split["train"])), curation.per_question)
    funnel["teacher_accuracy_train"] = round(len(correct(asked, examples)) / len(asked), 4) if asked else None
    if select := curation.select:
        funnel["select"] = {
            "by": select.by,
            "keep": select.keep,
            **({"embedding": NAMES[select.embed]} if select.embed else {}),
        }
    return kept, funnel


def show(
    completions: list[Completion],
    examples: Mapping[str, Example],
    filters: list[tuple[str, Filter]],
    count: int,
    console: Console,
) -> None:
    """Print the completions of `count` questions, each with what became of it; those first to which most
    different things happened.
    """
    kept, removed = apply(completions, filters)
    fates = {
        (row.example_id, row.sample): reason
        for reason, rows in {"kept": kept, **removed}.items()
        for row in rows
    }
    questions: dict[str, list[Completion]] = {}
    for row in sorted(completions, key=lambda row: row.sample):
        questions.setdefault(row.example_id, []).append(row)
    if not questions:
        console.print("No completion of a train question: nothing to show.")
    told = sorted(
        questions,
        key=lambda question: (-len({fates[question, row.sample] for row in questions[question]}), question),
    )
    for question in told[:count]:
        console.rule(f"{question}: gold {examples[question].answer!r}")
        console.print(Text(examples[question].question))
        for row in questions[question]:
            fate = fates[question, row.sample]
            console.print(
                Text(f"[{row.sample}] {fate}", style="green" if fate == "kept" else "red"),
                Text("\n".join(row.texts).strip(), style="dim"),
            )


def check_rows(completions: list[Completion], examples: Mapping[str, Example], path: Path) -> None:
    """Raises ValueError for a completion of no example and for two rows with the same sample index."""
    seen = set()
    for row in completions:
        if row.example_id not in examples:
            raise ValueError(f"{path}: completion of {row.example_id!r}, which is no example")
        if (row.example_id, row.sample) in seen:
            raise ValueError(
                f"{path}: {row.example_id!r} has sample {row.sample} twice, wanted one row per sample"
            )
        seen.add((row.example_id, row.sample))


def main(
    name: Annotated[
        str, typer.Argument(metavar="CURATION", help="A block under `curations` in params.yaml.")
    ],
    examples: Annotated[Path, typer.Argument(help="data/examples/DATASET.jsonl")],
    split: Annotated[Path, typer.Argument(help="data/splits/DATASET-SPLIT.json")],
    completions: Annotated[Path, typer.Argument(help="A teacher's completions.")],
    out: Annotated[Path | None, typer.Argument(help="Where the kept completions go.")] = None,
    funnel: Annotated[Path | None, typer.Argument(help="Where the counts go (JSON).")] = None,
    peek: Annotated[
        int,
        typer.Option(
            "--show",
            help="Print what becomes of the completions of this many train questions instead of writing.",
        ),
    ] = 0,
) -> None:
    """Filter a teacher's completions and count what is lost."""
    curation = block(f"curations.{name}", Curation)
    by_id = {example.id: example for example in read_examples(examples)}
    rows = read_completions(completions)
    check_rows(rows, by_id, completions)
    golden = read_golden(Path("local", curation.golden), by_id) if curation.golden else set()
    parts = json.loads(split.read_text(encoding="utf-8"))
    if peek:
        rows = of_questions(rows, set(parts["train"]))
        return show(rows, by_id, steps(curation, by_id, golden, rows), peek, Console())
    if not (out and funnel):
        raise ValueError("wanted either OUT and FUNNEL or --show")
    kept, report = curate(rows, by_id, parts, curation, golden)
    write_completions(out, kept)
    write_json(funnel, report)


if __name__ == "__main__":
    run(main)
