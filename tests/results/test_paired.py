"""Paired comparisons of a small grid: who is compared, differences, intervals and p by hand."""

import pytest
from toy_grid import GRID, MARKS, REPORTS, WITH, WITHOUT, read_grid, split_report, write_grid, write_marks

from stages.config.run import Run, declared_cells
from stages.results.cells import group_seeds, groups_elsewhere, read_cells
from stages.results.paired import (
    Questions,
    against_baselines,
    among_decodings,
    among_methods,
    p_text,
    paired_difference,
    paired_table,
)
from stages.results.statistics import holm, mcnemar, paired_bootstrap


@pytest.fixture
def groups(tmp_path):
    write_marks(tmp_path, MARKS)
    return group_seeds(read_cells(tmp_path, list(MARKS)))


def interval(first, second, clusters=None):
    return " to ".join(f"{100 * end:+.1f}" for end in paired_bootstrap(first, second, clusters))


def test_paired_table(groups):
    head, *rows = paired_table(groups, "sample", GRID["datasets"], against_baselines, REPORTS)
    assert head == ["", "toy_a, over 10 questions", "toy_b, over 4 questions"]
    assert len(rows) == 1
    assert rows[0][0] == f"{WITH} - {WITHOUT}"
    # toy_a: seven questions are won (the first 2 to 1), the eighth 1 to 0; toy_b: one is lost
    p_values = holm([mcnemar([1] * 8, [0] * 8), mcnemar([0], [1])])
    # of each question the mean over two seeds: marks 1111111111/1111111000 - 1000000000/0000000000, and
    # 1010/1010 - 1010/1110
    intervals = interval([1] * 7 + [0.5, 0, 0], [0.5] + [0] * 9), interval([1, 0, 1, 0], [1, 0.5, 1, 0])
    assert [round(p, 3) for p in p_values] == [0.016, 1.0]
    assert rows[0][1:] == [f"+70.0 ({intervals[0]}, p 0.016)", f"-12.5 ({intervals[1]}, p 1.000)"]


def test_paired_intervals_are_over_groups_of_questions_that_are_alike(tmp_path):
    """20 questions of ten tasks. McNemar's p stays by question."""
    marks = {"first": "11" + "0" * 18, "second": "1" * 12 + "0" * 8}
    cells = {f"toy_c-sample-t-k-{method}-tiny-0-greedy": right for method, right in marks.items()}
    write_marks(tmp_path, cells)
    tasks = [f"task_{row // 2}" for row in range(20)]
    reports = {"toy_c-sample": split_report("toy_c", 20, test_clusters=" ".join(tasks))}
    groups = group_seeds(read_cells(tmp_path, list(cells)))
    head, row = paired_table(groups, "sample", ["toy_c"], among_methods, reports)
    assert head == ["", "toy_c, over 10 groups"]
    first = list(map(int, marks["second"]))
    second = list(map(int, marks["first"]))
    assert interval(first, second, tasks) != interval(first, second)
    assert row[1] == f"+50.0 ({interval(first, second, tasks)}, p {mcnemar([1] * 10, [0] * 10):.3f})"


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ({}, r"10 marks, 0 test_ids in metrics/splits/toy_a-sample\.json: wanted one id for each mark"),
        (split_report("toy_a", 9), "10 marks, 9 test_ids"),
        (split_report("toy_a", 10, test_clusters="1 2"), "2 test_clusters for 10 test_ids"),
    ],
)
def test_cells_without_their_ids_are_refused(groups, report, message):
    with pytest.raises(ValueError, match=message):
        paired_table(groups, "sample", ["toy_a"], against_baselines, {"toy_a-sample": report})


@pytest.mark.parametrize(
    ("p", "text"), [(0, "<0.001"), (0.00049, "<0.001"), (0.0005, "0.001"), (0.0164, "0.016"), (1, "1.000")]
)
def test_no_p_is_0(p, text):
    assert p_text(p) == text


def test_who_is_compared():
    wide = {"methods": ["a", "b", "c"], "curations": ["k", "l"], "students": ["s", "t"], "seeds": [0]}
    wide["decodings"] = ["greedy", "drawn"]
    grid = Run.model_validate({**GRID, "datasets": ["toy_a"], **wide})
    heads = declared_cells(grid)
    students = {name.rpartition("-")[0] for name in heads}
    for (name, other), wanted in [
        *((pair, True) for pair in against_baselines(heads)),
        *((pair, False) for pair in among_methods(heads)),
    ]:
        ours, theirs = heads[name], heads[other]
        assert ours["teacher"]
        assert ours["student"] == theirs["student"]
        assert ours["decoding"] == theirs["decoding"]
        assert (theirs["teacher"] is None) == wanted
        assert wanted or (ours["curation"] == theirs["curation"] and ours["method"] > theirs["method"])
    assert len(set(against_baselines(heads))) == 3 * 2 * 2 * 2  # each of the distilled ones
    assert len(set(among_methods(heads))) == 3 * 2 * 2 * 2  # three pairs of methods
    asked = among_decodings(heads)
    assert set(asked) == {(f"{name}-drawn", f"{name}-greedy") for name in students}
    assert len(asked) == 3 * 2 * 2 + 2  # each distilled student, and the baseline's


def test_methods_on_one_corpus(tmp_path):
    marks = {"first": "110000", "second": "111111"}
    cells = {f"toy_a-sample-t-k-{method}-tiny-0-greedy": right for method, right in marks.items()}
    write_marks(tmp_path, cells)
    groups = group_seeds(read_cells(tmp_path, list(cells)))
    reports = {"toy_a-sample": split_report("toy_a", 6)}
    table = paired_table(groups, "sample", ["toy_a"], among_methods, reports)
    said = f"+66.7 ({interval([1] * 6, [1, 1, 0, 0, 0, 0])}, p {mcnemar([1] * 4, [0] * 4):.3f})"
    assert table == [["", "toy_a, over 6 questions"], ["second (t/k/tiny) - first (t/k/tiny)", said]]


def test_transfers_are_compared_on_their_questions(tmp_path):
    write_grid(tmp_path)
    elsewhere = groups_elsewhere(read_grid(tmp_path)[1], "toy_b")
    assert {dataset for _, _, dataset in elsewhere} == {"toy_c"}
    name = elsewhere["sample", WITH, "toy_c"][0]["cell"]
    assert name == "toy_b-sample-scripted_2-answer-with_steps-tiny-0-greedy-toy_c"
    head, row = paired_table(elsewhere, "sample", ["toy_c"], against_baselines, REPORTS)
    assert head == ["", "toy_c, over 20 questions"]
    assert row == [f"{WITH} - {WITHOUT}", "+0.0 (+0.0 to +0.0, p 1.000)"]


def test_sides_with_unequal_numbers_of_seeds_are_compared_by_their_means() -> None:
    """One seed that is right on every question against two of which one is: counts would call it a draw."""
    asked = Questions(["a", "b", "c", "d", "e", "f"], None, "toy-sample")
    one = [{"correct": "111111"}]
    two = [{"correct": "111111"}, {"correct": "000000"}]
    found = paired_difference(one, two, asked)
    assert found.mean == 0.5
    assert found.p == mcnemar([1] * 6, [0.5] * 6) == 2 / 2**6
