"""Stated: forms and neighbours, by kind, that were once read wrongly."""

# ruff: noqa: RUF001  # signs of all kinds are what is tested

import pytest

from stages.text.answers import is_correct
from stages.text.stated import rationale_before, stated_answer
from stages.text.thoughts import split_thoughts

FOUR = ["w", "x", "y", "z"]
ANIMALS = ["a dog", "a cat", "a hot dog", "the bird"]
PLACES = ["mall", "cinema", "park", "theatre", "home"]


@pytest.mark.parametrize(
    ("answer_type", "text", "choices", "expected"),
    [
        # thoughts
        ("number", "◁think▷maybe 4◁/think▷5", [], "5"),
        ("number", "<seed:think>maybe 4</seed:think>5", [], "5"),
        ("number", "<think >4</think >\n8", [], "8"),
        (
            "number",
            "<|begin_of_thought|>4<|end_of_thought|><|begin_of_solution|>8<|end_of_solution|>",
            [],
            "8",
        ),
        # minus
        ("number", "Answer: ‒7", [], "-7"),
        ("number", "The answer is ‐7", [], "-7"),
        ("number", "It is ‑7.", [], "-7"),
        ("number", "minus twelve", [], "-12"),
        ("number", "The answer is negative twelve.", [], "-12"),
        ("number", "The temperature is minus three degrees.", [], "-3"),
        # groups
        ("number", "1 234 567,89", [], "1234567.89"),
        ("number", "Total: 12.500,75 euros", [], "12500.75"),
        ("number", "12ʼ345", [], "12345"),
        ("number", "12٬345", [], "12345"),
        ("number", "It is 2,500 in 2021.", [], "2500"),
        ("number", "The answer is 1,5.", [], "1.5"),
        ("number", "12 345,5", [], "12345.5"),
        # forms
        ("number", "The answer is 2⁄5.", [], "0.4"),
        ("number", "3 and 1/2", [], "3.5"),
        ("number", "three and a half", [], "3.5"),
        ("number", "a half", [], "0.5"),
        ("number", "half", [], "0.5"),
        ("number", "five sevenths", [], "0.7142857142857143"),
        ("number", "two ninths", [], "0.2222222222222222"),
        ("number", "3k", [], "3000"),
        ("number", "$2.5bn", [], "2500000000"),
        ("number", "half a million", [], "500000"),
        ("number", "2**10", [], "1024"),
        ("number", "3.2*10**4", [], "32000"),
        ("number", "ninety‑nine", [], "99"),
        ("number", "\\boxed{\\cfrac{1}{2}}", [], "0.5"),
        ("number", "\\boxed{3 \\frac12}", [], "3.5"),
        ("number", "The answer is 8. This answer is correct.", [], "8"),
        ("number", "The answer is 8.\n\nQ: Tom has 3. How many?\nA: The answer is 3.", [], "8"),
        ("number", "The answer is 8.\n\nQuestion: Tom has 3.\nAnswer: 3", [], "8"),
        # hedges
        ("choice", "The answer is (B) cinema or (D) theatre.", PLACES, None),
        ("choice", "The answer is either (B) cinema or (D) theatre.", PLACES, None),
        ("choice", "The answer is B or possibly D.", PLACES, None),
        ("choice", "The answer is B, or maybe D.", PLACES, None),
        ("choice", "The answer is (B) cinema and (D) theatre.", PLACES, None),
        ("choice", "The answer is B; D", PLACES, None),
        ("choice", "The answer is B as well as D.", PLACES, None),
        ("choice", "The answer is the cinema or the theatre.", PLACES, None),
        ("choice", "The answer is (B) cinema, or (D) theatre.", PLACES, None),
        ("choice", "The answer is (B) going out to the cinema or (D) to the theatre", PLACES, None),
        ("choice", "I'd say B, though D is possible.", PLACES, "B"),
        ("choice", "I'd say B, but D is also possible.", PLACES, "B"),
        ("choice", "The answer is not A or D but B.", PLACES, "B"),
        ("choice", "Not A or C. B.", PLACES, "B"),
        ("choice", "A and C are wrong, so B.", PLACES, "B"),
        ("choice", "Eliminate A, C and D; that leaves B.", PLACES, "B"),
        ("choice", "It can't be A, C or D, so it is B.", PLACES, "B"),
        ("yes_no", "**Yes** and **no**", [], None),
        ("yes_no", "Yes or possibly no.", [], None),
        ("number", "The answer is 5 apples or 6 apples.", [], None),
        ("number", "The answer is 5 and 6.", [], None),
        ("number", "The answer is 5, or possibly 6.", [], None),
        ("number", "The answer is 5, maybe 6.", [], None),
        ("number", "The answer is between 5 apples and 6 apples.", [], None),
        ("date", "The answer is 05/04/2021 or 05/05/2021.", [], None),
        ("date", "The answer is May 4, 2021 or May 5, 2021.", [], None),
        ("date", "either 05/04/2021 or 05/05/2021", [], None),
        ("text", 'The answer is "ab" or "cd".', [], None),
        ("text", "The answer is **ab** or **cd**.", [], None),
        ("text", 'The answer is "ab", not "cd".', [], "ab"),
        ("text", 'The answer is not "ab" but "cd".', [], "cd"),
        ("exact", "The argument is valid or invalid.", ["valid", "invalid"], None),
        ("exact", "The argument is not valid.", ["valid", "invalid"], None),
        # options in numbers
        ("choice", "The answer is twelve.", ["10", "12"], "B"),
        # letters
        ("choice", "(A) no: too small\n(B) yes, it fits\n(C) no: too large", FOUR, None),
        # cut where it says it once more
        ("choice", "At the end Ann has red: (B). The answer is (B). The answer is (", FOUR, "B"),
        ("choice", "The answer is (B). The answer is", FOUR, "B"),
        ("choice", "The answer is (B).\n\n**Answer: **(", FOUR, "B"),
        ("choice", "Ann has red: (B). The answer is (", FOUR, "B"),
        ("choice", "(A) or (B)? The answer is (", FOUR, None),
        ("number", "The answer is $8. The answer is $", [], "8"),
        ("number", "The answer is 8. The answer is \\(", [], "8"),
        ("text", 'The answer is yajo. The answer is "', [], "yajo"),
        ("text", "The answer is ] ).", [], "] )"),
        ("choice", "(A) w is wrong.\n(B) x is wrong.\n(C) y is right.\n(D) z is wrong.", FOUR, "C"),
        # option texts
        ("choice", "dark-red", ["red", "blue", "green", "dark red"], None),
        ("choice", "The answer is apple", ["an apple", "a pear"], "A"),
        ("choice", "don’t know", ["don't know", "yes"], "A"),
        # yes/no
        ("yes_no", "I have no idea.", [], None),
        ("yes_no", "Y", [], "yes"),
        ("yes_no", "N", [], "no"),
        ("yes_no", "The answer is no. This answer is correct.", [], "no"),
        (
            "yes_no",
            "The answer is yes. The reasoning behind this answer is that nothing forbids it.",
            [],
            "yes",
        ),
        ("yes_no", "The answer is yes. Let's see why the answers are as they are.", [], "yes"),
        # text
        ("text", "‹yajo›", [], "yajo"),
        ("text", "『yajo』", [], "yajo"),
        ("text", "<answer>yajo</answer>", [], "yajo"),
        ("text", "- yajo", [], "yajo"),
        ("text", "• yajo", [], "yajo"),
        ("text", "# yajo", [], "yajo"),
        ("text", "> yajo", [], "yajo"),
        ("text", "Concatenating gives us yajo.", [], "yajo"),
        ("text", 'So, the result is "yajo" from the words "Tanya Marco".', [], "yajo"),
        ("text", 'The concatenated letters of "Tanya Marco" is yajo.', [], "yajo"),
        ("text", "We get: yajo\n\nLet me know if you need help with anything else!", [], "yajo"),
        ("text", '"y + a = ya"', [], "ya"),
        ("text", "The answer is yajo. Q: Join the letters of Mia Vito. A: The answer is ao.", [], "yajo"),
        ("text", "The answer is R. Q: Which letter is lower?", [], "R"),
        ("text", "This results in yajo.", [], "yajo"),
        ("text", "we end up with yajo.", [], "yajo"),
        ("text", "the string becomes yajo", [], "yajo"),
        (
            "text",
            "D - o - r - g - i - l - e - n - t - o - g - i - l - m",
            [],
            None,
        ),
        # dates
        ("date", "05 / 04 / 2021", [], "05/04/2021"),
        ("date", "May the 4th, 2021", [], "05/04/2021"),
        ("date", "2021 May 4", [], "05/04/2021"),
        ("date", "Today is 05/01/2021. In three days it will be 05/04/2021.", [], "05/04/2021"),
        ("date", "May 4,2021", [], "05/04/2021"),
        ("date", "The answer is 05\\/04\\/2021", [], "05/04/2021"),
        # latex
        ("latex", "\\boxed{\\text{18 dollars}}", [], "18"),
        ("latex", "\\boxed{7} $\\boxed{}$ \\boxed{\\,}", [], "7"),
        ("latex", "\\boxed{2\\frac{1}{2} \\text{ hours}}", [], "2.5"),
        ("latex", "\\boxed{12{,}500 \\text{ people}}", [], "12500"),
        ("latex", "\\boxed{€50}", [], "50"),
        # declines
        ("yes_no", "There is no answer.", [], None),
        # numbers in context
        ("number", "The answer is 14 = 2 * 7", [], "14"),
        ("number", "The answer is 13? No, 14.", [], "14"),
        # choices in context
        ("choice", "I would eliminate A and D. Between B and C, B is better.", FOUR, "B"),
        ("choice", "Of B and C, the better one is C.", FOUR, "C"),
        ("choice", "I pick b", FOUR, "B"),
        ("choice", "A|B", FOUR, None),
        ("choice", "A+B", FOUR, None),
        ("choice", "A, B and C", FOUR, None),
        ("choice", "all but D", FOUR, None),
        ("choice", "anything but D", FOUR, None),
        ("choice", "a dog, not a cat", ANIMALS, "A"),
        ("choice", "not a dog but a cat", ANIMALS, "B"),
        # yes no in context
        ("yes_no", "True or False: True", [], "yes"),
        ("yes_no", "Yes or no? No.", [], "no"),
        ("yes_no", "Is it false? Yes.", [], "yes"),
        ("yes_no", "Yes/No: No", [], "no"),
        ("yes_no", "Yes, but also no.", [], None),
        ("yes_no", "He has no apples.", [], None),
        # dates in context
        ("date", "May 2 , 2021", [], "05/02/2021"),
        ("date", "2-May-21", [], "05/02/2021"),
        # texts in context
        ("text", "y a j o -> yajo", [], "yajo"),
        ("text", "yajo\n\nExplanation: the last letters.", [], "yajo"),
        ("text", '"yajo" is the answer.', [], "yajo"),
        ("text", "yajo is the answer.", [], "yajo"),
        ("text", "\\boxed{\\texttt{yajo}}", [], "yajo"),
        ("text", "$\\text{yajo}$", [], "yajo"),
        ("text", "(yajo)", [], "yajo"),
        ("text", "[yajo]", [], "yajo"),
        ("text", "The answer is yajo, which are the last letters.", [], "yajo"),
        ("text", "The answer is yajo because y, a, j and o end them.", [], "yajo"),
        # short steps of the reasoning are no answer
        ("number", "He has 3. He buys 4. So he has 7.", [], "7"),
        ("number", "Tom sold 3.\nMia sold 4.\nTogether they sold 7.", [], "7"),
        ("number", "5 apples. He has 3 and buys 2.", [], "5"),
        ("choice", "Dark red. It is darker than red.", ["red", "blue", "green", "dark red"], "D"),
        # a number with a unit that says the first one anew
        ("number", "The answer is 2 hours or 120 minutes.", [], "2"),
        ("number", "If you have 3 and buy 4, you have 7.", [], "7"),
    ],
)
def test_forms(answer_type: str, text: str, choices: list[str], expected: str | None) -> None:
    found = stated_answer(text, answer_type, choices)
    assert found is None if expected is None else is_correct(found, expected, answer_type)


