"""Mathematical answers: finding and comparing them, the gold answers of the competitions, and threads."""

import threading
from itertools import pairwise
from pathlib import Path

import pytest

from stages.records.jsonl import read_rows
from stages.results.voting import majority
from stages.text.answers import Reading, is_correct, read_answer
from stages.text.mathematics import (
    LONGEST,
    equal_latex,
    find_answer,
    is_unwieldy,
    last_box,
    lenient_latex,
    parse_answer,
    strict_latex,
)

QWEN = "github/QwenLM/Qwen2.5-Math/a45202bd16f1ec06f433442dc1152d0074773465/evaluation/data"


@pytest.mark.parametrize(
    ("text", "box"),
    [
        (r"so \boxed{3}", "3"),
        (r"\boxed{1} or rather \boxed{\frac{1}{2}}. done}", r"\frac{1}{2}"),
        (r"\boxed{7} and \boxed{8", "7"),  # cut off
        (r"\fbox{4} \boxed {5}", "5"),
        (r"\boxed{1 + \boxed{2}}", "2"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"{ \boxed{6} } }", "6"),
        (r"\boxed{}", ""),
        ("boxed{3}", None),
        ("", None),
    ],
)
def test_last_box(text: str, box: str | None) -> None:
    assert last_box(text) == box


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        (" 204", "204", "204"),
        (" **204**.", "204", "204"),
        (r"We add: $2+2=4$, so \boxed{4}. Check: 5", "4", "4"),
        (r"\boxed{12\text{ km}}", r"12\text{ km}", r"12\text{ km}"),
        (" so 12 pens", "12", "12"),
        (r" $\frac{1}{2}$" + "\nand 7 more", r"$\frac{1}{2}$", "7"),
        (" 1,3,5.", "1,3,5", "1,3,5"),
        (" 1,3,5\nnot 1,3", "1,3,5", "1.3"),  # amid other text the library takes the comma for a point
        (" .5", ".5", ".5"),
        (" nothing is known", None, None),
        ("1+" * 600, None, None),
        ("", None, None),
        (r"the answer is \boxed{}", None, None),
        (" -->", None, None),
    ],
)
def test_finding(text: str, strict: str | None, lenient: str | None) -> None:
    assert strict_latex(text) == ([] if strict is None else [strict])
    assert lenient_latex(text) == ([] if lenient is None else [lenient])


@pytest.mark.parametrize(
    ("text", "prefix", "expected"),
    [
        ("2+2 --> 4", "-->", Reading("4", "4", True)),
        (r"It is \boxed{4}.", "-->", Reading("4", "4", True)),  # a box needs no prefix
        (r"2 --> 5, no: \boxed{4}", "-->", Reading("4", "4", True)),
        ("It is 4.", "-->", Reading(None, "4", False)),
        ("It is four.", "-->", Reading(None, None, False)),
    ],
)
def test_reading(text: str, prefix: str, expected: Reading) -> None:
    assert read_answer(text, prefix, "latex") == expected


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        ("025", "25", True),
        ("3,159", "3159", True),
        ("27.0", "27", True),
        ("26", "27", False),
        ("0.5", r"$\frac{1}{2}$", True),
        (r"\dfrac12", r"$\frac{1}{2}$", True),
        ("0.333", r"\frac{1}{3}", False),
        ("2(n-1)", "$2n-2$", True),
        ("2n-1", "$2n-2$", False),
        ("2x", "$f(x)=2x$", True),
        ("1", "k=1", True),
        ("5, 3, 1", "1,3,5", True),  # a list has no order
        (r"\{1,3,5\}", "1,3,5", True),
        ("1,3", "1,3,5", False),
        ("1.5", "1,5", False),
        (r"8,69", "$8$,$69$", True),
        ("(4,2)", "(2,4)", False),  # a tuple has one
        ("(2,4)", "$(2,4)$", True),
        (r"45^\circ", "45", True),
        (r"12\text{ km}", "12", True),
        (r"62.5\%", "62.5%", True),
        ("0.625", "62.5%", True),
        ("(-\\infty, 0) \\cup \\{1\\}", "$(-\\infty, 0) \\cup\\{1\\}$.", True),
        (r"\text{no solution}", "no solution", True),
        ("0", "$f(x)=a x+b$, where $b$ is an arbitrary integer with 0", False),
        ("?", "7", False),
        ("(1,2)", "1<x<2", True),  # an interval answers a gold inequality
        ("1<x<2", "(1,2)", False),  # and not the other way round
    ],
)
def test_comparing(answer: str, gold: str, equal: bool) -> None:
    assert equal_latex(answer, gold) is equal
    assert is_correct(answer, gold, "latex") is equal
    assert not is_correct(None, gold, "latex")


