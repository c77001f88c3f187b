"""Curate: choose which of a teacher's completions a student may learn from.

In: examples, split, all completions of a teacher. Out: the kept completions of train and validation
questions (never of test questions), each with the answer read in it, and a funnel that says for every row
that is gone what it was gone for. Sources: Fine-tune-CoT section 3, step 2, and appendix E.1; SCoTD section
4.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, NamedTuple

import typer
from rich.console import Console

from stages.config.cli import progress, run
from stages.config.curation import Curation, golden_file
from stages.config.load import block
from stages.corpus.fates import print_fates
from stages.corpus.filters import (
    has_thoughts,
    keep_correct,
    keep_first_samples,
    with_answers,
    with_rationales,
)
from stages.corpus.funnel import Asked, Corpus, Rows, questions_below_budget, row_counts
from stages.corpus.selection import selection_summary
from stages.corpus.sieve import PARTS, Filters, apply_filters, filters_of, known_of
from stages.records.completion import Completion, as_row, iter_questions, without_counterfactuals
from stages.records.example import Example, read_examples
from stages.records.jsonl import line_of, read_text, write_json, write_lines


def read_golden(path: Path, examples: Mapping[str, Example]) -> set[str]:
    """The listed ids that are of these examples; a line that begins with "#" is a remark.

    Raises ValueError where an id of this dataset names no example or none is listed.
    """
    datasets = {example.dataset for example in examples.values()}
    lines = (line.strip() for line in read_text(path).splitlines())
    listed = {line for line in lines if line and not line.startswith("#")}
    ours = {example_id for example_id in listed if example_id.rpartition("-")[0] in datasets}
    strange = sorted(ours - examples.keys())
    if not ours or strange:
        raise ValueError(f"{path}: wanted ids of {sorted(datasets)}, got {strange[:5] or 'none of them'}")
    return ours


@dataclass
class Part:
    """One part's share of the funnel, added up question by question."""

    filters: Filters
    before: Rows = field(default_factory=Rows)
    asked: Asked = field(default_factory=Asked)
    asked_own: int = 0  # for the teacher's own answer
    asked_right: int = 0
    kept: Corpus = field(default_factory=Corpus)
    removed: Counter[str] = field(default_factory=Counter)
    thinks: bool = False
    argues: bool = False  # is any completion a counterfactual?

    def __post_init__(self) -> None:
        self.removed = Counter(dict.fromkeys(self.filters, 0))  # where there are no questions too

    def curate(self, rows: list[Completion], example: Example, curation: Curation) -> list[Completion]:
        """The completions of a question that stay, with what is learned of them."""
        by_id = {example.id: example}
        asked = keep_first_samples(rows, curation.per_question)
        passed, dropped = apply_filters(rows, self.filters)
        after = with_rationales(with_answers(passed, by_id), curation.train_on)
        self.before.add(rows)
        self.asked.add(asked)
        own = without_counterfactuals(asked)
        self.asked_own += len(own)
        self.asked_right += len(keep_correct(own, by_id))
        self.argues = self.argues or len(own) < len(asked)
        self.kept.add(after, example)
        self.removed.update({reason: len(gone) for reason, gone in dropped.items()})
        self.thinks = self.thinks or any(map(has_thoughts, rows))
        return after

    def counts(self, listed: int) -> dict[str, object]:
        """`removed` says nothing of thoughts and counterfactuals where there are none."""
        if not self.argues:
            del self.removed["not_as_given"]
        if not self.thinks:
            del self.removed["cut_thoughts"], self.removed["without_thoughts"]
        return {
            **row_counts(listed, self.before, self.kept.rows, self.removed),
            **self.kept.counts(),
            "asked": {"completions": self.asked.completions, **self.asked.token_counts()},
        }


