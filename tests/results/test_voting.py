"""Several samples of a question, against all subsets and all orders of them."""

import random
from itertools import combinations, permutations
from math import comb, prod

import pytest
from toy_cell import EXAMPLES, prediction

from stages.records.completion import Completion
from stages.records.example import Example
from stages.results.metrics import grade, rates
from stages.results.voting import (
    at_k,
    count_votes,
    majority,
    majority_correct,
    majority_odds,
    pass_at,
    reported_sizes,
    winning_odds,
)
from stages.text.answers import is_correct

TOY = Example("toy-0", "toy", "?", "1", "number")


@pytest.mark.parametrize(
    ("n", "wanted"),
    [(1, [1]), (2, [1, 2]), (5, [1, 2, 4, 5]), (16, [1, 2, 4, 8, 16]), (30, [1, 2, 4, 8, 16, 30])],
)
def test_sizes(n, wanted):
    assert reported_sizes(n) == wanted


@pytest.mark.parametrize(("n", "right"), [(n, right) for n in range(1, 9) for right in range(n + 1)])
def test_pass_at_is_the_share_of_subsets_with_a_right_sample(n, right):
    marks = [1] * right + [0] * (n - right)
    for k in range(1, n + 1):
        subsets = [max(subset) for subset in combinations(marks, k)]
        assert pass_at(k, n, right) == pytest.approx(sum(subsets) / len(subsets), abs=1e-15)


def test_pass_at_of_many_samples():
    """The product form of Chen et al. 2021, and no overflow; one right sample of n is found k times in n."""
    for n, right, k in ((200, 3, 100), (200, 199, 1), (1000, 5, 10), (10_000, 1, 2500)):
        product = 1 - prod(1 - k / i for i in range(n - right + 1, n + 1))
        assert pass_at(k, n, right) == pytest.approx(product, rel=1e-12)
    assert pass_at(2500, 10_000, 1) == 0.25
    assert pass_at(5, 10, 0) == 0
    assert pass_at(5, 10, 6) == 1


@pytest.mark.parametrize(
    ("answers", "answer_type", "winner"),
    [
        (["1", "2", "2"], "number", "2"),
        (["1", "2", "2.0", "1,000", "1000", "1000.0"], "number", "1,000"),  # equal numbers vote together
        (["2", "1", "1", "2"], "number", "2"),  # a tie goes to the earliest
        ([None, None, "B"], "choice", "B"),  # abstentions do not vote
        ([None, None], "choice", None),
        ([], "text", None),
    ],
)
def test_majority(answers, answer_type, winner):
    assert majority(answers, answer_type) == winner


def test_majority_votes_in_sample_order():
    rows = [
        prediction(7, "--> 9", 2),
        prediction(7, "--> 8", 1),
        prediction(7, "--> 9", 3),
        prediction(7, "--> 8", 0),
    ]
    assert majority_correct(grade(rows, EXAMPLES), EXAMPLES) == {"toy-7": True}  # 2 to 2, sample 0 says 8


def tied_share(answers, example) -> float:
    """The chance that the vote of just these is right, a tie by lot."""
    counts = count_votes(answers, example.answer_type)
    best = [answer for answer in counts if counts[answer] == max(counts.values())]
    right = sum(is_correct(answer, example.answer, example.answer_type) for answer in best)
    return right / len(best) if best else 0.0


def random_answers(rng: random.Random, n: int) -> list[str | None]:
    return [rng.choice([None, "1", "1.0", "2", "3", "3.00", "4"]) for _ in range(n)]


