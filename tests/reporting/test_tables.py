"""Tables: how numbers are printed, and which shares no number of questions gives."""

import pytest

from stages.reporting.lines import Line
from stages.reporting.spec import Item, printed_numbers, read_paper
from stages.reporting.tables import (
    fitting_counts,
    impossible_ours,
    impossible_printed,
    is_possible,
    line_texts,
    nearest_share,
)
from stages.reporting.values import Value

OURS = {"dataset": "a", "split": "sample", "method": "fine_tune", "student": "tiny", "decoding": "greedy"}
CELL = {**dict.fromkeys(("teacher", "curation", "target", "simulator", "variant"), ""), **OURS}


def test_possible_percentages_are_those_that_counting_prints() -> None:
    for n in (1, 7, 111, 150, 278):
        for decimals in (1, 2):
            printed = {f"{100 * right / n:.{decimals}f}" for right in range(n + 1)}
            for tenth in range(0, 100 * 10**decimals + 1, 7):
                percent = tenth / 10**decimals
                assert is_possible(percent, n, decimals) or f"{percent:.{decimals}f}" not in printed
                off = min(abs(100 * right / n - percent) for right in range(n + 1))
                assert is_possible(percent, n, decimals) == (off <= 0.5 / 10**decimals + 1e-9)
    assert nearest_share(12.84, 111) == (14, pytest.approx(12.6126, abs=1e-4))
    with pytest.raises(ValueError, match="share of 0 questions"):
        is_possible(50, 0, 1)


def test_fine_tune_cot_prints_shares_of_other_questions_than_its_test_part() -> None:
    """All twelve of the teacher; Few-shot-CoT on Date and StrategyQA, which fit 109 and 684 questions."""
    looked, rows = impossible_printed(read_paper("ft"))
    table1 = [row for row in rows[1:] if row[0].startswith("Table 1,")]
    assert sum(row[1] == "Teacher 175B" for row in table1) == 12
    few = {(row[2], row[5]) for row in rows[1:] if row[1].startswith("Few-shot-CoT")}
    assert few == {("Date", "109"), ("StrategyQA", "684")}
    assert (looked, len(rows) - 1) == (794, 20)
    scotd = impossible_printed(read_paper("scotd"))
    cascod = impossible_printed(read_paper("cascod"))
    assert (scotd[0], cascod[0]) == (50, 56)
    assert fitting_counts([12.84, 19.27, 16.51], 111, 2) == [109]
    assert cascod[1][1:] == []
    assert {row[2] for row in scotd[1][1:]} == {"QuaRel"}


def test_table_3b_of_scotd_prints_shares_of_its_questions() -> None:
    """Its 30 numbers stand by panel, and are not among the 50 that are looked at; n is Table 3a's."""
    items = read_paper("scotd").items
    printed = [
        (panel, percent)
        for row in items["table_3b"].rows.values()
        for panel in items["table_3b"].panels
        for percent in printed_numbers(row, panel)
    ]
    assert len(printed) == 30
    assert all(is_possible(percent, items["table_3a"].columns[panel].n or 0, 1) for panel, percent in printed)


@pytest.mark.parametrize(
    ("numbers", "possible"),
    [
        ({"n": 10, "accuracy": 0.5}, True),
        ({"n": 10, "accuracy": 0.4321}, False),
        # 21 of 40 answers: several samples a question, or several seeds
        ({"n": 10, "accuracy": 0.525}, False),
        ({"n": 10, "accuracy": 0.525, "samples": 4}, True),
        ({"n": 10, "accuracy": 0.525, "n_seeds": 4}, True),
        ({"n": 10, "accuracy": 0.5125, "samples": 4, "n_seeds": 2}, True),
        # 656, 365 and 84 of 687 are 0.5361 in all: each share was rounded before
        ({"n": 687, "accuracy": 0.5362, "n_seeds": 3}, True),
        ({"n": 687, "accuracy": 0.5362}, False),
    ],
)
def test_our_own_scores_are_shares_of_answers(numbers: dict[str, float], possible: bool) -> None:
    wrong = [] if possible else ["a-sample-fine_tune-tiny-greedy"]
    assert impossible_ours([{**CELL, **numbers}]) == (1, wrong)


def test_what_is_no_share_is_not_looked_at() -> None:
    assert impossible_ours([{**CELL, "accuracy": 0.123}, {**CELL, "n": 10}]) == (0, [])


def test_numbers_print_with_their_own_decimals() -> None:
    item = Item.model_validate({"title": "t", "source": "s", "columns": {name: {} for name in "abc"}})
    printed = Line("x", False, [Value(3.25), Value(6511.0), Value(50.0)])
    assert line_texts(item, printed) == ["3.25", "6,511.0", "50.0"]
    counts = item.model_copy(update={"decimals": 0})
    assert line_texts(counts, Line("x", False, [Value(6511.0), None, Value(123.0)])) == ["6,511", "", "123"]
