"""Wording: what the words of a question are, and which questions share all of them or eight in a row."""

import random
from dataclasses import replace

import pytest
from toy_cell import sums

from stages.corpus.wording import NONE, Wording, plain, shared_wording, wording, words_of
from stages.parsing.fields import with_choices, with_options
from stages.records.example import Example


def questions(*texts: str, choices: list[str] | None = None) -> list[Example]:
    made = zip(sums(len(texts)), texts, strict=True)
    return [replace(example, question=text, choices=choices) for example, text in made]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Is it so?", "is it so"),
        ("  IS it — “so” …", "is it so"),
        ("Ｈｅ paid ½", "he paid 1 2"),  # noqa: RUF001 - wide letters and a fraction: NFKC
        ("a_b c-d", "a b c d"),
        ("What is \N{MINUS SIGN}5 plus (7 - 3)?", "what is - 5 plus ( 7 - 3 )"),
        ("x^2-4", "x ^ 2 - 4"),
        ("$x^2 = \\frac{1}{3}$", "x ^ 2 = frac { 1 } { 3 }"),
        ("( [ < > ] )", "( [ < > ] )"),
        ("not ( True )", "not ( true )"),
        ("🤡🔫", "🤡 🔫"),
        ("?!...", ""),
    ],
)
def test_words(text: str, words: str) -> None:
    assert words_of(plain(text)) == words


RED_BLUE = frozenset({"red", "dark blue"})


@pytest.mark.parametrize(
    ("question", "choices", "asked"),
    [
        (with_options("Which one?", ["Red", "dark blue"]), ["Red", "dark blue"], RED_BLUE),
        (with_choices("Q: Which one?", ["dark blue", "red"]), ["dark blue", "red"], RED_BLUE),
        (
            with_choices("Which one? \nWhich choice is true ?", ["red.", "dark blue."]),
            ["red.", "dark blue."],
            RED_BLUE,
        ),
        ("Question: Which one?\nOPTIONS:\n- yes\n- no", None, frozenset()),
        ("Which one", None, frozenset()),
    ],
)
def test_labels_and_options_are_left_out(
    question: str, choices: list[str] | None, asked: frozenset[str]
) -> None:
    (example,) = questions(question, choices=choices)
    assert wording(example) == Wording("which one", asked)


@pytest.mark.parametrize("seed", range(3))
def test_shared_wording_is_what_brute_force_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of two letters' words: many runs of eight in common, some whole texts; in portions of seven."""
    monkeypatch.setattr("stages.corpus.wording.PORTION", 7)
    rng = random.Random(seed)
    texts = [" ".join(rng.choices("ab", k=rng.randrange(13))) for _ in range(90)]
    train, test = texts[:30], texts[30:]

    def grams(text: str) -> list[tuple[str, ...]]:
        words = text.split()
        return [tuple(words[place : place + 8]) for place in range(len(words) - 7)]

    def first(there: list[bool]) -> int:
        return there.index(True) if any(there) else NONE

    found = shared_wording(questions(*train), questions(*test))
    equal = [first([bool(text) and text == other for other in train]) for text in test]
    known = [
        next((gram for gram in grams(text) if any(gram in grams(one) for one in train)), None)
        for text in test
    ]
    ngram = [first([gram in grams(other) for other in train]) for gram in known]
    assert found.equal.tolist() == equal
    assert found.ngram.tolist() == ngram
    assert 0 < equal.count(NONE) < len(test)
    assert 0 < ngram.count(NONE) < len(test)


def test_options_count_where_both_have_some() -> None:
    """The same ones in another order are the same question; "Which is sarcastic?" is asked of many."""
    asked = "Which is sarcastic?"
    train = questions(with_options(asked, ["yes, sure", "no"]), choices=["yes, sure", "no"])
    turned = questions(with_choices(asked, ["No", "Yes: sure"]), choices=["No", "Yes: sure"])
    other = questions(with_options(asked, ["yes", "never"]), choices=["yes", "never"])
    assert shared_wording(train, [*turned, *other, *questions(asked)]).equal.tolist() == [0, NONE, 0]
    assert shared_wording(questions(asked), [*turned, *other]).equal.tolist() == [0, 0]


def test_a_gram_stands_in_one_question() -> None:
    train = questions("a b c d", "e f g h", "b c d e f g h i")
    assert shared_wording(train[:2], questions("a b c d e f g h")).ngram.tolist() == [NONE]
    assert shared_wording(train, questions("a b c d e f g h i")).ngram.tolist() == [2]
    assert shared_wording([], questions("a")).equal.tolist() == [NONE]
    assert shared_wording(train, []).ngram.tolist() == []


@pytest.mark.parametrize(
    "text", ["Concept: peace. Question: Which?", "Two options: go or stay?", "Is Q: a word?"]
)
def test_what_is_no_label_and_no_list_stays(text: str) -> None:
    (example,) = questions(text)
    assert wording(example).words == words_of(plain(text))