def test_a_text_that_never_ended_is_not_read() -> None:
    """Sums of ones and plus signs: of LONGEST - 1 and of LONGEST + 1 characters."""
    short = "1" + "+1" * (LONGEST // 2 - 1)
    long = short + "+1"
    assert len(short) <= LONGEST < len(long)
    assert strict_latex(short) == [short]
    assert equal_latex(short, str(LONGEST // 2))
    assert strict_latex(long) == strict_latex(rf"\boxed{{{long}}}") == []
    assert not equal_latex(long, str(LONGEST // 2 + 1))


def test_equal_answers_vote_together() -> None:
    assert majority(["7", r"\frac{1}{2}", "0.5", None, "7", r"\frac{2}{4}"], "latex") == r"\frac{1}{2}"


def test_what_takes_too_long_is_not_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.text.mathematics.SECONDS", 1)
    monkeypatch.setattr("stages.text.mathematics.is_unwieldy", lambda text: False)
    parse_answer.cache_clear()
    assert not equal_latex("9^{9^{9^9}}", "7")
    parse_answer.cache_clear()


UNWIELDY = [
    "9^{9^{9}}",
    "9^9^9^9",
    "10^{10^{8}}",
    "2^{1000000}",
    "99^99999999",
    "100000!",
    "((9!)!)!",
    "(10^{10})!",
    r"\binom{100000000}{50000000}",
    r"\sum_{i=1}^{100000000} i^{50}",
    "(" * 400 + "1" + ")" * 400,
]


@pytest.mark.parametrize("text", UNWIELDY)
def test_what_cannot_be_computed_is_compared_as_text(text: str) -> None:
    """9^{9^{9}} has 370 million digits: nothing is handed to the library, which would compute it."""
    assert strict_latex(rf"\boxed{{{text}}}") == [text]
    assert parse_answer(text) == (text,)
    assert not equal_latex(text, "7")
    assert equal_latex(text, text)


@pytest.mark.parametrize(
    "text",
    ["2^{2^{10}}", "2^{2019}", "3^{10000}", "10^{-5}", "1^{99999999}", "x^{n^{2}}", "2019!", "n! m!", "10^6"],
)
def test_what_can_be_computed_is(text: str) -> None:
    assert not is_unwieldy(text)


def test_a_line_that_cannot_be_computed_hides_no_other() -> None:
    assert find_answer("9^{9^{9}} is large,\nso it is $12$") == ["12"]
    assert find_answer("it is $9^{9^{9}}$") == []


def test_unclosed_boxes_are_looked_through_once() -> None:
    """Not once for each: 100 kB of them took 45 seconds, a megabyte would take an hour."""
    assert last_box(r"\boxed{" * 150_000) is None
    assert last_box("{" * 100_000 + r"\boxed{5}") == "5"


def test_another_thread_reads_and_compares_too() -> None:
    """The library's time limit works in the main thread only; elsewhere it has to be switched off."""
    results: list[object] = []
    parse_answer.cache_clear()

    def work() -> None:
        results.append(strict_latex(r"\boxed{3n}"))
        results.append(equal_latex("n+n", "2n"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == [["3n"], True]


@pytest.mark.parametrize(("name", "rows"), [("aime24", 30), ("amc23", 40), ("olympiadbench", 675)])
def test_gold_answers_are_read_in_a_box_and_equal_themselves(name: str, rows: int, mirror: Path) -> None:
    golds = [
        row["final_answer"][0] if "final_answer" in row else str(row["answer"])
        for row in read_rows(mirror / QWEN / name / "test.jsonl")
    ]
    assert len(golds) == rows
    for gold in golds:
        reading = read_answer(rf"... so the answer is \boxed{{{gold.replace('$', '')}}}.", "-->", "latex")
        assert is_correct(reading.strict, gold, "latex"), gold
        assert is_correct(reading.lenient, gold, "latex"), gold
    text_only = [gold for gold in golds if all(isinstance(found, str) for found in parse_answer(gold))]
    assert len(text_only) == {"aime24": 0, "amc23": 0, "olympiadbench": 2}[name]
    neighbours = list(pairwise(golds))
    assert sum(equal_latex(after, gold) for gold, after in neighbours) == sum(
        parse_answer(after)[0] == parse_answer(gold)[0] for gold, after in neighbours
    )
