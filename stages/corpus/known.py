"""Known: what filters have to know of all questions of a part before the first one is curated."""

from collections.abc import Iterable, Mapping

from stages.config.curation import Curation
from stages.corpus.filters import draw_questions, has_thoughts, keep_first_samples
from stages.corpus.selection import count_bigrams, question_budgets
from stages.corpus.sieve import PARTS, Given, Known, apply_filters, filters_of
from stages.records.completion import Completion
from stages.records.example import Example


def known_of(
    questions: Iterable[list[Completion]],
    examples: Mapping[str, Example],
    parts: Mapping[str, str],
    curation: Curation,
    given: Given,
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
    filters = {part: filters_of(before, examples, given, known[part]) for part in PARTS}
    for rows in questions:
        question = rows[0].example_id
        if (part := parts.get(question)) and apply_filters(rows, filters[part])[0]:
            asked = keep_first_samples(rows, curation.per_question)
            left[part][question] = count_bigrams(asked) if openness else 0
    for part, found in left.items():
        if curation.match_size:
            drawn = draw_questions(found.keys(), len(found.keys() & set(given.golden)), curation.seed)
            known[part] = known[part]._replace(drawn=drawn)
            found = {question: count for question, count in found.items() if question in drawn}
        if curation.select:
            known[part] = known[part]._replace(budgets=question_budgets(curation.select, found))
    return known
