"""Readers: the same texts by the published rule, by the method's own mark, and as they state their answer."""

# ruff: noqa: RUF001  # signs of all kinds are what is tested

import pytest

from stages.text.answers import Reading, read_answer
from stages.text.stated import rationale_before

FOUR = ["w", "x", "y", "z"]


@pytest.mark.parametrize(
    ("text", "prefix", "kojima", "marked", "stated"),
    [
        ("2 + 3 = 5. --> 5", "-->", "5", "5", "5"),
        # the published rule takes the first number behind the first mark
        ("so --> 12 apples, he gave 4 away.", "-->", "12", "12", "4"),
        ("a --> 3, then b --> 4", "-->", "3", "4", "4"),
        # forms that it does not know
        ("it is --> −5", "-->", "5", "-5", "-5"),
        ("it is --> 1.5 million", "-->", "1.5", "1500000", "1500000"),
        ("it is --> 3/4", "-->", "3", "0.75", "0.75"),
        ("it is --> twenty-one", "-->", None, "21", "21"),
        # without the mark
        ("The answer is **7**.", "-->", None, None, "7"),
        # thoughts
        ("<think>--> 3</think>so --> 4", "-->", "3", "4", "4"),
        # "": the text is the answer
        (" 12 of the 20 pens he had.", "", "12", "12", "12"),
        ("The answer is 5 or 6.", "answer is", "5", None, None),
        ("so --> ", "-->", None, None, None),
    ],
)
def test_numbers(text: str, prefix: str, kojima: str | None, marked: str | None, stated: str | None) -> None:
    read = [
        read_answer(text, prefix, "number", (), reader).strict for reader in ("kojima", "marked", "stated")
    ]
    assert read == [kojima, marked, stated]
    assert read_answer(text, prefix, "number") == read_answer(text, prefix, "number", (), "kojima")


@pytest.mark.parametrize(
    ("text", "kojima", "marked", "stated"),
    [
        ("Answer: C", "A", "C", "C"),
        ("Answer: b", "A", "B", "B"),
        ("Answer: not (A) but (B)", "A", "B", "B"),
        ("Answer: (A) or (B)", "A", None, None),
    ],
)
def test_choices(text: str, kojima: str, marked: str | None, stated: str | None) -> None:
    """By the published rule without a mark the word "Answer" is A."""
    assert read_answer(text, "", "choice", FOUR).strict == kojima
    assert read_answer(text, "Answer:", "choice", FOUR, "marked").strict == marked
    assert read_answer(text, "", "choice", FOUR, "stated").strict == stated


def test_how_readers_say_that_an_answer_is_introduced() -> None:
    assert read_answer("I think 5.", "-->", "number", (), "marked") == Reading(None, "5", False)
    assert read_answer("I think 5.", "-->", "number", (), "stated") == Reading("5", "5", False)
    assert read_answer("Answer: 5", "-->", "number", (), "stated") == Reading("5", "5", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She has 3*4 = 12. The answer is 12.", "She has 3*4 = 12."),
        ("Tom has 12. He gave 4.\n\nAnswer: 8", "Tom has 12. He gave 4."),
        ("Add them.\n\n### Final Answer\n\n\\[\n\\boxed{7}\n\\]", "Add them."),
        ("So it is 3.\n**Final Answer:** 73 dollars", "So it is 3."),
        ("Two and three.\n#### 5", "Two and three."),
        ("<think>hm</think>Two and three. So the answer is 5.", "Two and three."),
        # the answer comes first: there is nothing to learn before it
        ("Answer: C\n\nBecause A and B are wrong.", ""),
        ("The answer is 5.", ""),
        # nothing announces it, or bold within the reasoning
        ("He had 12 and gave 4. So he has 8.", "He had 12 and gave 4. So he has 8."),
        ("12 - 4 = **8** apples.", "12 - 4 = **8** apples."),
        ("", ""),
    ],
)
def test_rationales(text: str, expected: str) -> None:
    assert rationale_before(text) == expected


def test_rationales_of_hostile_texts_come_to_an_end() -> None:
    for piece in ("\\boxed{", "the answer is ", "<think>", "**", "# \n", "\\[\n", ". ", "\n\n"):
        rationale_before(piece * 5_000)
