"""Appraise: counts by hand; and what becomes of a text that states its answer twice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages import appraise
from stages.corpus.filters import keep_answered, keep_correct, strict_answer
from stages.methods import cascod
from stages.records.completion import Completion, write_completions
from stages.records.example import Example, write_examples
from stages.text.formats import CONCLUSION, rationale_of

VALID = ["valid", "invalid"]
EXAMPLES = [
    Example("made-0", "made", "Is it?", "valid", "exact", VALID, subtask="logic"),
    Example("made-1", "made", "Is it not?", "invalid", "exact", VALID, subtask="logic"),
    Example("made-2", "made", "Which?", "B", "choice", ["x", "y"], subtask="options"),
    Example("made-3", "made", "Is it so?", "yes", "yes_no"),
]
BY_ID = {example.id: example for example in EXAMPLES}


def said(example_id: str, text: str, sample: int = 0, prefix: str = "the answer is") -> Completion:
    return Completion(example_id, sample, ["p"], [text], ["stop"], "made", prefix)


ROWS = [
    said("made-0", "So the answer is valid."),
    said("made-0", "So the answer is not clear.", 1),  # CasCoD's code would take it for valid
    said("made-1", "So the answer is invalid, I think."),  # lenient only
    said("made-2", "So the answer is (B) y."),  # the option's text after its letter
    said("made-2", "So the answer is (A). Wait, the answer is (B).", 1),
    said("made-3", "So the answer is Yes."),
    said("made-3", "Yes.", 1),
]


def rounded(**shares: tuple[int, int]) -> dict[str, float]:
    return {name: round(right / n, 4) for name, (right, n) in shares.items()}


def test_numbers_by_hand() -> None:
    numbers = appraise.appraise(ROWS, BY_ID)
    assert numbers.pop("subtasks") == {
        "logic": (
            {"n": 3, "repeated": 0}
            | rounded(
                accuracy=(1, 3), lenient_accuracy=(2, 3), no_answer_rate=(2, 3), accuracy_as_text=(1, 3)
            )
        ),
        "options": (
            {"n": 2, "repeated": 1}
            | rounded(
                accuracy=(1, 2), lenient_accuracy=(1, 2), no_answer_rate=(0, 2), accuracy_as_text=(2, 2)
            )
        ),
    }
    # of made-2 both answers have a vote: the earlier one, which is right, wins; made-1 has none
    assert numbers.pop("majority") == {"accuracy": 0.75, "n": 4}
    assert numbers == {"n": 7, "repeated": 1, "completion_rate": 1.0} | rounded(
        accuracy=(3, 7), lenient_accuracy=(5, 7), no_answer_rate=(3, 7), accuracy_as_text=(4, 7)
    )  # fmt: skip


def test_a_majority_over_samples_and_the_share_that_ended() -> None:
    """Two of three outvote the first, which is right; released texts do not say why they ended."""
    texts = ["the answer is yes", "the answer is no", "the answer is no"]
    rows = [said("made-3", text, sample) for sample, text in enumerate(texts)]
    numbers = appraise.appraise(rows, BY_ID)
    assert (numbers["accuracy"], numbers["majority"]) == (0.3333, {"accuracy": 0.0, "n": 1})
    assert "majority" not in appraise.appraise(rows[:1], BY_ID)
    ends = [["stop"], ["length"], ["unknown"]]
    ended = [replace(row, finish_reasons=end) for row, end in zip(rows, ends, strict=True)]
    assert appraise.appraise(ended, BY_ID)["completion_rate"] == 0.6667
    assert "completion_rate" not in appraise.appraise(ended[2:], BY_ID)


def test_without_subtasks_and_without_rows() -> None:
    assert "subtasks" not in appraise.appraise(ROWS[-2:], BY_ID)
    assert appraise.appraise([], BY_ID) == {"n": 0}
    with pytest.raises(ValueError, match="completion of 'made-9' by made: no such example"):
        appraise.appraise([said("made-9", "x")], BY_ID)


def test_the_command(tmp_path: Path) -> None:
    write_examples(tmp_path / "examples.jsonl", EXAMPLES)
    write_completions(tmp_path / "said.jsonl", ROWS)
    appraise.main(tmp_path / "examples.jsonl", tmp_path / "said.jsonl", tmp_path / "out.json")
    written: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())
    assert written == appraise.appraise(ROWS, BY_ID)


TWICE = f"It looks like (A). {CONCLUSION} (A). But no: y it is. {CONCLUSION} (B)."


def test_answer_and_rationale_part_at_the_last_conclusion() -> None:
    """CasCoD's code cuts at the first one, reads what stands between both, and loses the rest."""
    row = said("made-2", TWICE, prefix=CONCLUSION)
    assert strict_answer(row, EXAMPLES[2]) == "B"
    assert keep_correct([row], BY_ID) == [row]
    assert rationale_of(row) == f"It looks like (A). {CONCLUSION} (A). But no: y it is."
    wrong = said("made-2", TWICE.replace("(B)", "(A)"), prefix=CONCLUSION)
    assert keep_correct([wrong], BY_ID) == []
    assert keep_answered([wrong], BY_ID) == [wrong]
    assert strict_answer(said("made-2", "(B)", prefix=""), EXAMPLES[2]) == "B"
    assert strict_answer(said("made-2", "(B)", prefix=CONCLUSION), EXAMPLES[2]) is None


def test_neither_valid_nor_invalid_is_no_answer() -> None:
    """In CasCoD's code everything without "invalid" is valid."""
    assert keep_answered(ROWS[:2], BY_ID) == ROWS[:1]
    assert keep_correct(ROWS[:2], BY_ID) == ROWS[:1]


@pytest.mark.parametrize(
    "rationale", ["Rationale first.", "nation: a state.", "alone it stands.", ": colon.", "Relation holds."]
)
def test_a_rationale_keeps_its_first_letters(rationale: str) -> None:
    """Python's lstrip("Rationale:") eats every leading letter of that word."""
    [first, _] = cascod.render(
        EXAMPLES[2], [said("made-2", f"{rationale} {CONCLUSION} (B).", prefix=CONCLUSION)], cascod.Settings()
    )
    assert first.segments[1].text == f" {rationale}"
    assert f" {rationale}\n[Answer]" in str(cascod.ask(EXAMPLES[2], [f" {rationale}"], cascod.Settings(), ""))