@pytest.mark.parametrize(
    ("text", "choices", "expected"),
    [
        ("The answer is B, not A or D.", PLACES, "B"),
        ("The answer is B because A or D would be too far.", PLACES, "B"),
        ("The answer is (B) cinema, since the mall and the park are closed.", PLACES, "B"),
        ("The answer is B, although D is close.", PLACES, "B"),
        ("The answer is B. D is possible, too.", PLACES, "B"),
        ("While D is tempting, the answer is B.", PLACES, "B"),
        ("B over D", PLACES, "B"),
        ("The answer is B or 'cinema'.", PLACES, "B"),
        ("The answer is A, B is wrong.", PLACES, "A"),
        ("The answer is not A, B.", PLACES, "B"),
        ("a dog, not a cat", ANIMALS, "A"),
        ("not a dog but a cat", ANIMALS, "B"),
        ("The answer is dog", ANIMALS, "A"),
    ],
)
def test_one_beside_which_another_is_mentioned(text: str, choices: list[str], expected: str) -> None:
    assert stated_answer(text, "choice", choices) == expected


@pytest.mark.parametrize("first", ["(B)", "B", "(b)", "(B) cinema", "the cinema", "**B**"])
@pytest.mark.parametrize("second", ["(D)", "D", "(d)", "(D) theatre", "the theatre", "**D**"])
@pytest.mark.parametrize(
    "joined", [" or ", " and ", " or possibly ", ", or maybe ", " as well as ", ", possibly "]
)
@pytest.mark.parametrize("before", ["The answer is ", "The answer is either ", "Answer: both "])
def test_two_options_side_by_side_are_no_answer(first: str, second: str, joined: str, before: str) -> None:
    assert stated_answer(f"{before}{first}{joined}{second}.", "choice", PLACES) is None
    assert stated_answer(f"{before}{first}, not {second}.", "choice", PLACES) == "B"


@pytest.mark.parametrize(
    ("text", "said", "thoughts"),
    [
        ("[THINK]a[/THINK]b", "b", "a"),
        ("◁think▷a◁/think▷b", "b", "a"),
        ("<seed:think>a</seed:think>b", "b", "a"),
        ("<|begin_of_thought|>a<|end_of_thought|>b", "b", "a"),
        ("<think >a</think >b", "b", "a"),
        ("[think] of a number < 3", "[think] of a number < 3", ""),
    ],
)
def test_marks_of_thoughts(text: str, said: str, thoughts: str) -> None:
    assert split_thoughts(text) == (said, thoughts)


@pytest.mark.parametrize(
    "behind",
    [
        "",
        " I hope this helps!",
        "\n\nLet me know if you need help with anything else!",
        "\n\nQ: Tom has 3. How many?\nA: The answer is 3.",
        " Q: Tom has 3. The answer is 3.",
    ],
)
def test_what_stands_behind_an_answer_is_not_learnt(behind: str) -> None:
    text = "She has 3 + 5 = 8. So the answer is 8." + behind
    assert stated_answer(text, "number") == "8"
    assert rationale_before(text) == "She has 3 + 5 = 8."
