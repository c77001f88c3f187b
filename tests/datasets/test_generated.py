"""The generated data sets, checked by solvers that read questions in another way than the generators do."""

import json
import random
import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest, chisquare
from solvers import FRAME_WORDS, SIZES, SOLVERS, make, solve_coin_flip

from stages.parsing import generated
from stages.parsing.generated import SHORT_NAMES, phrasing_pattern, read_slots
from stages.records.example import Example, write_examples


@pytest.mark.parametrize("seed", [0, 1, 99])
@pytest.mark.parametrize(("dataset", "size"), SIZES)
def test_answers_are_those_of_an_independent_solver(
    tmp_path: Path, dataset: str, size: dict[str, int], seed: int
) -> None:
    examples = make(tmp_path, dataset, seed=seed, **size)
    assert [example.answer for example in examples] == [
        SOLVERS[dataset](example.question) for example in examples
    ]


@pytest.mark.parametrize("dataset", SOLVERS)
def test_rows_are_complete_and_different(tmp_path: Path, dataset: str) -> None:
    examples = make(tmp_path, dataset, questions=500)
    assert [example.id for example in examples] == [f"{dataset}-{row}" for row in range(500)]
    assert len({example.question for example in examples}) == 500
    answer_type = {"gen_last_letter": "text", "gen_coin_flip": "yes_no", "gen_shuffled_objects": "choice"}[
        dataset
    ]
    for example in examples:
        assert (example.dataset, example.answer_type, example.rationale, example.source_split) == (
            dataset,
            answer_type,
            None,
            None,
        )
        assert example.question == example.question.strip()
        assert 50 <= len(example.question) <= 260  # a small student reads them


def test_choices_are_the_objects_in_the_order_of_their_letters(tmp_path: Path) -> None:
    for example in make(tmp_path, "gen_shuffled_objects", people=5, swaps=5):
        assert example.choices is not None
        assert example.question.endswith(
            " Answer Choices: "
            + " ".join(f"({'ABCDE'[i]}) {choice}." for i, choice in enumerate(example.choices))
        )
        assert len(set(example.choices)) == 5
        assert all(example.question.count(choice) == 2 for choice in example.choices)


@pytest.mark.parametrize("dataset", SOLVERS)
def test_the_seed_decides_every_byte(tmp_path: Path, dataset: str) -> None:
    for name, seed in [("a", 5), ("b", 5), ("c", 6)]:
        write_examples(tmp_path / f"{name}.jsonl", make(tmp_path / name, dataset, seed=seed))
    first, again, other = ((tmp_path / f"{name}.jsonl").read_bytes() for name in "abc")
    assert first == again
    assert first != other
    assert (
        len(
            {e.question for e in make(tmp_path / "a", dataset, seed=5)}
            & {e.question for e in make(tmp_path / "c", dataset, seed=6)}
        )
        < 10
    )


@pytest.mark.parametrize("dataset", SOLVERS)
def test_fewer_questions_are_the_first_of_more(tmp_path: Path, dataset: str) -> None:
    assert make(tmp_path, dataset, questions=30) == make(tmp_path, dataset, questions=300)[:30]


@pytest.mark.parametrize("dataset", SOLVERS)
def test_every_phrasing_occurs_and_is_read_back(tmp_path: Path, dataset: str) -> None:
    module, examples = import_module(f"stages.datasets.{dataset}"), make(tmp_path, dataset, questions=400)
    counts = Counter(example.template for example in examples)
    assert set(counts) == set(module.PHRASINGS)
    assert len(counts) >= 8
    assert min(counts.values()) >= 20
    for example in examples:
        assert [
            name
            for name, text in module.PHRASINGS.items()
            if phrasing_pattern(text).fullmatch(example.question)
        ] == [example.template]


@pytest.mark.parametrize("template", sorted(import_module("stages.datasets.gen_coin_flip").PHRASINGS))
def test_yes_and_no_are_about_as_many_in_every_phrasing(tmp_path: Path, template: str) -> None:
    answers = [
        example.answer
        for example in make(tmp_path, "gen_coin_flip", questions=4000)
        if example.template == template
    ]
    assert binomtest(answers.count("yes"), len(answers), 0.5).pvalue > 1e-4


def test_choice_letters_are_equally_frequent(tmp_path: Path) -> None:
    counts = Counter(example.answer for example in make(tmp_path, "gen_shuffled_objects", questions=3000))
    assert sorted(counts) == ["A", "B", "C"]
    assert chisquare(list(counts.values())).pvalue > 1e-4


def test_names_are_short_different_and_plain() -> None:
    names = import_module("stages.datasets.gen_last_letter").NAMES
    assert len(names) == len(set(names)) >= 300
    assert all(re.fullmatch(r"[A-Z][a-z]{2,7}", name) for name in names)
    assert len(SHORT_NAMES) == len(set(SHORT_NAMES)) >= 40
    assert all(re.fullmatch(r"[A-Z][a-z]{1,3}", name) for name in SHORT_NAMES)
    assert not FRAME_WORDS & {*names, *SHORT_NAMES}


