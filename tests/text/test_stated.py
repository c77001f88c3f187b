"""Stated: texts as today's models write them, by kind; what is passed on the way is never read."""

# ruff: noqa: RUF001  # signs of all kinds are what is tested

import pytest

from stages.text.answers import is_correct
from stages.text.finders import lenient_exact
from stages.text.mathematics import boxes
from stages.text.stated import stated_answer
from stages.text.thoughts import split_thoughts

FOUR = ["w", "x", "y", "z"]
COLOURS = ["red", "blue", "green", "dark red"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # thoughts
        ("<think>maybe 3, no 4</think>\n\nThe answer is 5.", "5"),
        ("<think>4? 6?</think>7", "7"),
        ("8 then 9\n</think>\n\n10", "10"),
        ("<think>The answer is 5", None),
        ("<THINKING>1</THINKING> 2", "2"),
        # where it is stated
        ("\\boxed{3} and so \\boxed{7}.", "7"),
        ("\\boxed{7} and \\boxed{}", "7"),
        ("\\boxed{\\$18}", "18"),
        ("\\boxed{\\text{18 dollars}}", "18"),
        ("She has 3*4=12.\n#### 1,250\n", "1250"),
        ("**Final Answer:** 73 dollars", "73"),
        ("Final answer:\n\n**42**", "42"),
        ("### Answer\nThe answer to the question is **9**", "9"),
        ("Therefore, Tom has **15 apples** left of 20.", "15"),
        ("He had 12 apples and gave 4 away, so he now has 8.", "8"),
        ("The answer is 8 apples of the 12.", "8"),
        ("The answer is 3 x 4 = 12.", "12"),
        ("First the answer is 3. No: the answer is 4.", "4"),
        # what is none
        ("The answer is 5 or 6.", None),
        ("If 40 children got on, there should be more than 2. Please check the problem.", None),
        ("Jill has 7 - 18 = -11 peaches. Since that is negative, this scenario is not possible.", None),
        ("He had 9 crackers in the box. We need more information. So the answer depends on it.", None),
        ("The difference is -11868. There must be an error in the question.", None),
        # what is not possible on the way, or said with a sign
        ("She has -3 peaches, which is not possible. Therefore, Jake has 2 + 3 = 5 more.", "5"),
        ("He sold 2 fewer. The answer is -2.", "-2"),
        ("He has a debt. The answer is -$293.", "-293"),
        ("Answer:\n- 5 apples", "5"),
        ("The answer is 1.4 million.", "1400000"),
        ("I cannot say.", None),
        ("", None),
        # other forms of numbers
        ("about 3.5e4 grams", "35000"),
        ("The answer is twenty-one.", "21"),
        # a price or a rate
        ("The answer is $15/hour.", "15"),
        ("Answer: 20/hr", "20"),
        ("Answer: 9/h", "9"),
        ("So he has 3 left. Answer: $18.00/hour", "18"),
        ("The speed is 60 miles/hour.", "60"),
        ("Answer: 1/x", None),
        ("Answer: 3/4/5", None),
        # what is left to be worked out
        ("Answer: 3 + 4", None),
        ("The answer is $20 - $5", None),
        ("Answer: 4-2", None),
        ("Answer: 9 × 3", None),
        ("Answer: 0.1+0.2", None),
        ("The answer is \\frac{1}{2}+\\frac{1}{4}", None),
        ("He has 3 + 4.", None),
        ("He has 3 + 4 = 7.", "7"),
        ("Day 2 - 14 km", "14"),
        ("Answer: 18\n- 5 eggs\n- 13 more", "18"),
        ("Answer: 18 - that is 20 minus 2.", "18"),
        ("1. Mia has 3.\n2. Tom has 4.\n\nTogether they have 7 pens.", "7"),
    ],
)
def test_numbers(text: str, expected: str | None) -> None:
    assert stated_answer(text, "number") == expected


