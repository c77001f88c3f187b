"""The template miner: what is masked, what is joined, and how its groups meet the published splits."""

import json
import random
from collections import Counter, defaultdict
from itertools import combinations, pairwise
from math import sqrt
from pathlib import Path
from typing import Any

import pytest

from stages.corpus.templates import (
    SIMILAR,
    STOCK,
    drop_stock,
    find_names,
    mask_rows,
    mine_templates,
    skeletons,
    split_last,
    split_question,
)

ZERO_SHOT_COT = "github/kojima-takeshi188/zero_shot_cot/5ef330fcdeec0cd26aee27943504f91f8ec1c33c/dataset"
SPLITS = "github/itsnamgyu/reasoning-teacher/a2ca4d28d3bbabbd77106b76d06885d1a5eac0d9/data/split"

NAMES = ("Ann", "Boris", "Chen", "Dalia", "Emre", "Fatou", "Goran", "Hana")
FRAMES = (
    (
        "{a} keeps {n} hens and {m} ducks behind the barn. If {k} of the birds fly away, how many birds are"
        " still there?"
    ),
    (
        "A train leaves with {n} travellers on board. At the next stop {m} get off and {k} get on. How many"
        " travellers ride on with {a}?"
    ),
    (
        "{a} and {b} paint fences. A fence takes {n} hours alone and they have {m} fences to do. For how long"
        " do both of them work in {k} yards?"
    ),
    (
        "Each shelf of the library holds {n} atlases. {a} fills {m} shelves and then lends {k} atlases to"
        " {b}. How many stay on the shelves?"
    ),
    (
        "Every morning {a} walks {n} miles to the harbour to buy {m} crates of fish for {b} at ${k} a crate."
        " What does a week of fish cost?"
    ),
)


def frame_rows(count: int, seed: int) -> tuple[list[str], list[int]]:
    """(questions, frame of each): every frame with other names and numbers."""
    draw = random.Random(seed)
    frames = [row % len(FRAMES) for row in range(count)]

    def number() -> str:
        return draw.choice(
            [str(draw.randint(2, 99)), f"{draw.randint(1, 9)},{draw.randint(100, 999)}", "seven", "12.5"]
        )

    questions = []
    for frame in frames:
        first, second = draw.sample(NAMES, 2)
        questions.append(FRAMES[frame].format(a=first, b=second, n=number(), m=number(), k=number()))
    return questions, frames


def partition(labels: list[int]) -> set[frozenset[int]]:
    groups = defaultdict(set)
    for row, label in enumerate(labels):
        groups[label].add(row)
    return {frozenset(group) for group in groups.values()}


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("Ann has $3.50, or 1,200 cents.", ["Ann", "has", "$3.50", "or", "1,200", "cents", "."]),
        ("It was Sept. 1st, 2021 a week ago.", ["It", "was", "Sept. 1st, 2021", "a", "week", "ago", "."]),
        ("Today is 3/11/2002. Go?", ["Today", "is", "3/11/2002", ".", "Go", "?"]),
        ("Mary 14 and March 14", ["Mary", "14", "and", "March 14"]),
        ("Which? Answer Choices: (A) one (B) two", ["Which", "?"]),
        ("Which?\nOptions:\n(A) one\n(B) two", ["Which", "?"]),
        ("The options: few.", ["The", "options", "few", "."]),
        ("Zoë's 3rd élan", ["Zoë", "s", "3rd", "élan"]),
        ("", []),
    ],
)
def test_tokens(question: str, wanted: list[str]) -> None:
    assert split_question(question) == wanted


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["Whitney flips it.", "Ka flips it."], {"Whitney", "Ka"}),  # never in lower case
        (["Will runs to Will.", "Will he? He will."], set()),  # as often in lower case as inside sentences
        (["Today is Rose Day.", "Is it today?"], {"Rose", "Day"}),
        (["How many?", "Would she?"], set()),  # function words
        (["A rose for Rose and Rose."], {"Rose"}),
    ],
)
def test_find_names(texts: list[str], names: set[str]) -> None:
    assert find_names([split_question(text) for text in texts]) == names


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Ann Lee gave her 3 of Boris's ten eggs.", "NAME gave PRONOUN NUMBER of NAME s NUMBER eggs ."),
        ("Jan 2, 1958 and 4/19/1969", "NUMBER and NUMBER"),
        ("He said it had had 5 5 6.", "PRONOUN said it had had NUMBER ."),
    ],
)
def test_mask(text: str, wanted: str) -> None:
    assert " ".join(mask_rows([split_question(text)], {"Ann", "Lee", "Boris"})[0]) == wanted


def test_split_last() -> None:
    assert split_last(list("ab.cd?")) == (tuple("ab."), tuple("cd?"))
    assert split_last(list("abc")) == ((), tuple("abc"))
    assert split_last([]) == ((), ())


@pytest.mark.parametrize(("texts", "dropped"), [(STOCK - 1, False), (STOCK, True)])
def test_a_last_sentence_after_many_texts_is_no_part_of_the_template(texts: int, dropped: bool) -> None:
    rows = [[letter, ".", "when", "?"] for letter in "abcdefghij"[:texts]] * 2
    assert drop_stock(rows) == [row[:2] if dropped else row for row in rows]


def test_a_sole_sentence_is_never_dropped() -> None:
    assert drop_stock([["why", "?"]] * 9) == [["why", "?"]] * 9


