"""Curated: a teacher's completions through a curation's filters, question by question, and the funnel of what
became of them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from stages.config.cli import progress
from stages.config.curation import Curation
from stages.corpus.filters import (
    has_thoughts,
    keep_correct,
    keep_first_samples,
    with_answers,
    with_rationales,
)
from stages.corpus.funnel import Asked, Corpus, Rows, questions_below_budget, row_counts
from stages.corpus.known import known_of
from stages.corpus.mix import mix_summary
from stages.corpus.selection import selection_summary
from stages.corpus.sieve import Filters, Given, apply_filters, filters_of, parts_of
from stages.records.completion import Completion, without_counterfactuals
from stages.records.example import LEARNED, Example


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
    given: Given,
    counts: dict[str, object],
) -> Iterator[tuple[str, Completion]]:
    """The kept completions, each with its part, question by question; the funnel of each part and of all rows
    is in `counts` when the last one has been taken.

    `questions`: the completions of each, gone through anew where a curation has to know all of them first.
    """
    part_of = parts_of(split)
    known = known_of(questions, examples, part_of, curation, given)
    parts = {part: Part(filters_of(curation, examples, given, known[part])) for part in LEARNED}
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
    if curation.mix:
        counts["mix"] = mix_summary(curation.mix, {part: one.sides for part, one in known.items()})


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
    counts["all"] = row_counts(sum(len(split[part]) for part in LEARNED), every, kept, removed)
    listed = {question for part in LEARNED for question in split[part]}
    counts["questions_below_budget"] = questions_below_budget(sizes, len(listed), *curation.budget)
    train = parts["train"]
    asked = train.asked_own
    # the share of right answers among all that was paid for and not given
    counts["teacher_accuracy_train"] = round(train.asked_right / asked, 4) if asked else None
    if curation.select:
        counts["select"] = selection_summary(curation.select)
    return counts
