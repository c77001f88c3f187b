"""Known: what filters have to know of all questions of a part before the first one is curated."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from stages.config.choosing import Mix
from stages.config.curation import Curation
from stages.corpus.filters import (
    draw_questions,
    has_thoughts,
    keep_first_samples,
    rationale_learned,
    strict_answer,
)
from stages.corpus.mix import pair_of, sides_of
from stages.corpus.near import Place, repeated
from stages.corpus.selection import count_bigrams, question_budgets
from stages.corpus.sieve import Given, Known, apply_filters, filters_of
from stages.judging.grade import Graded, grades
from stages.records.completion import Completion
from stages.records.example import LEARNED, Example

# filters that have to know what passed those before them, in their order
STEPS = ("near_duplicates", "judge", "select", "mix")


@dataclass(frozen=True)
class Look:
    """All completions, looked at through the filters before one of STEPS."""

    questions: Iterable[list[Completion]]  # gone through anew each time
    examples: Mapping[str, Example]
    parts: Mapping[str, str]  # of each question
    curation: Curation
    given: Given

    def before(
        self, step: str, known: Mapping[str, Known]
    ) -> Iterator[tuple[str, list[Completion], list[Completion]]]:
        """(part, a question's rows, those that passed), of each question of which some did."""
        curation = self.curation.model_copy(update=dict.fromkeys(STEPS[STEPS.index(step) :]))
        filters = {part: filters_of(curation, self.examples, self.given, known[part]) for part in LEARNED}
        for rows in self.questions:
            part = self.parts.get(rows[0].example_id)
            if part and (passed := apply_filters(rows, filters[part])[0]):
                yield part, rows, passed


def known_of(
    questions: Iterable[list[Completion]],
    examples: Mapping[str, Example],
    parts: Mapping[str, str],
    curation: Curation,
    given: Given,
) -> dict[str, Known]:
    """What is to be known of each part: for most curations nothing, and then the completions are not gone
    through. `parts`: of each question.
    """
    look = Look(questions, examples, parts, curation, given)
    known = dict.fromkeys(LEARNED, Known())
    if curation.train_on == "thoughts":
        thinking = {parts.get(rows[0].example_id) for rows in questions if any(map(has_thoughts, rows))}
        known = {part: Known(thinks=part in thinking) for part in LEARNED}
    if curation.near_duplicates and curation.near_duplicates.among == "corpus":
        known = with_repeats(look, known)
    if curation.judge:
        known = with_grades(curation.judge.by, look, known)
    if curation.match_size or (curation.select and curation.select.by == "open_endedness"):
        known = with_budgets(look, known)
    if curation.mix:
        known = with_sides(curation.mix, look, known)
    return known


def with_repeats(look: Look, known: Mapping[str, Known]) -> dict[str, Known]:
    """Near-duplicates over all questions of a part, whose rationales are held for that."""
    near = look.curation.near_duplicates
    left: dict[str, list[Completion]] = {part: [] for part in LEARNED}
    for part, _, passed in look.before("near_duplicates", known):
        left[part] += sorted(passed, key=lambda row: row.sample)
    return {
        part: known[part]._replace(repeated=repeated(rows, near, look.curation.train_on) if near else set())
        for part, rows in left.items()
    }


def to_grade(look: Look, known: Mapping[str, Known]) -> Iterator[tuple[str, Place, Graded]]:
    """(part, question and sample, what the judge sees) of each completion that passed the filters before."""
    for part, _, passed in look.before("judge", known):
        example = look.examples[passed[0].example_id]
        for row in passed:
            rationale = rationale_learned(row, look.curation.train_on)
            yield (
                part,
                (row.example_id, row.sample),
                Graded(example.question, rationale, strict_answer(row, example)),
            )


def graded(
    questions: Iterable[list[Completion]],
    examples: Mapping[str, Example],
    parts: Mapping[str, str],
    curation: Curation,
    given: Given,
) -> list[Graded]:
    """What the curation's judge is asked about, for who wants to know before it is asked."""
    before = curation.model_copy(update=dict.fromkeys(("match_size", *STEPS[STEPS.index("judge") :])))
    known = known_of(questions, examples, parts, before, given)
    return [one for *_, one in to_grade(Look(questions, examples, parts, curation, given), known)]


def with_grades(judge: str, look: Look, known: Mapping[str, Known]) -> dict[str, Known]:
    """All completions that are left are asked about at once."""
    asked = list(to_grade(look, known))
    found: dict[str, dict[Place, float | None]] = {part: {} for part in LEARNED}
    for (part, place, _), grade in zip(asked, grades(judge, [one for *_, one in asked]), strict=True):
        found[part][place] = grade
    return {part: known[part]._replace(grades=those) for part, those in found.items()}


def with_budgets(look: Look, known: Mapping[str, Known]) -> dict[str, Known]:
    """Which questions `match_size` draws, and how many completions of each `select` keeps."""
    curation = look.curation
    openness = curation.select is not None and curation.select.by == "open_endedness"
    left: dict[str, dict[str, int]] = {part: {} for part in LEARNED}  # question -> its bigrams
    for part, rows, _ in look.before("select", known):
        asked = keep_first_samples(rows, curation.per_question)
        left[part][rows[0].example_id] = count_bigrams(asked, curation.train_on) if openness else 0
    found = dict(known)
    for part, sizes in left.items():
        if curation.match_size:
            golden = sizes.keys() & set(look.given.golden)
            drawn = draw_questions(sizes.keys(), len(golden), curation.seed)
            found[part] = found[part]._replace(drawn=drawn)
            sizes = {question: count for question, count in sizes.items() if question in drawn}
        if curation.select:
            found[part] = found[part]._replace(budgets=question_budgets(curation.select, sizes))
    return found


def with_sides(mix: Mix, look: Look, known: Mapping[str, Known]) -> dict[str, Known]:
    """Which side of the mix each question is learned from. Raises ValueError where no question has both."""
    paired: dict[str, list[str]] = {part: [] for part in LEARNED}
    models: set[str] = set()
    for part, _, passed in look.before("mix", known):
        models.update(row.model for row in passed)
        if pair_of(passed, mix, look.curation.train_on):
            paired[part].append(passed[0].example_id)
    if models and not any(paired.values()):
        sides = " and ".join(mix.models or ["a long and a short rationale"])
        raise ValueError(
            f"mix: no question has both sides, {sides}; there are completions of: {', '.join(sorted(models))}"
        )
    return {
        part: known[part]._replace(sides=sides_of(questions, mix.share, look.curation.seed))
        for part, questions in paired.items()
    }