@pytest.mark.parametrize(
    ("text", "choices", "expected"),
    [
        # letters in their forms
        ("b", FOUR, "B"),
        ("(c", FOUR, "C"),
        ("b) four", FOUR, "B"),
        ("option b", FOUR, "B"),
        ("answer: b", FOUR, "B"),
        ("Answer: C", FOUR, "C"),
        ("Ｂ", FOUR, "B"),
        ("A train leaves. The answer is C: y", FOUR, "C"),
        ("D.\n\nIt would take A and B 21 minutes.", FOUR, "D"),
        # the one that is meant
        ("No number fits: none of the answer choices satisfy all, so there might be an error.", FOUR, None),
        ("None of the answer choices match exactly, but (b) x is the closest.", FOUR, "B"),
        ("The only option that fits is (b) x, since the other options are odd.", FOUR, "B"),
        ("So the answer is not listed.", FOUR, None),
        ("The answer is A, C, or D", FOUR, None),
        ("The answer is not (A) but (B).", FOUR, "B"),
        ("The answer is (A) or (B).", FOUR, None),
        ("(A) is too long and (B) too short.", FOUR, None),
        ("(B)", ["C", "D", "B", "A"], "B"),
        # an option by its whole text
        ("(a) (a + b)(a - b)", ["(a + b)(a - b)", "(a - b)2", "a3 + b3"], "A"),
        ("The correct answer is **D) dark red**.", COLOURS, "D"),
        ("Therefore, the correct choice is dark red.", COLOURS, "D"),
        ("It is red at first. In the end it is green.", COLOURS, "C"),
        ("The answer is none of the above.", FOUR, None),
        ("The answer is none of the above.", ["w", "x", "y", "None of the above"], "D"),
        # options that are numbers
        ("The answer is 1,300.", ["300", "1300", "13", "3"], "B"),
        ("1.500", ["1", "1.5"], "B"),
        ("−4", ["4", "-4"], "B"),
        ("The answer is 3.25", ["3", "25", "5", "7"], None),
        ("so x = -4", ["4", "7"], None),
        ("It is 1/2.", ["2", "5"], None),
        ("It is 2,500.", ["2", "500", "7"], None),
        ("x = 7.25", ["25", "7"], None),
        ("-12", ["12", "15"], None),
        # letters that other alphabets fold to
        ("the sun", ["the ſun", "moon"], "A"),
        ("ınvalid", ["valid", "invalid"], "B"),
    ],
)
def test_choices(text: str, choices: list[str], expected: str | None) -> None:
    assert stated_answer(text, "choice", choices) == expected


@pytest.mark.parametrize(
    ("text", "answer_type", "expected"),
    [
        ("<think>no?</think>\nYes", "yes_no", "yes"),
        ("False.", "yes_no", "no"),
        ("Yes. Because no one knows.", "yes_no", "yes"),
        ("The answer is true", "yes_no", "yes"),
        ("That is not true.", "yes_no", "no"),
        ("**No**, it is not.", "yes_no", "no"),
        ("It is known to be unknown.", "yes_no", None),
        ("No, it is not possible to ski there in August.", "yes_no", "no"),
        ("So the answer is yes and no, depending on the context.", "yes_no", None),
        ("There is no information about it. So the answer is unknown.", "yes_no", None),
        ("**yajo**", "text", "yajo"),
        ("“yajo”", "text", "yajo"),
        ("&quot;yajo&quot;", "text", "yajo"),
        ("_yajo_", "text", "yajo"),
        ("‘yajo’", "text", "yajo"),
        ('The last letters of each word make "yajo".', "text", "yajo"),
        ("1. Mia - a\n2. Leo - o\n\nPutting them together, we get: ao", "text", "ao"),
        ("Sure!\n\nConcatenate them: a + o = ao", "text", "ao"),
        ("2021/05/01", "date", "05/01/2021"),
        ("2021.05.01", "date", "05/01/2021"),
        ("Today is 05/01/2021, so the answer is May 4, 2021.", "date", "05/04/2021"),
        ("\\boxed{7} and \\boxed{}", "latex", "7"),
        ("The number is **73**. Final Answer: **73**", "latex", "73"),
    ],
)
def test_other_types(text: str, answer_type: str, expected: str | None) -> None:
    found = stated_answer(text, answer_type)
    assert found == expected or is_correct(found, str(expected), answer_type)


def test_few_legal_answers() -> None:
    legal = ["valid", "invalid"]
    assert stated_answer("The argument is Invalid.", "exact", legal) == "invalid"
    assert stated_answer("The answer is: valid", "exact", legal) == "valid"
    assert stated_answer("I do not know.", "exact", legal) is None
    # a letter that the pattern takes for an i
    assert stated_answer("The argument is \u0131nvalid.", "exact", legal) == "invalid"
    assert lenient_exact("\u0131nvalid, then VAL\u0130D", legal) == ["invalid", "valid"]


@pytest.mark.parametrize(
    ("text", "said", "thoughts"),
    [
        ("a<think>b</think>c<think>d</think>e", "ace", "bd"),
        ("a<think>b", "a", "b"),
        ("b</think>c", "c", "b"),
        ("a<think>b<think>c</think>d", "ad", "bc"),
        ("<THINKING>\nb\n</THINKING>c", "c", "b"),
        ("2 < 3 and 3 > 2", "2 < 3 and 3 > 2", ""),
    ],
)
def test_thoughts(text: str, said: str, thoughts: str) -> None:
    assert split_thoughts(text) == (said, thoughts)


def test_hostile_texts_come_to_an_end() -> None:
    """Each took minutes by a rule that looks at everything behind every place."""
    for piece in ("\\boxed{", "the answer is ", "<think>", "**", "1 ", "- ", "9", "(A) ", "\n\n"):
        stated_answer(piece * 5_000, "number")
        stated_answer(piece * 5_000, "choice", FOUR)
    assert not list(boxes("\\boxed{" * 5_000))