def curate(
    questions: Iterable[list[Completion]],
    examples: Mapping[str, Example],
    split: Mapping[str, list[str]],
    curation: Curation,
    golden: set[str],
    counts: dict[str, object],
) -> Iterator[tuple[str, Completion]]:
    """The kept completions, each with its part, question by question; the funnel of each part and of all rows
    is in `counts` when the last one has been taken.

    `questions`: the completions of each, gone through anew where a curation has to know all of them first.
    """
    part_of = {question: part for part in PARTS for question in split[part]}
    known = known_of(questions, examples, part_of, curation, golden)
    parts = {part: Part(filters_of(curation, examples, golden, known[part])) for part in PARTS}
    every = Rows()
    readers: set[str] = set()
    sizes: Counter[int] = Counter()
    for rows in progress(questions, "curate, questions", len(examples)):
        question = rows[0].example_id
        every.add(rows)
        readers.update(row.reader for row in rows)
        if part := part_of.get(question):
            sizes[len(rows)] += 1
            for row in parts[part].curate(rows, examples[question], curation):
                yield part, row
    counts["reader"] = ", ".join(sorted(readers))
    counts |= funnel_of(parts, every, sizes, split, curation)


def funnel_of(
    parts: Mapping[str, Part],
    every: Rows,
    sizes: Counter[int],
    split: Mapping[str, list[str]],
    curation: Curation,
) -> dict[str, object]:
    """What became of all rows. `sizes`: how many questions of both parts have so many completions."""
    counts: dict[str, object] = {}
    kept = Rows()
    removed = Counter(not_in_train=every.count - sum(part.before.count for part in parts.values()))
    for name, one in parts.items():
        counts[name] = one.counts(len(split[name]))
        kept.count += one.kept.rows.count
        kept.questions += one.kept.rows.questions
        removed.update(one.removed)
    counts["all"] = row_counts(sum(len(split[part]) for part in PARTS), every, kept, removed)
    listed = {question for part in PARTS for question in split[part]}
    counts["questions_below_budget"] = questions_below_budget(sizes, len(listed), *curation.budget)
    train = parts["train"]
    asked = train.asked_own
    # the share of right answers among all that was paid for and not given
    counts["teacher_accuracy_train"] = round(train.asked_right / asked, 4) if asked else None
    if curation.select:
        counts["select"] = selection_summary(curation.select)
    return counts


def check_rows(completions: list[Completion], examples: Mapping[str, Example], path: Path) -> None:
    """Raises ValueError for completions of what is no example and for two with the same sample index."""
    seen = set()
    for row in completions:
        if row.example_id not in examples:
            raise ValueError(f"{path}: completion of {row.example_id!r}, which is no example")
        if row.sample in seen:
            raise ValueError(f"{path}: {row.example_id!r} has sample {row.sample} twice, wanted one row each")
        seen.add(row.sample)


@dataclass(frozen=True)
class Questions:
    """A file's completions, question by question, each time anew: they need not fit into memory."""

    path: Path
    examples: Mapping[str, Example]

    def __iter__(self) -> Iterator[list[Completion]]:
        for rows in iter_questions(self.path):
            check_rows(rows, self.examples, self.path)
            yield rows


class Inputs(NamedTuple):
    """What `curate` takes, in its order."""

    questions: Questions
    examples: dict[str, Example]
    split: dict[str, list[str]]
    curation: Curation
    golden: set[str]


def read_inputs(name: str, examples: Path, split: Path, completions: Path) -> Inputs:
    """The curation `name` of params.yaml, the files, and the golden list where the curation has one."""
    curation = block(f"curations.{name}", Curation)
    by_id = {example.id: example for example in read_examples(examples)}
    golden = read_golden(golden_file(curation.golden), by_id) if curation.golden else set()
    rows = Questions(completions, by_id)
    return Inputs(rows, by_id, json.loads(split.read_text(encoding="utf-8")), curation, golden)


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
    questions, by_id, split_parts, curation, golden = read_inputs(name, examples, split, completions)
    train = dict.fromkeys(split_parts["train"], "train")
    known = known_of(questions, by_id, train, curation, golden)["train"]
    filters = filters_of(curation, by_id, golden, known)
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
