"""Mix: of each question one of two rationales, long or short, a large teacher's or a small one's, in a share.

Small students learn less from long rationales and from large teachers than from a mixture with short ones and
with small teachers (Mix Distillation, ACL Findings 2025, arXiv 2502.12143: 1:4).
Differs: each question is learned once, from one side. The paper's long rationales are those of models that
think; `by: words` takes the longest and the shortest of what a teacher said (difference 57).
"""

import random
from collections.abc import Collection, Iterable, Mapping
from math import floor

from stages.config.choosing import Mix
from stages.corpus.filters import rationale_learned
from stages.records.completion import Completion


def pair_of(rows: Iterable[Completion], mix: Mix, train_on: str) -> tuple[Completion, Completion] | None:
    """Both sides of one question: the longest and the shortest of its rationales in words, or the first of
    each of two models; of equals the first sample. None where a side is missing. What only states an answer
    is no side: there is nothing to learn before it.
    """
    by_sample = sorted(rows, key=lambda row: row.sample)
    words = {row.sample: len(rationale_learned(row, train_on).split()) for row in by_sample}
    reasoned = [row for row in by_sample if words[row.sample]]
    if mix.models:
        first, second = (next((row for row in reasoned if row.model == one), None) for one in mix.models)
        return (first, second) if first and second else None
    if len({words[row.sample] for row in reasoned}) < 2:
        return None
    longest = max(reasoned, key=lambda row: words[row.sample])
    return longest, min(reasoned, key=lambda row: words[row.sample])


def sides_of(questions: Collection[str], share: list[int], seed: int) -> dict[str, int]:
    """0 or 1, the side that each question is learned from: as many of the first as `share` says, rounded,
    half up. Questions on the first side are among those of a larger share.
    """
    count = floor(len(questions) * share[0] / sum(share) + 0.5)
    drawn = sorted(questions, key=lambda question: (random.Random(f"{seed} {question}").random(), question))
    return {question: int(place >= count) for place, question in enumerate(drawn)}


def keep_paired(rows: list[Completion], sides: Mapping[str, int]) -> list[Completion]:
    """One question's rows, or none where it has not both sides."""
    return [row for row in rows if row.example_id in sides]


def keep_side(rows: list[Completion], mix: Mix, sides: Mapping[str, int], train_on: str) -> list[Completion]:
    """The one row of the question's side."""
    pair = pair_of(rows, mix, train_on)
    return [pair[sides[pair[0].example_id]]] if pair else []


def mix_summary(mix: Mix, sides: Mapping[str, Mapping[str, int]]) -> dict[str, object]:
    """How rationales were mixed, for the funnel. `sides`: by part, of each question."""
    names = mix.models or ["long", "short"]
    counts = {
        part: {name: list(those.values()).count(side) for side, name in enumerate(names)}
        for part, those in sides.items()
    }
    return {"by": mix.by, "share": mix.share, **counts}
