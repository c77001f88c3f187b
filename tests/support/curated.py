"""A curation of rows in memory, in any order, and what is rendered of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from stages import render as render_stage
from stages.config.curation import Curation, Select
from stages.corpus import curated as corpora
from stages.corpus.selection import count_bigrams, question_budgets, select_rows
from stages.corpus.sieve import Given
from stages.corpus.targets import Targets
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence


def by_question(rows: Iterable[Completion]) -> dict[str, list[Completion]]:
    """Questions in sorted order, the completions of each by sample index."""
    questions = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.example_id, row.sample)):
        questions[row.example_id].append(row)
    return dict(questions)


def curate(
    rows: Iterable[Completion],
    examples: Mapping[str, Example],
    split: Mapping[str, list[str]],
    curation: Curation,
    golden: set[str],
    given: Given | None = None,
) -> tuple[list[Completion], dict]:
    """The kept rows, train before validation, and the funnel. `given`: in place of a golden list alone."""
    questions: dict[str, list[Completion]] = defaultdict(list)
    for row in rows:
        questions[row.example_id].append(row)
    counts: dict[str, object] = {}
    kept = list(
        corpora.curate(list(questions.values()), examples, split, curation, given or Given(golden), counts)
    )
    return [row for part in ("train", "validation") for where, row in kept if where == part], counts


def selected(rows: list[Completion], asked: list[Completion], select: Select, seed: int) -> list[Completion]:
    """What stays of several questions' rows, in their order. `asked`: all that the teacher said."""
    questions, said = by_question(rows), by_question(asked)
    openness = {question: count_bigrams(said.get(question, [])) for question in questions}
    budgets = question_budgets(select, openness)
    kept = [row for those in questions.values() for row in select_rows(those, budgets, select, seed)]
    places = {(row.example_id, row.sample) for row in kept}
    return [row for row in rows if (row.example_id, row.sample) in places]


def render(
    method: Any, settings: Any, examples: list[Example], parts: dict, rows: Iterable[Completion]
) -> list[Sequence]:
    """A method's sequences of kept rows."""
    corpus = defaultdict(list)
    for row in rows:
        corpus[row.example_id].append(row)
    return list(render_stage.render(method, settings, examples, parts, dict(corpus)))


def count_targets(sequences: list[Sequence], parts: dict, rows: Iterable[Completion]) -> dict[str, Any]:
    """What they train, as metrics/rendered says it."""
    targets = Targets()
    for _, group in groupby(sequences, key=lambda sequence: sequence.example_id):
        targets.add(list(group))
    return targets.counts(parts, {question: len(those) for question, those in by_question(rows).items()})
