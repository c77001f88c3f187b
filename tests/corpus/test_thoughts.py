"""What chat and reasoning models said, on its way into a corpus: read as it is stated, thoughts apart."""

from dataclasses import replace
from pathlib import Path

import pytest
from curated import curate

from stages.config.curation import Curation
from stages.methods import fine_tune_cot
from stages.records.completion import Completion, read_completions, readers_of, write_completions
from stages.records.example import Example

EXAMPLE = Example("toy-0", "toy", "What is 2 + 3?", "5", "number")
SPLIT = {"train": ["toy-0"], "validation": [], "test": []}
SAID = Completion(
    "toy-0", 0, ["q"], ["Two and three, not 6.\n\nAnswer: 5"], ["stop"], "m", "Answer:", reader="stated"
)
THOUGHT = replace(SAID, reasoning=("Is it 6?\nNo: 5.",))
CUT = replace(SAID, texts=[""], finish_reasons=["length"], reasoning=("Let me think: 2",))


def curated(*rows: Completion, **settings: object) -> tuple[list[Completion], dict[str, object]]:
    numbered = [replace(row, sample=sample) for sample, row in enumerate(rows)]
    curation = Curation.model_validate({"filter": "answer", **settings})
    return curate(numbered, {"toy-0": EXAMPLE}, SPLIT, curation, set())


def trained(rows: list[Completion]) -> list[str]:
    settings = fine_tune_cot.Settings()
    return [one.segments[1].text for one in fine_tune_cot.render(EXAMPLE, rows, settings)]


@pytest.mark.parametrize(
    ("text", "kojima", "stated"),
    [
        ("The answer is 5.", True, True),
        ("6 less one makes 5.", False, True),
        ("The answer is **5** of 6.", True, True),
        ("5 or 6", True, False),
        ("I would say 5, but no: the answer is 6.", True, False),
        ("five", False, True),
    ],
)
def test_the_filter_reads_as_the_row_says(text: str, kojima: bool, stated: bool) -> None:
    for reader, right in (("kojima", kojima), ("stated", stated)):
        row = replace(SAID, texts=[text], answer_prefix="", reader=reader)
        kept, funnel = curated(row)
        assert (len(kept) == 1, funnel["reader"]) == (right, reader)


@pytest.mark.parametrize(
    ("train_on", "expected"),
    [
        ("summary", "Two and three, not 6."),
        ("thoughts", "Is it 6?\nNo: 5."),
        ("both", "Is it 6?\nNo: 5.\n\nTwo and three, not 6."),
    ],
)
def test_what_is_trained_of_a_model_that_thinks(train_on: str, expected: str) -> None:
    kept, _ = curated(THOUGHT, train_on=train_on)
    assert trained(kept) == [f"{expected} --> 5END"]


def test_cut_thoughts_are_dropped_and_counted() -> None:
    kept, funnel = curated(THOUGHT, CUT, filter="none")
    assert [row.sample for row in kept] == [0]
    assert funnel["train"]["removed"]["cut_thoughts"] == 1
    kept, funnel = curated(THOUGHT, CUT, filter="none", train_on="thoughts", keep_cut_thoughts=True)
    assert trained(kept) == ["Is it 6?\nNo: 5. --> 5END", "Let me think: 2 --> 5END"]
    assert funnel["train"]["removed"]["cut_thoughts"] == 0


def test_who_did_not_think_has_no_thoughts_to_learn() -> None:
    kept, funnel = curated(THOUGHT, SAID, train_on="thoughts")
    assert [row.sample for row in kept] == [0]
    assert funnel["train"]["removed"]["without_thoughts"] == 1


def test_the_papers_rows_stay_as_they_are(tmp_path: Path) -> None:
    """Neither their bytes nor the reasons in their funnel know of readers' and thoughts' fields."""
    plain = Completion("toy-0", 0, ["q", "r"], ["Two and three.", " 5."], ["stop"] * 2, "m", "")
    kept, funnel = curated(plain)
    assert kept == [replace(plain, answer="5")]
    assert not {"cut_thoughts", "without_thoughts"} & funnel["train"]["removed"].keys()
    write_completions(tmp_path / "rows.jsonl", [plain, THOUGHT])
    first, second = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert not any(name in first for name in ("reader", "reasoning", "rationale"))
    assert '"reader": "stated"' in second
    assert read_completions(tmp_path / "rows.jsonl") == [plain, THOUGHT]
    assert readers_of([plain, THOUGHT]) == "kojima, stated"