@pytest.mark.parametrize(
    ("dataset", "settings", "complaint"),
    [
        ("gen_last_letter", {"words": 1}, r"`datasets.gen_last_letter.words`.*got 1"),
        ("gen_last_letter", {"words": "3"}, r"letter.words`.*got '3'"),
        (
            "gen_last_letter",
            {"people": 3},
            r"letter.people`: unknown key; legal keys: questions, seed, words",
        ),
        ("gen_coin_flip", {"questions": 0}, r"flip.questions`.*got 0"),
        ("gen_coin_flip", {"people": 13}, r"flip.people`.*got 13"),
        ("gen_shuffled_objects", {"people": 1}, r"objects.people`.*got 1"),
        ("gen_shuffled_objects", {"swaps": 0}, r"objects.swaps`.*got 0"),
    ],
)
def test_wrong_settings_are_named(
    tmp_path: Path, dataset: str, settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        make(tmp_path, dataset, **settings)


def test_settings_that_are_no_json_or_absent_are_named(tmp_path: Path) -> None:
    parse = import_module("stages.datasets.gen_coin_flip").parse
    with pytest.raises(FileNotFoundError, match=r"settings\.json"):
        parse(tmp_path)
    (tmp_path / "settings.json").write_text("{questions: 3}")
    with pytest.raises(ValueError, match=r"settings\.json: not JSON"):
        parse(tmp_path)


def test_more_questions_than_there_are_is_an_error(tmp_path: Path) -> None:
    def draw(rng: random.Random, settings: generated.DrawSettings) -> Example:
        return Example("", "dice", f"What comes after {rng.randint(1, 6)}?", "?", "text")

    (tmp_path / "settings.json").write_text('{"questions": 6, "seed": 0}')
    assert {
        example.id for example in generated.generate_examples(tmp_path, "dice", generated.DrawSettings, draw)
    } == {f"dice-{row}" for row in range(6)}
    (tmp_path / "settings.json").write_text('{"questions": 7, "seed": 0}')
    with pytest.raises(ValueError, match="dice: found 6 different questions, wanted 7"):
        generated.generate_examples(tmp_path, "dice", generated.DrawSettings, draw)


@pytest.mark.parametrize(
    ("question", "phrasings", "wanted"),
    [
        ("Is a b?", {"one": "Is {x} {y}?", "two": "Was {x}?"}, {"x": "a", "y": "b"}),
        ("Is a a?", {"one": "Is {x} {x}?"}, {"x": "a"}),
        ("(1+1) is a.", {"one": "(1+1) is {x}."}, {"x": "a"}),
    ],
)
def test_read_finds_the_slots(question: str, phrasings: dict[str, str], wanted: dict[str, str]) -> None:
    assert read_slots(question, phrasings) == wanted


@pytest.mark.parametrize(
    ("question", "phrasings", "fits"),
    [
        ("Who?", {"one": "Is {x}?"}, 0),
        ("Is a b?", {"one": "Is {x} {x}?"}, 0),
        ("Is a b? Yes.", {"one": "Is {x} {y}?"}, 0),
        ("Is a b?", {"one": "Is {x}?", "two": "Is {x} b?"}, 2),
    ],
)
def test_read_refuses_what_fits_no_phrasing_or_several(
    question: str, phrasings: dict[str, str], fits: int
) -> None:
    with pytest.raises(ValueError, match=f"fits {fits} phrasings"):
        read_slots(question, phrasings)


@pytest.mark.parametrize("dataset", SOLVERS)
def test_demonstrations_are_right_and_use_other_names(dataset: str) -> None:
    module = import_module(f"stages.datasets.{dataset}")
    shown = (
        (Path(generated.__file__).parent / "../datasets" / f"{dataset}.txt")
        .read_text(encoding="utf-8")
        .rstrip()
        .split("\n\n")
    )
    assert len(shown) == 4
    templates = set()
    for text in shown:
        found = re.fullmatch(r"Q: (.+)\nA: (.+) The answer is (.+)\.", text)
        assert found, text
        question, reasoning, answer = found.groups()
        assert answer.strip("()") == SOLVERS[dataset](question)
        assert module.facts(question)  # in a phrasing of the dataset
        templates |= {
            name
            for name, phrasing in module.PHRASINGS.items()
            if phrasing_pattern(phrasing).fullmatch(question)
        }
        known = getattr(module, "NAMES", SHORT_NAMES)
        assert not set(re.findall(r"[A-Z][a-z]+", question + reasoning)) & set(known)
    assert len(templates) == 4


@pytest.mark.parametrize("people", [1, 3, 7])
def test_contrast_pairs_differ_in_one_act_and_in_the_answer(people: int, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"questions": 60, "seed": 5, "people": people}))
    examples = import_module("stages.datasets.gen_coin_contrast").parse(tmp_path)
    assert [example.id for example in examples] == [f"gen_coin_contrast-{i}" for i in range(120)]
    for original, contrast in zip(examples[::2], examples[1::2], strict=True):
        assert (original.subtask, contrast.subtask, original.pair) == ("original", "contrast", contrast.pair)
        assert [solve_coin_flip(example.question) for example in (original, contrast)] == [
            original.answer,
            contrast.answer,
        ]
        assert original.answer != contrast.answer
        turns = [
            len(re.findall(r"\b(?:flips|turns|gives)\b", example.question))
            for example in (original, contrast)
        ]
        assert abs(turns[0] - turns[1]) == 1
    assert {example.answer for example in examples[::2]} == {"yes", "no"}
    assert len({example.pair for example in examples}) == 60
