"""Mixtures of rationales: each side, the shares, and the corpus they make."""

import random
from collections import Counter
from typing import Any

import pytest
from curated import curate
from pydantic import ValidationError

from stages.config.curation import Curation
from stages.corpus.mix import sides_of
from stages.records.completion import Completion
from stages.records.example import Example

EXAMPLES = {f"toy-{row}": Example(f"toy-{row}", "toy", "How many?", "7", "number") for row in range(60)}
SPLIT = {"train": [f"toy-{row}" for row in range(50)], "validation": [f"toy-{row}" for row in range(50, 60)]}
SPLIT["test"] = []


def said(row: int, sample: int, words: int, answer: int = 7, model: str = "m") -> Completion:
    text = " ".join(["word"] * words)
    return Completion(f"toy-{row}", sample, ["q", "r"], [text, f" {answer}."], ["stop", "stop"], model, "")


def mixed(rows: list[Completion], **values: Any) -> tuple[list[Completion], dict[str, Any]]:
    curation = Curation.model_validate({"filter": "answer", **values})
    kept, funnel = curate(rows, EXAMPLES, SPLIT, curation, set())
    for part in ("train", "validation", "all"):
        told = funnel[part]
        assert told["rows_in"] - sum(told["removed"].values()) == told["rows_out"]
    return kept, funnel


def corpus(seed: int) -> list[Completion]:
    rng = random.Random(seed)
    rows = [said(row, k, rng.randint(1, 9), rng.choice([7, 7, 8])) for row in range(60) for k in range(4)]
    rng.shuffle(rows)
    return sorted(rows, key=lambda row: int(row.example_id[4:]))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [[1, 4], [1, 1], [0, 1], [1, 0], [3, 1]])
def test_long_and_short_against_a_count_of_our_own(seed: int, share: list[int]) -> None:
    rows = corpus(seed)
    kept, funnel = mixed(rows, mix={"by": "words", "share": share}, seed=seed)
    taught = {row.example_id: row for row in kept}
    assert len(taught) == len(kept)  # once a question
    for part in ("train", "validation"):
        longs = shorts = 0
        for question in SPLIT[part]:
            right = [row for row in rows if row.example_id == question and row.texts[1] == " 7."]
            sizes = sorted(len(row.texts[0].split()) for row in right)
            if not sizes or sizes[0] == sizes[-1]:
                assert question not in taught
                continue
            own = len(taught[question].texts[0].split())
            assert own in (sizes[0], sizes[-1])
            first = min(row.sample for row in right if len(row.texts[0].split()) == own)
            assert taught[question].sample == first  # of equals the first sample
            longs += own == sizes[-1]
            shorts += own == sizes[0]
        wanted = (longs + shorts) * share[0] / sum(share)
        assert abs(longs - wanted) <= 0.5
        assert funnel["mix"][part] == {"long": longs, "short": shorts}
    assert funnel["mix"]["share"] == share


def test_by_hand() -> None:
    """Ten questions with a rationale of 2 words and one of 9: two are learned long, eight short."""
    rows = [said(row, k, words) for row in range(10) for k, words in enumerate((2, 9, 5))]
    kept, funnel = mixed(rows, mix={"by": "words"})
    assert sorted(len(row.texts[0].split()) for row in kept) == [2] * 8 + [9] * 2
    removed = {reason: count for reason, count in funnel["train"]["removed"].items() if count}
    assert removed == {"other_of_pair": 20}
    assert funnel["mix"] == {
        "by": "words",
        "share": [1, 4],
        "train": {"long": 2, "short": 8},
        "validation": {"long": 0, "short": 0},
    }


def test_two_models() -> None:
    """Of the large one the second sample of every third question is right alone; question 2 has no small."""
    rows = []
    for row in range(12):
        rows += [said(row, 0, 3, 8 if row % 3 == 0 else 7, "large"), said(row, 1, 3, 7, "large")]
        rows += [said(row, 2, 4, 7, "small")] if row != 2 else []
    kept, funnel = mixed(rows, mix={"by": "model", "models": ["large", "small"], "share": [1, 1]})
    assert Counter(row.model for row in kept) == {"large": 6, "small": 5}  # of 11, half up
    assert funnel["mix"]["train"] == {"large": 6, "small": 5}
    assert all(row.sample == (int(row.example_id[4:]) % 3 == 0) for row in kept if row.model == "large")
    assert "toy-2" not in {row.example_id for row in kept}
    assert funnel["train"]["removed"]["without_pair"] == 2


def test_an_answer_alone_is_no_side() -> None:
    rows = [said(row, k, words) for row in range(10) for k, words in enumerate((0, 9, 2))]
    kept, _ = mixed(rows, mix={"by": "words"})
    assert sorted(len(row.texts[0].split()) for row in kept) == [2] * 8 + [9] * 2
    silent = [said(row, 0, 0, model="a") for row in range(3)]
    both = [said(row, k, 3, model="ab"[k - 1]) for row in range(3) for k in (1, 2)]
    kept, _ = mixed([*silent, *both], mix={"by": "model", "models": ["a", "b"], "share": [1, 0]})
    assert [row.sample for row in kept] == [1, 1, 1]


def test_what_is_long_at_a_smaller_share_is_long_at_a_larger_one() -> None:
    ids = [*EXAMPLES]
    longs = [
        {one for one, side in sides_of(ids, share, 3).items() if side == 0} for share in ([1, 4], [1, 1])
    ]
    assert [len(those) for those in longs] == [12, 30]
    assert longs[0] < longs[1]
    assert sides_of(ids[::-1], [1, 4], 3) == sides_of(ids, [1, 4], 3) != sides_of(ids, [1, 4], 4)


def test_a_side_that_nobody_has() -> None:
    rows = [said(row, 0, 3, model="large") for row in range(4)]
    with pytest.raises(ValueError, match="both sides, large and tiny; there are completions of: large"):
        mixed(rows, mix={"by": "model", "models": ["large", "tiny"]})
    with pytest.raises(ValueError, match="no question has both sides, a long and a short rationale"):
        mixed(rows, mix={"by": "words"})
    assert mixed([], mix={"by": "words"})[0] == []


@pytest.mark.parametrize(
    "values",
    [
        {"mix": {"by": "words", "share": [0, 0]}},
        {"mix": {"by": "words", "share": [1]}},
        {"mix": {"by": "words", "models": ["a", "b"]}},
        {"mix": {"by": "model"}},
        {"mix": {"by": "model", "models": ["a", "a"]}},
        {"mix": {"by": "words"}, "select": {"by": "random", "keep": 1}},
    ],
)
def test_mixtures_that_are_none(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Curation.model_validate({"filter": "answer", **values})
