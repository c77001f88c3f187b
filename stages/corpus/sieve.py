"""The sieve: a curation's filters in their order, and what they have to know of all questions of a part."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from stages.config.curation import Curation
from stages.corpus.filters import (
    draw_questions,
    has_thoughts,
    keep_answered,
    keep_as_given,
    keep_correct,
    keep_distinct,
    keep_finished,
    keep_first_samples,
    keep_questions,
    keep_stated_once,
    keep_thoughtful,
    keep_whole_thoughts,
)
from stages.corpus.selection import count_bigrams, question_budgets, select_rows
from stages.records.completion import Completion
from stages.records.example import Example

PARTS = ("train", "validation")
# the reason for which rows of a question are removed, and who keeps the others, in their order
Filters = dict[str, Callable[[list[Completion]], list[Completion]]]
NOTHING: list[Completion] = []


class Known(NamedTuple):
    """What decides about a part's questions and only all of them together tell."""

    thinks: bool = True  # are there thoughts to learn in any completion?
    drawn: set[str] | None = None  # by match_size; None: all
    budgets: Mapping[str, int] = {}  # completions that stay, where questions differ in that


def filters_of(
    curation: Curation, examples: Mapping[str, Example], golden: set[str], known: Known
) -> Filters:
    """The filters of one question's completions in their order, by the reason for which each removes rows;
    `list` keeps everything.

    The budget of Fine-tune-CoT comes first: D samples are asked for, and wrong ones among them are lost
    (section 3, diverse reasoning). SCoTD's comes last: so many of the right ones stay (section 4).
    """
    by_answer = curation.filter in ("answer", "golden")
    thoughtful = known.thinks and curation.train_on == "thoughts"
    drawn = known.drawn
    filters: Filters = {
        "over_budget": partial(keep_first_samples, per_question=curation.per_question),
        "cut_thoughts": list if curation.keep_cut_thoughts else keep_whole_thoughts,
        "without_thoughts": keep_thoughtful if thoughtful else list,
        "unfinished": keep_finished if curation.finished_only else list,
        **({"stated_again": keep_stated_once} if curation.stated_once else {}),
        "duplicate": keep_distinct if curation.dedup else list,
        "not_as_given": partial(keep_as_given, examples=examples),
        "no_answer": partial(keep_answered, examples=examples) if by_answer else list,
        "wrong_answer": partial(keep_correct, examples=examples) if by_answer else list,
        "not_golden": partial(keep_questions, ids=golden) if curation.filter == "golden" else list,
        "undersampled": list if drawn is None else partial(keep_questions, ids=drawn),
    }
    if curation.select:
        choose = partial(select_rows, budgets=known.budgets, select=curation.select, seed=curation.seed)
        filters[f"not_selected_by_{curation.select.by}"] = choose
    return filters


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


def known_of(
    questions: Iterable[list[Completion]],
    examples: Mapping[str, Example],
    parts: Mapping[str, str],
    curation: Curation,
    golden: set[str],
) -> dict[str, Known]:
    """What is to be known of each part before its first question is curated: for most curations nothing, and
    then the completions are not gone through. `parts`: of each question.
    """
    known = dict.fromkeys(PARTS, Known())
    if curation.train_on == "thoughts":
        thinking = {parts.get(rows[0].example_id) for rows in questions if any(map(has_thoughts, rows))}
        known = {part: Known(thinks=part in thinking) for part in PARTS}
    openness = curation.select is not None and curation.select.by == "open_endedness"
    if not openness and not curation.match_size:
        return known
    left: dict[str, dict[str, int]] = {part: {} for part in PARTS}  # question -> its bigrams
    before = curation.model_copy(update={"select": None})
    filters = {part: filters_of(before, examples, golden, known[part]) for part in PARTS}
    for rows in questions:
        question = rows[0].example_id
        if (part := parts.get(question)) and apply_filters(rows, filters[part])[0]:
            asked = keep_first_samples(rows, curation.per_question)
            left[part][question] = count_bigrams(asked) if openness else 0
    for part, found in left.items():
        if curation.match_size:
            drawn = draw_questions(found.keys(), len(found.keys() & golden), curation.seed)
            known[part] = known[part]._replace(drawn=drawn)
            found = {question: count for question, count in found.items() if question in drawn}
        if curation.select:
            known[part] = known[part]._replace(budgets=question_budgets(curation.select, found))
    return known