@pytest.mark.parametrize("seed", range(3))
def test_questions_of_one_frame_are_one_group(seed: int) -> None:
    questions, frames = frame_rows(60, seed)
    assert partition(mine_templates(questions)) == partition(frames)


def test_stock_questions_after_few_frames_make_groups_of_the_frames() -> None:
    stems = [
        "{} left on Jan {}, 1990.",
        "It rained for {1} days when {0} wed.",
        "{} owes the baker {} coins since May.",
        "Only {} saw {} owls.",
        "{1} flags hung at {0}.",
    ]
    asks = [
        "What day is it today?",
        "What day was it before the weekend?",
        "Which day follows that one in the calendar?",
    ]
    rows = [
        (stem, f"{stems[stem].format(NAMES[ask], 3 + ask)} {asks[ask]}")
        for stem in range(5)
        for ask in range(3)
    ]
    assert partition(mine_templates([question for _, question in rows])) == partition(
        [stem for stem, _ in rows]
    )


@pytest.mark.parametrize("seed", range(5))
def test_order_of_rows_changes_nothing(seed: int) -> None:
    questions, _ = frame_rows(40, 0)
    questions += ["Is the moon older than the sea?", "Could a giraffe sleep in a lift?", questions[3]]
    order = list(range(len(questions)))
    random.Random(seed).shuffle(order)
    groups = mine_templates(questions)
    assert mine_templates([questions[row] for row in order]) == [groups[row] for row in order]


def test_groups_are_numbered_by_their_first_skeleton() -> None:
    questions, _ = frame_rows(20, 1)
    first: dict[int, str] = {}
    for group, skeleton in zip(mine_templates(questions), skeletons(questions), strict=True):
        first[group] = min(skeleton, first.get(group, skeleton))
    assert sorted(first) == list(range(len(first)))
    assert sorted(first, key=lambda group: first[group]) == sorted(first)


@pytest.mark.parametrize(
    ("questions", "groups"),
    [
        ([], []),
        (["Why?"], [0]),
        ([""], [0]),
        (["", "Why not?", ""], [0, 1, 0]),
        (["ja", "nein"], [0, 1]),
        (["Ja", "Nein"], [0, 0]),
    ],
)
def test_small_inputs(questions: list[str], groups: list[int]) -> None:
    assert mine_templates(questions) == groups


def test_groups_are_the_connected_components_of_similar_skeletons() -> None:
    draw = random.Random(7)
    words = [f"{letter}{letter}" for letter in "abcdefgh"]
    base = [[draw.choice(words) for _ in range(14)] for _ in range(6)]
    rows = []
    for _ in range(80):  # near copies of a few texts, some near enough and some not
        row = list(draw.choice(base))
        for _ in range(draw.randint(0, 2)):
            row[draw.randrange(14)] = draw.choice(words)
        rows.append(" ".join(row))
    pairs = [set(pairwise(["", *row.split(), ""])) for row in rows]
    parent = list(range(len(rows)))

    def root(row: int) -> int:
        return row if parent[row] == row else root(parent[row])

    for one, two in combinations(range(len(rows)), 2):
        if len(pairs[one] & pairs[two]) / sqrt(len(pairs[one]) * len(pairs[two])) >= SIMILAR:
            parent[root(one)] = root(two)
    wanted = partition([root(row) for row in range(len(rows))])
    assert 3 < len(wanted) < 60
    assert partition(mine_templates(rows)) == wanted


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def straddlers(groups: list[int], parts: dict[str, list[int]]) -> int:
    train, test = ({groups[row] for row in parts[part]} for part in ("train", "test"))
    return len(train & test)


def test_multiarith_meets_the_published_template_split(mirror: Path) -> None:
    parts = read_json(mirror / SPLITS / "multiarith__template.json")
    rows = read_json(mirror / ZERO_SHOT_COT / "MultiArith/MultiArith.json")
    groups = mine_templates([row["sQuestion"] for row in rows])
    sizes = Counter(groups).values()
    assert straddlers(groups, parts) == 0
    assert (len(sizes), min(sizes), max(sizes)) == (120, 2, 8)
    assert len({groups[row] for row in parts["train"]}) == 84
    assert len({groups[row] for row in parts["test"]}) == 36


def test_date_meets_the_published_template_split(mirror: Path) -> None:
    parts = read_json(mirror / SPLITS / "date_understanding__template.json")
    rows = read_json(mirror / ZERO_SHOT_COT / "Bigbench_Date/task.json")["examples"]
    groups = mine_templates(
        [f"{row['input']} Answer Choices: (A) {' '.join(row['target_scores'])}" for row in rows]
    )
    by_hand = [row["input"].split("What is the date")[0] for row in rows]
    texts = sorted(set(by_hand))
    wanted = partition([texts.index(text) for text in by_hand])
    assert len(wanted) == 41
    assert straddlers(groups, parts) <= 2
    assert len(wanted & partition(groups)) >= 37  # 90 % exactly
    assert all(any(group <= mined for mined in partition(groups)) for group in wanted)  # pair recall 1


def test_coin_flip_and_last_letter_are_one_template_each(mirror: Path) -> None:
    for name in ("coin_flip", "last_letters"):
        rows = read_json(mirror / ZERO_SHOT_COT / name / f"{name}.json")["examples"]
        assert set(mine_templates([row["question"] for row in rows])) == {0}
