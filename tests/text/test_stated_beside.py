r"""What stands beside a stated answer: headings, checks, reasons, softened denials, marks, words in a box."""

# ruff: noqa: RUF001  # signs of all kinds are what is looked for

import pytest

from stages.records.example import Example
from stages.teachers.human import answer_of
from stages.text.answers import read_answer
from stages.text.stated import rationale_before, stated_answer
from stages.text.stated_values import bare

STEPS = "#### Step 1: Count the eggs\n16 - 7 = 9 are left.\n\n#### Step 2: Multiply by the price\n9 * 2 = 18"
HEADINGS = {
    (f"{STEPS}\n\nAnswer: 18", "number"): "18",
    ("#### Analysis\nIt is true.\n\nAnswer: yes", "yes_no"): "yes",
    ("#### Is it true?\nNo.\n\nAnswer: no", "yes_no"): "no",
    ("#### Option A\ngood\n\n#### Option D\nbad\n\nThe answer is B.", "choice"): "B",
    ("#### Final Answer\n8", "number"): "8",
    ("#### Final answer\n\nyajo", "text"): "yajo",
    ("**Final Answer**\nyajo", "text"): "yajo",
    ("Nine and nine.\n#### 1,250\nThat is all.", "number"): "1250",
    ("Nine and nine.\n#### 12 apples", "number"): "12",
    ("#### 1. Count\nso 5\n\n#### 2. Add\nIt makes 7.", "number"): "7",
}
CHECKS = {
    ("The answer is 42, since 42 / 6 = 7.", "number"): "42",
    ("Answer: 42 (check: 42 / 6 = 7)", "number"): "42",
    ("**Answer: 12** (check: 12 + 8 = 20)", "number"): "12",
    ("#### 12 (12 + 8 = 20)", "number"): "12",
    ("The final answer is 6, with n = 3.", "number"): "6",
    ("The answer is 10 when x = 2.", "number"): "10",
    ("Answer: 15 (each pack costs $3, so 15 / 3 = 5 packs)", "number"): "15",
    ("Answer: 5 for each, 2 * 5 = 10", "number"): "5",
    ("Answer: 42 (check: 42/6 = 7)", "latex"): "42",
    (r"The answer is $\frac{3}{4}$, since $3=3$.", "latex"): r"$\frac{3}{4}$",
    # and sums that are the answer
    ("The answer is 3 x 4 = 12.", "number"): "12",
    ("The answer is 3 apples + 4 apples = 7 apples", "number"): "7",
    ("The answer is (3 + 4) x 2 = 14.", "number"): "14",
    ("The answer is x = 5", "number"): "5",
}
DENIALS = {
    ("It cannot be true.", "yes_no"): "no",
    ("The statement would not be true.", "yes_no"): "no",
    ("The statement is not necessarily true.", "yes_no"): "no",
    ("It is no longer true", "yes_no"): "no",
    ("I don't think it is true.", "yes_no"): "no",
    ("Neither is true.", "yes_no"): "no",
    ("It is not only true", "yes_no"): "yes",
    ("I do not think that the statement is false.", "yes_no"): "yes",
    ("The answer is no longer B but C", "choice"): "C",
    ("The answer is not clearly A; it is B.", "choice"): "B",
    ("The answer is not exactly 5, it is 6.", "number"): "6",
    ("It cannot be 5, so it is 6.", "number"): "6",
}
MARKS = {
    ("Answer: 3 + 2 = **5**", "number"): "5",
    ("Answer: 12 × 3 = **36** apples", "number"): "36",
    ("The answer is 3 + 2 = `5`", "number"): "5",
    ('Answer: 3 + 4 = "7"', "number"): "7",
    ("Answer: 3 + 4 = $7$", "number"): "7",
    ("Answer: 3 + 4 ≈ 7", "number"): "7",
    ("Answer: 3 + 4 equals 7", "number"): "7",
    ("Answer: √16 = 4", "number"): "4",
    ("Answer: St. Louis", "text"): "St. Louis",
    ("Answer: Dr. Smith. He knows.", "text"): "Dr. Smith",
    ("Answer: U.S. President", "text"): "U.S. President",
    ("Answer: two dozen", "number"): "24",
    ("Answer: 3 dozen eggs", "number"): "36",
}
PIECES = {(rf"\boxed{{{term}}}", "number"): None for term in (r"\sqrt{4}", r"2\sqrt{3}", r"\log_2 8")} | {
    (r"\boxed{\frac{\sqrt{3}}{2}}", "number"): None,
    ("Answer: 2π", "number"): None,
    ("Answer: √16", "number"): None,
}
WORDS = {
    (rf"\boxed{{{words}}}", "latex"): words
    for words in (r"\text{Evelyn}", r"\text{no solution}", r"\textbf{Monday}", r"(3,\text{odd})")
} | {("Answer: Evelyn", "latex"): "Evelyn", ("Answer: it is hard to say here", "latex"): None}
UNSPACED = {
    ("答案是12。", "number"): "12",
    ("答えは12です。", "number"): "12",
    ("**共12个**", "number"): "12",
    ("答案是5万。", "number"): None,
    ("正确答案是B。", "choice"): "B",
    ("The answer is AB.", "choice"): None,
}


@pytest.mark.parametrize(
    ("said", "answer"),
    [*(HEADINGS | CHECKS | DENIALS | MARKS | PIECES | WORDS | UNSPACED).items()],
)
def test_what_is_stated(said: tuple[str, str], answer: str | None) -> None:
    text, answer_type = said
    assert stated_answer(text, answer_type, ["w", "x", "y", "z"]) == answer


@pytest.mark.parametrize("said", ["not deductively valid", "not logically valid", "cannot be valid"])
def test_a_softened_denial_is_no_legal_answer(said: str) -> None:
    assert stated_answer(f"The argument is {said}.", "exact", ["valid", "invalid"]) is None


def test_headings_are_part_of_the_rationale() -> None:
    assert rationale_before(f"{STEPS}\n\nAnswer: 18") == STEPS


def test_a_rationale_with_headings_has_the_gold_answer() -> None:
    for rationale, answer in (("#### Step 1\nIt is\n#### Step 2\n4.", "4"), ("It is\n#### 3", "3")):
        assert answer_of(Example("made-0", "made", "5 - 1?", "4", "number", rationale=rationale)) == answer


def test_words_in_latex_are_read_as_they_are_trained() -> None:
    for reader in ("kojima", "marked", "stated"):
        assert read_answer(r" \text{Evelyn}.", "", "latex", (), reader).strict in (r"\text{Evelyn}", "Evelyn")


def test_a_full_stop_of_full_width_is_none_of_the_answer() -> None:
    assert bare("東京。") == "東京"
