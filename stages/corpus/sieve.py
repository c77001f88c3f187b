"""The sieve: a curation's filters in their order."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from stages.config.curation import Curation
from stages.corpus.bands import Measure, keep_by_rate, keep_long, keep_rated, keep_short
from stages.corpus.filters import (
    keep_answered,
    keep_as_given,
    keep_correct,
    keep_distinct,
    keep_dual,
    keep_finished,
    keep_first_samples,
    keep_questions,
    keep_stated_once,
    keep_thoughtful,
    keep_whole_thoughts,
)
from stages.corpus.mix import keep_paired, keep_side
from stages.corpus.near import Place, keep_unlike, without_places
from stages.corpus.selection import select_rows
from stages.corpus.verdicts import Found, keep_scored, keep_verified
from stages.records.completion import Completion
from stages.records.example import LEARNED, Example

# the reason for which rows of a question are removed, and who keeps the others, in their order
Filters = dict[str, Callable[[list[Completion]], list[Completion]]]
NOTHING: list[Completion] = []


def parts_of(split: Mapping[str, list[str]]) -> dict[str, str]:
    """The part of each question that is learned from or chosen on."""
    return {question: part for part in LEARNED for question in split[part]}


class Given(NamedTuple):
    """What a curation names besides the completions, read once."""

    golden: Collection[str] = ()  # ids of examples
    measure: Measure | None = None  # how long a completion is
    verdicts: Found = MappingProxyType({})  # on completions


class Known(NamedTuple):
    """What decides about a part's questions and only all of them together tell."""

    thinks: bool = True  # are there thoughts to learn in any completion?
    drawn: set[str] | None = None  # by match_size; None: all
    repeated: set[Place] | None = None  # near one before them in the part; None: not looked for
    grades: Mapping[Place, float | None] = MappingProxyType({})  # by a judge; None: cannot be read
    budgets: Mapping[str, int] = {}  # completions that stay, where questions differ in that
    sides: Mapping[str, int] = MappingProxyType({})  # of a mix, the one that a question is learned from


def filters_of(curation: Curation, examples: Mapping[str, Example], given: Given, known: Known) -> Filters:
    """The filters of one question's completions in their order, by the reason for which each removes rows;
    `list` keeps everything.

    The budget of Fine-tune-CoT comes first: D samples are asked for, and wrong ones among them are lost
    (section 3, diverse reasoning). SCoTD's comes last: so many of the right ones stay (section 4).
    """
    by_answer = curation.filter in ("answer", "golden")
    dual = curation.filter == "dual"
    thoughtful = known.thinks and curation.train_on == "thoughts"
    drawn = known.drawn
    filters: Filters = {
        "over_budget": partial(keep_first_samples, per_question=curation.per_question),
        **by_rate(curation, examples),
        "cut_thoughts": list if curation.keep_cut_thoughts else keep_whole_thoughts,
        "without_thoughts": keep_thoughtful if thoughtful else list,
        "unfinished": keep_finished if curation.finished_only else list,
        **({"stated_again": keep_stated_once} if curation.stated_once else {}),
        "duplicate": partial(keep_distinct, train_on=curation.train_on) if curation.dedup else list,
        "not_as_given": partial(keep_as_given, examples=examples),
        "no_answer": partial(keep_answered, examples=examples) if by_answer or dual else list,
        "wrong_answer": partial(keep_correct, examples=examples) if by_answer else list,
        **by_length(curation, given),
        "not_golden": partial(keep_questions, ids=given.golden) if curation.filter == "golden" else list,
        **by_verdict(curation, given),
        **by_likeness(curation, known),
        **by_judge(curation, known),
        "undersampled": list if drawn is None else partial(keep_questions, ids=drawn),
        **({"without_right": partial(keep_dual, examples=examples)} if dual else {}),
    }
    if curation.select:
        choose = partial(
            select_rows,
            budgets=known.budgets,
            select=curation.select,
            seed=curation.seed,
            train_on=curation.train_on,
        )
        filters[f"not_selected_by_{curation.select.by}"] = choose
    if curation.mix:
        own = partial(keep_side, mix=curation.mix, sides=known.sides, train_on=curation.train_on)
        filters |= {"without_pair": partial(keep_paired, sides=known.sides), "other_of_pair": own}
    return filters


def by_rate(curation: Curation, examples: Mapping[str, Example]) -> Filters:
    """Whole questions, by all that was asked of them."""
    if curation.pass_rate is None:
        return {}
    least, most = curation.pass_rate
    return {
        "no_pass_rate": partial(keep_rated, examples=examples),
        "too_hard": partial(keep_by_rate, examples=examples, least=least),
        "too_easy": partial(keep_by_rate, examples=examples, most=most),
    }


def by_length(curation: Curation, given: Given) -> Filters:
    if curation.length is None or given.measure is None:
        return {}
    limits = curation.length
    return {
        "too_short": partial(keep_long, measure=given.measure, least=limits.least),
        "too_long": partial(keep_short, measure=given.measure, most=limits.most),
    }


def by_verdict(curation: Curation, given: Given) -> Filters:
    if curation.verdicts is None:
        return {}
    allowed = curation.verdicts.allow_missing
    return {
        "without_verdict": partial(keep_verified, verdicts=given.verdicts, allow_missing=allowed),
        "low_verdict": partial(keep_scored, verdicts=given.verdicts, least=curation.verdicts.least),
    }


def by_likeness(curation: Curation, known: Known) -> Filters:
    near = curation.near_duplicates
    if near is None:
        return {}
    if near.among == "corpus":
        return {"near_duplicate": partial(without_places, places=known.repeated or set())}
    return {"near_duplicate": partial(keep_unlike, near=near, train_on=curation.train_on)}


def by_judge(curation: Curation, known: Known) -> Filters:
    if curation.judge is None:
        return {}
    unread = {place for place, grade in known.grades.items() if grade is None}
    low = {place for place, grade in known.grades.items() if (grade or 0.0) < curation.judge.least}
    return {
        "without_grade": partial(without_places, places=unread),
        "low_grade": partial(without_places, places=low),
    }


def apply_filters(
    completions: list[Completion], filters: Filters
) -> tuple[list[Completion], dict[str, list[Completion]]]:
    """What passes all filters, and the rows that each removed; of one question."""
    kept = completions
    removed = dict.fromkeys(filters, NOTHING)
    for reason, keep in filters.items():
        passed = keep(kept)
        if len(passed) < len(kept):
            samples = {row.sample for row in passed}
            removed[reason] = [row for row in kept if row.sample not in samples]
        kept = passed
    return kept, removed
