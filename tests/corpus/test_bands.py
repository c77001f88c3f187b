"""Bands of a curation, by hand and against a count of our own: shares of right samples, lengths."""

import hashlib
import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from curated import curate
from pydantic import ValidationError

from stages.config.curation import Curation
from stages.corpus.inputs import read_given
from stages.records.completion import Completion
from stages.records.example import Example

EXAMPLES = {f"toy-{row}": Example(f"toy-{row}", "toy", "How many?", "7", "number") for row in range(30)}
SPLIT = {"train": [*EXAMPLES], "validation": [], "test": []}
TOKENIZER = "students/tiny/tokenizer.json"


def said(row: int, sample: int = 0, answer: str = "7", rationale: str = "So many.") -> Completion:
    texts = [rationale, f" {answer}."]
    return Completion(f"toy-{row}", sample, ["q", "q r"], texts, ["stop", "stop"], "m", "")


def kept_by(rows: list[Completion], **values: Any) -> tuple[list[tuple[str, int]], dict[str, int]]:
    """Places of the rows that stay, and what removed the others."""
    curation = Curation.model_validate({"filter": "none", **values})
    kept, funnel = curate(
        rows, EXAMPLES, SPLIT, curation, set(), read_given("curations.x", curation, EXAMPLES)
    )
    part = funnel["train"]
    assert part["rows_in"] - sum(part["removed"].values()) == part["rows_out"] == len(kept)
    return [(row.example_id, row.sample) for row in kept], {k: n for k, n in part["removed"].items() if n}


@pytest.mark.parametrize(
    ("answers", "band", "fate"),
    [
        ("7777", [0.25, 0.75], "too_easy"),
        ("7771", [0.25, 0.75], None),  # both ends are within
        ("7111", [0.25, 0.75], None),
        ("1111", [0.25, 0.75], "too_hard"),
        ("7711x", [0.4, 0.4], None),  # no answer is not right: 2 of 5
        ("71", [0.5, 0.5], None),  # of what came; a sample that failed is no wrong one
        ("7", [0.0, 1.0], None),
        ("7777777771", [0.9, 0.9], None),
    ],
)
def test_pass_rate_by_hand(answers: str, band: list[float], fate: str | None) -> None:
    rows = [said(1, sample, answer) for sample, answer in enumerate(answers)]
    kept, removed = kept_by(rows, pass_rate=band)
    assert (len(kept), removed) == ((0, {fate: len(rows)}) if fate else (len(rows), {}))


def test_pass_rate_is_of_the_samples_asked() -> None:
    """The budget comes first: of the first two samples all are right, of all four half."""
    rows = [said(1, sample, answer) for sample, answer in enumerate("7711")]
    assert kept_by(rows, pass_rate=[0.5, 0.5], per_question=2) == ([], {"over_budget": 2, "too_easy": 2})
    assert len(kept_by(rows, pass_rate=[0.5, 0.5])[0]) == 4


def test_what_was_told_an_answer_has_no_share() -> None:
    rows = [said(1, 0, "7"), replace(said(1, 1, "1"), given="1"), replace(said(1, 2), rationalised=True)]
    assert len(kept_by(rows, pass_rate=[1.0, 1.0])[0]) == 3  # 1 of 1
    assert kept_by(rows[2:], pass_rate=[0.0, 1.0]) == ([], {"no_pass_rate": 1})


@pytest.mark.parametrize("seed", range(5))
def test_pass_rate_against_fractions(seed: int) -> None:
    rng = random.Random(seed)
    answers = {row: rng.choices("71x", k=rng.randint(1, 8)) for row in range(30)}
    rows = [said(row, sample, one) for row, many in answers.items() for sample, one in enumerate(many)]
    kept, _ = kept_by(rows, pass_rate=[0.2, 0.6], filter="answer")
    wanted = [
        (f"toy-{row}", sample)
        for row, many in answers.items()
        if Fraction(1, 5) <= Fraction(many.count("7"), len(many)) <= Fraction(3, 5)
        for sample, one in enumerate(many)
        if one == "7"
    ]
    assert kept == wanted


def test_length_in_words_is_of_the_rationale() -> None:
    rows = [said(row, rationale=" ".join(["word"] * row)) for row in range(1, 8)]
    limits = {"unit": "words", "least": 3, "most": 5}
    kept, removed = kept_by(rows, length=limits)
    assert [int(question[4:]) for question, _ in kept] == [3, 4, 5]
    assert removed == {"too_short": 2, "too_long": 2}
    stated = Completion(
        "toy-1", 0, ["q"], ["Three words here. The answer is 7."], ["stop"], "m", "he answer is"
    )
    assert len(kept_by([stated], length=limits)[0]) == 1  # 3 of its 7 words


def test_length_in_tokens_is_counted_by_the_tokenizer_of_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the library that students read it with."""
    from transformers import AutoTokenizer

    monkeypatch.chdir(ROOT)
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "students/tiny")
    texts = ["So 3 + 4 is 7.", "Ann has the red ball and Bob the blue one.", "x", "unusualness " * 9]
    sizes = [len(tokenizer(text.strip(), add_special_tokens=False).input_ids) for text in texts]
    file = {"path": TOKENIZER, "sha256": hashlib.sha256(Path(TOKENIZER).read_bytes()).hexdigest()}
    for place, size in enumerate(sizes):
        limits = {"unit": "tokens", "least": size, "most": size, "tokenizer": file}
        kept, _ = kept_by([said(row, rationale=text) for row, text in enumerate(texts)], length=limits)
        assert kept == [(f"toy-{row}", 0) for row, other in enumerate(sizes) if other == sizes[place]]


def test_length_in_usage_is_what_the_server_told() -> None:
    rows = [replace(said(row), usage={"in": 100, "out": row}) for row in range(5)]
    assert kept_by(rows, length={"unit": "usage", "most": 2})[0] == [("toy-0", 0), ("toy-1", 0), ("toy-2", 0)]
    with pytest.raises(ValueError, match="toy-9 sample 0 of 'm' tells no tokens"):
        kept_by([*rows, said(9)], length={"unit": "usage", "most": 2})


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            {"path": "local/none.json", "sha256": "0" * 64},
            r"`curations\.x\.length\.tokenizer\.path`: no file",
        ),
        ({"path": TOKENIZER, "sha256": "0" * 64}, rf"{TOKENIZER} has [0-9a-f]{{64}}, wanted 0000"),
    ],
)
def test_a_tokenizer_that_is_another(
    file: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(ValueError, match=message):
        kept_by([said(1)], length={"unit": "tokens", "tokenizer": file})


@pytest.mark.parametrize(
    "values",
    [
        {"pass_rate": [0.8, 0.2]},
        {"pass_rate": [0.5]},
        {"pass_rate": [0, 2]},
        {"length": {"unit": "tokens"}},
        {"length": {"unit": "characters"}},
        {"length": {"unit": "words", "least": 4, "most": 3}},
    ],
)
def test_bands_that_are_none(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Curation.model_validate({"filter": "none", **values})
