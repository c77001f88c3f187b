"""Near-duplicates against all pairs by brute force, and which of them stays."""

import random
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from curated import curate

from stages.config.choosing import NearDuplicates
from stages.config.curation import Curation
from stages.corpus.near import grams_of, repeated
from stages.records.completion import Completion
from stages.records.example import Example

EXAMPLES = {f"toy-{row}": Example(f"toy-{row}", "toy", "How many?", "7", "number") for row in range(40)}
SPLIT = {"train": [f"toy-{row}" for row in range(30)], "validation": [f"toy-{row}" for row in range(30, 40)]}
SPLIT["test"] = []


def said(text: str, row: int = 0, sample: int = 0, answer: str = "7") -> Completion:
    return Completion(f"toy-{row}", sample, ["q", "r"], [text, f" {answer}."], ["stop", "stop"], "m", "")


def varied(seed: int, questions: int = 30, samples: int = 4) -> list[Completion]:
    """Rationales made from few texts by changing some of their words."""
    rng = random.Random(seed)
    words = [f"w{number}" for number in range(60)]
    texts = [rng.choices(words, k=rng.randint(1, 25)) for _ in range(12)]
    rows = []
    for row in range(questions):
        for sample in range(samples):
            text = [rng.choice(words) if rng.random() < 0.06 else word for word in rng.choice(texts)]
            rows.append(said(" ".join(text), row, sample))
    return rows


def by_brute_force(rows: list[Completion], near: NearDuplicates) -> set[tuple[str, int]]:
    """Sets of word tuples, every pair compared, groups by walking from row to row."""
    sets = []
    for row in rows:
        words = row.texts[0].split()
        count = min(near.words, len(words))
        sets.append({tuple(words[i : i + count]) for i in range(len(words) - count + 1)})
    neighbours: dict[int, set[int]] = {place: set() for place in range(len(rows))}
    for a, b in combinations(range(len(rows)), 2):
        if len(sets[a] & sets[b]) >= near.threshold * len(sets[a] | sets[b]) - 1e-9:
            neighbours[a].add(b)
            neighbours[b].add(a)
    seen: set[int] = set()
    again = set()
    for place in range(len(rows)):
        if place in seen:
            again.add((rows[place].example_id, rows[place].sample))
            continue
        todo = [place]
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo += neighbours[one]
    return again


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("words", [1, 3])
def test_against_all_pairs(seed: int, threshold: float, words: int) -> None:
    near = NearDuplicates(threshold=threshold, words=words)
    rows = varied(seed)
    found = repeated(rows, near, "summary")
    assert found == by_brute_force(rows, near)
    assert 0 < len(found) < len(rows)


def test_jaccard_by_hand() -> None:
    """Pairs of words: ab bc cd de | ab bc cd dx share 3 of 5."""
    rows = [said("a b c d e"), said("A b c d x", sample=1)]
    for threshold, again in ((0.6, {("toy-0", 1)}), (0.61, set())):
        assert repeated(rows, NearDuplicates(threshold=threshold, words=2), "summary") == again
    assert grams_of("a b c", 2) == ["a b", "b c"]
    assert grams_of("Yes.", 5) == ["yes ."]
    assert grams_of(" ", 2) == []
    silent = [said("", sample=sample) for sample in range(3)]
    assert repeated(silent, NearDuplicates(), "summary") == set()


def curated(rows: list[Completion], **values: Any) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    kept, funnel = curate(rows, EXAMPLES, SPLIT, Curation.model_validate(values), set())
    for part in ("train", "validation"):
        told = funnel[part]
        assert told["rows_in"] - sum(told["removed"].values()) == told["rows_out"]
    return [(row.example_id, row.sample) for row in kept], funnel


def test_the_first_right_one_stays() -> None:
    """What an answer filter removes displaces nothing; of a question's rows the first sample stays."""
    rows = [said("a b c d", sample=2), said("a b c d", sample=0, answer="8"), said("a b c d", sample=1)]
    for among in ("question", "corpus"):
        near = {"threshold": 0.9, "among": among}
        kept, funnel = curated(rows, filter="answer", near_duplicates=near)
        assert kept == [("toy-0", 1)]
        assert funnel["train"]["removed"]["near_duplicate"] == 1


def test_among_a_question_or_all_of_a_part() -> None:
    rows = [said("a b c d", row, sample) for row in (3, 5, 31, 33) for sample in (0, 1)]
    near = {"threshold": 0.9}
    kept, funnel = curated(rows, filter="none", near_duplicates=near)
    assert kept == [(f"toy-{row}", 0) for row in (3, 5, 31, 33)]
    kept, funnel = curated(rows, filter="none", near_duplicates={**near, "among": "corpus"})
    assert kept == [("toy-3", 0), ("toy-31", 0)]  # each part by itself
    assert [funnel[part]["removed"]["near_duplicate"] for part in ("train", "validation", "all")] == [3, 3, 6]


@pytest.mark.parametrize("seed", range(3))
def test_over_the_corpus_against_all_pairs(seed: int) -> None:
    rows = [replace(row, texts=[row.texts[0], f" {7 + row.sample % 2}."]) for row in varied(seed)]
    right = [row for row in rows if row.sample % 2 == 0]
    near = NearDuplicates(threshold=0.5, among="corpus")
    kept, _ = curated(rows, filter="answer", near_duplicates=near.model_dump())
    again = by_brute_force(right, near)
    assert kept == [place for row in right if (place := (row.example_id, row.sample)) not in again]