@pytest.mark.parametrize("seed", range(40))
def test_majority_at_is_the_mean_over_all_subsets(seed):
    rng = random.Random(seed)
    answers = random_answers(rng, rng.randint(1, 9))
    odds = majority_odds(answers, TOY)
    for k in range(1, len(answers) + 1):
        subsets = [tied_share(list(subset), TOY) for subset in combinations(answers, k)]
        assert odds[k] == pytest.approx(sum(subsets) / len(subsets), abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_a_tie_by_lot_is_the_mean_of_earliest_wins_over_all_orders(seed):
    """So maj@k belongs to the `majority` behind `majority_accuracy`, whose order is that of the samples."""
    answers = random_answers(random.Random(seed), 6)
    for k in range(1, 6):
        orders = [is_correct(majority(order, "number"), "1", "number") for order in permutations(answers, k)]
        assert majority_odds(answers, TOY)[k] == pytest.approx(sum(orders) / len(orders), abs=1e-12)


def test_the_odds_of_all_answers_add_up():
    """Somebody wins unless all k are silent."""
    counts, silent = (7, 5, 5, 3, 1, 1), 8
    odds = [
        winning_odds(size, tuple(sorted(counts[:i] + counts[i + 1 :])), silent)
        for i, size in enumerate(counts)
    ]
    for k in range(31):
        assert sum(odd[k] for odd in odds) == pytest.approx(1 - comb(silent, k) / comb(30, k), abs=1e-12)


def test_large_votes_by_hand():
    assert winning_odds(64, (), 0)[1:].tolist() == [1.0] * 64
    assert winning_odds(32, (32,), 0)[1:] == pytest.approx([0.5] * 64)  # symmetry
    assert winning_odds(1, (), 63)[64] == 1
    assert winning_odds(1, (), 63)[16] == pytest.approx(16 / 64)
    assert winning_odds(3, tuple([1] * 7), 0)[1] == pytest.approx(0.3)
    assert winning_odds(300, (299, 1), 100)[700] == pytest.approx(1)


def test_at_k():
    """avg@k = pass@1 = maj@1 for every k; any-of-n and self-consistency stand at n."""
    examples = {f"toy-{row}": Example(f"toy-{row}", "toy", "?", str(row), "number") for row in range(3)}
    said = {"toy-0": "0010", "toy-1": "1234", "toy-2": "7x77"}  # x: no answer
    rows = [
        Completion(name, sample, ["q"], ["?" if answer == "x" else f"--> {answer}"], ["stop"], "tiny", "-->")
        for name, answers in said.items()
        for sample, answer in enumerate(answers)
    ]
    random.Random(0).shuffle(rows)
    graded = grade(rows, examples)
    numbers = at_k(graded, examples)
    assert list(numbers) == ["1", "2", "4"]
    assert rates(graded)["accuracy"] == pytest.approx(4 / 12)
    assert numbers["1"] == pytest.approx({"pass": 4 / 12, "majority": 4 / 12})
    assert numbers["4"] == pytest.approx({"pass": 2 / 3, "majority": (1 + 1 / 4 + 0) / 3})
    # toy-0: three of six pairs are 00, three tie; toy-1: three of six pairs hold the 1, each ties
    assert numbers["2"] == pytest.approx(
        {"pass": (1 + 1 / 2 + 0) / 3, "majority": ((3 + 1.5) / 6 + 1.5 / 6 + 0) / 3}
    )


def test_yes_and_letters_vote_too():
    example = Example("c-0", "c", "?", "B", "choice", ["x", "y", "z"])
    assert majority_odds(["A", "B", "B", None], example) == pytest.approx(
        [0, 2 / 4, (1 + 2 * 0.5 + 2 * 1) / 6, (1 + 2 * 0.5 + 1) / 4, 1]
    )


MIXED = ["50", "50", "50\\%", "0.5"]


@pytest.mark.parametrize("order", sorted({*permutations(MIXED)}))
def test_a_vote_does_not_depend_on_the_order_of_the_samples(order: tuple[str, ...]) -> None:
    """50\\% equals both others, which do not equal each other: it is counted with the more frequent one."""
    votes = count_votes([*order, "7", None], "latex")
    assert votes == {"50": 3, "0.5": 1, "7": 1}
    assert majority(["7", *order], "latex") == "50"


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        (["0.5", "50\\%", "50"], {"0.5": 2, "50": 1}),  # as many each: with the earlier
        (["50", "50\\%", "0.5"], {"50": 2, "0.5": 1}),
        (["50\\%", "50\\%", "0.5"], {"50\\%": 3}),
        (["\\frac12", "0.5", "50\\%"], {"\\frac12": 3}),
        (["1", "2"], {"1": 1, "2": 1}),
    ],
)
def test_what_equals_two_answers_joins_one(answers: list[str], wanted: dict[str, int]) -> None:
    votes = count_votes(answers, "latex")
    assert votes == wanted
    assert [*votes] == [*wanted]
