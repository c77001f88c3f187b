"""Report: the papers' items all stand in it, numbers of made-up cells come out as worked out by hand, the
page opens in a browser.
"""

import csv
import json
import math
import os
import re
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from dvc_render.vega import VegaRenderer
from dvc_render.vega_templates import Template
from ruamel.yaml import YAML

from stages.config.dataset import dataset_names
from stages.reporting.figures import draw, drawn, short
from stages.reporting.granularity import fitting, nearest, possible
from stages.reporting.pools import read_results
from stages.reporting.results import Line, Value, our_lines, value
from stages.reporting.settings import ASKED, standing
from stages.reporting.spec import FOLDER, Item, Paper, options, read_paper
from stages.reporting.tables import Panel, cells, impossible, impossible_ours, panels_of, seeds
from stages.results.statistics import wilson

pytest_plugins = ["browser"]
ROOT = Path(__file__).resolve().parents[2]
PAPERS = ("ft", "scotd", "cascod")
CHECKLIST = {  # of tables and figures: Fine-tune-CoT's, SCoTD's, CasCoD's
    "ft": {f"F{number}" for number in range(23, 37)},
    "scotd": {"S7", *(f"S{number}" for number in (*range(12, 20), *range(20, 25)))},
    "cascod": {f"C{number}" for number in range(16, 23)},
}
PARAMS: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")


@pytest.mark.parametrize("name", PAPERS)
def test_every_table_and_figure_is_filled_or_explained(name: str) -> None:
    paper = read_paper(name)
    assert {one for item in paper.items.values() for one in item.covers} == CHECKLIST[name]
    for item in paper.items.values():
        assert item.source
        assert item.notes
        assert bool(item.rows) == (item.kind != "text")


@pytest.mark.parametrize("name", PAPERS)
def test_patterns_name_what_exists(name: str) -> None:
    """A typing error in a pattern would show as a cell that was not run."""
    known = {
        "dataset": dataset_names(),
        "split": PARAMS["splits"],
        "curation": {*PARAMS["curations"], "golden", "golden_size"},
    }
    known |= {"method": [path.stem for path in (ROOT / "stages/methods").glob("*.py")]}
    known |= {"target": {*dataset_names(), *PARAMS["simulators"], "gpt_3_5", "gpt_4", "OOD"}}
    # the last is the name of a kept summary
    presets = {path.stem for path in (ROOT / "presets").glob("*.yaml")} | {"released_template"}
    for item in read_paper(name).items.values():
        assert set(item.presets) <= presets
        assert item.settings.epochs.keys() <= {*PARAMS["students"], "curie", "*"}
        places = [
            item.where,
            *item.panels.values(),
            *(column.where for column in item.columns.values()),
            *(row.ours or {} for row in item.rows.values()),
        ]
        for where in places:
            assert where.keys() <= {*known, "teacher", "student", "alpha"}
            shut = [one.removeprefix("!") for one in options(where.get("teacher", [])) if one.startswith("!")]
            assert set(shut) <= set(PARAMS["teachers"])
            exact = [
                (axis, one)
                for axis, names in where.items()
                for one in options(names)
                if axis in known and one and not set(one) & set("*?[!")
            ]
            assert [(axis, one) for axis, one in exact if one not in known[axis]] == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rows": {"a": {"published": [1.0]}}}, "1 numbers for 2 columns"),
        ({"rows": {"a": {"published": {"p": [1.0, 2.0]}}}}, "no panel 'p'"),
        ({"columns": {"x": {"where": {"split": "s*"}}, "y": {}}}, "stands for several names"),
        ({"columns": {"x": {"mean_of": ["z"]}, "y": {}}}, "no such columns"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_wrong_file_is_refused(changed: dict[str, Any], said: str) -> None:
    item = {"covers": ["T"], "title": "t", "source": "s", "columns": {"x": {}, "y": {}}, **changed}
    with pytest.raises(ValueError, match=said):
        Item.model_validate(item)


def test_possible_percentages_are_those_that_counting_prints() -> None:
    for n in (1, 7, 111, 150, 278):
        for decimals in (1, 2):
            printed = {f"{100 * right / n:.{decimals}f}" for right in range(n + 1)}
            for tenth in range(0, 100 * 10**decimals + 1, 7):
                percent = tenth / 10**decimals
                assert possible(percent, n, decimals) or f"{percent:.{decimals}f}" not in printed
                off = min(abs(100 * right / n - percent) for right in range(n + 1))
                assert possible(percent, n, decimals) == (off <= 0.5 / 10**decimals + 1e-9)
    assert nearest(12.84, 111) == (14, pytest.approx(12.6126, abs=1e-4))
    with pytest.raises(ValueError, match="share of 0 questions"):
        possible(50, 0, 1)


def test_fine_tune_cot_prints_shares_of_other_questions_than_its_test_part() -> None:
    """Twelve of twelve teacher accuracies, and Few-shot-CoT on Date and StrategyQA (GPT-3), which fit 109 and
    684 questions.
    """
    looked, rows = impossible(read_paper("ft"))
    table1 = [row for row in rows[1:] if row[0].startswith("Table 1,")]
    assert sum(row[1] == "Teacher 175B" for row in table1) == 12
    few = {(row[2], row[5]) for row in rows[1:] if row[1].startswith("Few-shot-CoT")}
    assert few == {("Date", "109"), ("StrategyQA", "684")}
    assert (looked, len(rows) - 1) == (794, 20)
    assert (impossible(read_paper("scotd"))[0], impossible(read_paper("cascod"))[0]) == (50, 56)
    assert fitting([12.84, 19.27, 16.51], 111, 2) == [109]
    assert impossible(read_paper("cascod"))[1][1:] == []
    assert {row[2] for row in impossible(read_paper("scotd"))[1][1:]} == {"QuaRel"}


RUN: dict[str, list[str]] = {
    **{
        "datasets": ["a", "b"],
        "splits": ["official", "sample"],
        "teachers": ["small"],
        "curations": ["d1"],
        "methods": ["fine_tune_cot"],
    },
    **{"baselines": ["fine_tune"], "students": ["tiny"], "transfers": ["c", "e"]},
}
MADE: dict[str, Any] = {
    "run": {"preset": "made_up", **RUN},
    "students": {"tiny": {"epochs": 5}},
    "methods": {"fine_tune": {}, "fine_tune_cot": {"alpha": 0.3}},
    "decoding": {"max_new_tokens": 200},
    "datasets": {"a": {"subtasks": ["x", "y"]}, "b": {"subtasks": None}},
    "curations": {"d1": {}},
}
CELL = {
    "accuracy": 0.5,
    "n": 10,
    "samples": 1,
    "chance": 0.25,
    "teacher_accuracy": 0.75,
    "teacher_n": 8,
    "length": {"words": {"median": 12.0}},
}
ITEM: dict[str, Any] = {
    **{"covers": ["T1"], "title": "A table", "source": "made up", "where": {"split": ["official", "sample"]}},
    "columns": {
        "A": {"where": {"dataset": "a"}, "n": 12},
        "B": {"where": {"dataset": "b"}},
        "on C": {"where": {"dataset": "a", "target": "c"}},
        "AVG": {"mean_of": ["A", "B"]},
    },
    "rows": {
        "Random": {"published": [25.0, None, None, 25.0], "ours": {}, "field": "chance", "by": []},
        "Teacher": {"ours": {"teacher": ["big", "*"]}, "field": "teacher_accuracy", "by": ["teacher"]},
        "Direct": {
            "published": [50.0, 60.0, 10.0, 55.0],
            "ours": {"method": "fine_tune", "student": ["paper_student", "*"]},
        },
        "Absent": {"ours": {"method": "few_shot"}},
        "Retired": {"published": [1.0, 2.0, 3.0, 4.0]},
    },
}


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    """Cells of two seeds, a transfer, a second student, a kept summary that repeats one cell and adds
    another.
    """

    def write(name: str, **numbers: Any) -> None:
        path = tmp_path / "metrics" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(numbers), encoding="utf-8")

    write("cells/a-official-fine_tune-tiny-0.json", **CELL | {"accuracy": 0.4})
    write("cells/a-official-fine_tune-tiny-1.json", **CELL | {"accuracy": 0.6})
    write("cells/b-official-fine_tune-tiny-0.json", **CELL | {"accuracy": 0.9})
    write("cells/a-sample-fine_tune-paper_student-0.json", **CELL)
    write("cells/a-official-small-d1-fine_tune_cot-tiny-0.json", **CELL)
    write("transfers/a-official-fine_tune-tiny-0-c.json", **CELL | {"accuracy": 0.1, "n": 100})
    write("splits/a-official.json", rows={"train": 7, "validation": 2, "test": 10})
    kept = {
        "fine_tune (tiny)": {"accuracy": 0.0, "n": 10, "n_seeds": 1},
        "fine_tune_cot (small/d4/tiny)": {"accuracy": 0.3, "n": 10, "n_seeds": 2},
    }
    moved = {
        "fine_tune (other)": {
            "a": {"accuracy": 0.5, "n": 10},
            "c": {"accuracy": 0.2, "n": 50},
            "OOD": {"accuracy": 0.2},
        }
    }
    write(
        "released/old.json", **{"average-official": kept, "a-official": kept, "a-official, transfers": moved}
    )
    return tmp_path / "metrics"


def lines(metrics: Path, row: str) -> dict[str, list[Value | None]]:
    item = Item.model_validate(ITEM)
    return {
        line.deviations: line.values
        for line in our_lines(row, item.rows[row], item, {}, read_results(metrics, MADE))
    }


def test_lines_by_hand(metrics: Path) -> None:
    found = lines(metrics, "Direct")
    assert found.keys() == {
        "student tiny, not paper_student",
        "split sample, not official",
        "student other, not paper_student; kept as old",
    }
    low, high = wilson(5, 10)
    a, b, c, mean = found["student tiny, not paper_student"]
    assert a == Value(
        pytest.approx(50),
        pytest.approx(100 * low),
        pytest.approx(100 * high),
        10,
        2,
        pytest.approx(100 * 0.02**0.5),
        40,
        60,
    )
    assert (b.value, b.seeds, c.value, c.n) == (90, 1, 10, 100)
    assert mean == Value(pytest.approx(70))  # of A and B; no interval
    assert found["split sample, not official"][1:] == [None, None, None]
    assert found["student other, not paper_student; kept as old"][2].value == 20


def test_a_kept_summary_counts_only_where_no_cell_says_the_same(metrics: Path) -> None:
    pool = read_results(metrics, MADE)["cells"]
    at = [
        one
        for one in pool
        if (one["dataset"], one["method"], one["student"], one["target"]) == ("a", "fine_tune", "tiny", "")
    ]
    assert [one["accuracy"] for one in at] == [0.4, 0.6, 0.0]
    assert [one["accuracy"] for one in standing(at, [])] == [0.4, 0.6]
    (kept,) = [one for one in pool if one["curation"] == "d4"]
    assert (kept["teacher"], kept["kept"], kept["n_seeds"]) == ("small", "old", 2)
    # of seeds that are not here one by one
    spread = value([{**kept, "sd": 0.1, "min": 0.25, "max": 0.35}], "accuracy", False)
    assert (spread.sd, spread.least, spread.most) == (10, 25, 35)
    assert seeds(spread) == ", 2 seeds, sd 10.0, 25.0-35.0"
    # what a kept summary does not say is not made up
    assert seeds(value([kept], "accuracy", False)) == ", 2 seeds"
    # sd is the accuracy's
    assert seeds(value([{**kept, "consistency": 0.5, "sd": 0.1}], "consistency", False)) == ", 2 seeds"


def test_references_and_what_was_not_run(metrics: Path) -> None:
    assert [one and one.value for one in lines(metrics, "Random")[""]] == [25, 25, 25, 25]
    (teacher,) = lines(metrics, "Teacher").items()
    assert teacher[0] == "teacher small, not big"
    assert (teacher[1][0].value, teacher[1][0].n) == (75, 8)
    item = Item.model_validate(ITEM)
    (panel,) = panels_of(item, read_results(metrics, MADE))
    shown = {(line.name, line.deviations): cells(item, line) for line in panel.lines}
    assert shown["Direct", ""] == ["50.0", "60.0", "10.0", "55.0"]
    assert shown["Absent, ours", "not run"] == ["", "", "", ""]
    assert ("Retired, ours", "not run") not in shown
    tight = "\N{NO-BREAK SPACE}"
    assert (
        shown["Direct, ours", "student tiny, not paper_student"][0]
        == f"50.0{tight}±26.3 (n{tight}10, paper 12), 2 seeds, sd 14.1, 40.0-60.0"
    )


def test_the_first_name_of_a_columns_list_that_was_run_counts(metrics: Path) -> None:
    columns = {"one": {"where": {"curation": ["d1", "d4"]}}, "other": {"where": {"curation": ["d2", "d4"]}}}
    rows = {"r": {"ours": {"dataset": "a", "method": "fine_tune_cot", "split": "official"}}}
    item = Item.model_validate({**ITEM, "where": {}, "columns": columns, "rows": rows})
    found = [line.values for line in our_lines("r", item.rows["r"], item, {}, read_results(metrics, MADE))]
    assert [[one and one.value for one in values] for values in found] == [[50, 30]]


def test_sums_of_fields(metrics: Path) -> None:
    rows = {"train": {"ours": {}, "field": "rows.train+rows.validation", "by": []}}
    made = {
        "results": "splits",
        "unit": "questions",
        "columns": {"A": {"where": {"dataset": "a"}}},
        "rows": rows,
        "decimals": 0,
    }
    item = Item.model_validate({**ITEM, "where": {}, **made})
    (line,) = our_lines("train", item.rows["train"], item, {}, read_results(metrics, MADE))
    assert cells(item, line) == ["9"]


def test_dollars_where_they_are_known(metrics: Path) -> None:
    (metrics / "cost_accuracy.csv").write_text(
        "cell,dollars\na-official-fine_tune-tiny-0,84.5\na-official-fine_tune-tiny-1,\n", encoding="utf-8"
    )
    wanted = {"dataset": "a", "method": "fine_tune", "student": "tiny", "target": ""}
    found = [
        one["dollars"]
        for one in read_results(metrics, MADE)["cells"]
        if wanted.items() <= one.items() and "kept" not in one
    ]
    assert found == [84.5, None]


def test_our_own_scores_are_shares(metrics: Path) -> None:
    pool = read_results(metrics, MADE)["cells"]
    assert impossible_ours(pool)[1] == []
    # 656, 365 and 84 right are 0.5361 in all: each share was rounded before
    seeds = {**pool[0], "n": 687, "n_seeds": 3, "accuracy": 0.5362}
    assert impossible_ours([seeds]) == (1, [])
    pool[0]["accuracy"] = 0.4321
    assert impossible_ours(pool) == (sum("n" in one for one in pool), ["a-official-fine_tune-tiny"])


def keep(metrics: Path, name: str, accuracy: float, **settings: Any) -> None:
    """A kept summary of one student of data set a, with its settings."""
    scores = {"fine_tune_cot (small/d1/tiny)": {"accuracy": accuracy, "n": 10, "n_seeds": 1}}
    moved = {
        label: {"a": one, "c": one, "OOD": {"accuracy": 0.7, "n": 30, "n_datasets": 2}, "AVERAGE": {}}
        for label, one in scores.items()
    }
    summary = {"settings": settings} if settings else {}
    (metrics / "released" / f"{name}.json").write_text(
        json.dumps({**summary, "a-sample": scores, "a-sample, transfers": moved}), encoding="utf-8"
    )


def alpha(value: float, preset: str = "other", **more: Any) -> dict[str, Any]:
    return {
        "preset": preset,
        "methods": {"fine_tune_cot": {"alpha": value}},
        "students": {},
        "decoding": {},
        "subtasks": {},
        **more,
    }


def ours(metrics: Path, row: dict[str, str] | None = None, **item: Any) -> dict[str, list[float | None]]:
    """Deviations -> values of the one line of an item about data set a, split sample."""
    made = {
        "covers": ["T"],
        "title": "t",
        "source": "s",
        "columns": {"A": {"where": {"dataset": "a"}}},
        **item,
    }
    paper = Item.model_validate(
        {**made, "rows": {"r": {"ours": {"split": "sample", "method": "fine_tune_cot", **(row or {})}}}}
    )
    found = our_lines("r", paper.rows["r"], paper, {}, read_results(metrics, MADE))
    return {line.deviations: [one and one.value for one in line.values] for line in found}


def test_which_kept_summary_stands(metrics: Path) -> None:
    """The item's alpha, then the item's preset, then the name; a file without settings may stand anywhere."""
    keep(metrics, "a_first_by_name", 0.9, **alpha(0.9))
    keep(metrics, "b_old", 0.1)
    keep(metrics, "c_right", 0.3, **alpha(0.3))
    keep(metrics, "d_preset_small", 0.4, **alpha(0.3, "own_small"))
    words = "teacher small; curation d1; student tiny; kept as "
    item: dict[str, Any] = {"where": {"alpha": ["0.3", ""]}}
    assert ours(metrics, **item, presets=["own"]) == {f"{words}d_preset_small": [40]}
    assert ours(metrics, **item) == {f"{words}b_old": [10]}
    (metrics / "released" / "b_old.json").unlink()
    assert ours(metrics, **item) == {f"{words}c_right": [30]}
    columns = {one: {"where": {"dataset": "a", "alpha": one}} for one in ("0.1", "0.3", "0.9")}
    assert ours(metrics, columns=columns) == {f"{words}a_first_by_name, c_right": [None, 30, 90]}
    (metrics / "cells" / "a-sample-small-d1-fine_tune_cot-tiny-0.json").write_text(
        json.dumps(CELL), encoding="utf-8"
    )
    # the tree's own, at the tree's alpha
    assert ours(metrics, columns=columns) == {f"{words}a_first_by_name": [None, 50, 90]}


PAPER = {"epochs": {"*": 20, "other": 1}, "max_new_tokens": 1024, "subtasks": {"a": 27}, "unseen": 4}


def test_what_departs_from_the_paper(metrics: Path) -> None:
    made = {
        "students": {"tiny": {"epochs": 5}},
        "decoding": {"max_new_tokens": 320},
        "subtasks": {"a": ["x", "y", "z"]},
    }
    keep(metrics, "kept", 0.5, **alpha(0.3, **made))
    words = (
        "teacher small; curation d1; student tiny; 3 of 27 subtasks; 5 epochs, not 20; L_p 320, not 1024;"
        " kept as kept"
    )
    assert ours(metrics, settings=PAPER).keys() == {words}
    assert ours(metrics, {"target": "OOD"}, settings=PAPER) == {
        words.replace("subtasks", "subtasks; 2 of 4 other data sets"): [70]
    }
    same = PAPER | {"epochs": {"tiny": 5}, "max_new_tokens": 320, "subtasks": {"a": 3}}
    assert ours(metrics, settings=same).keys() == {"teacher small; curation d1; student tiny; kept as kept"}
    assert ours(metrics, settings={}) == ours(metrics, settings=same)  # what the paper does not say
    keep(metrics, "kept", 0.5)
    assert ours(metrics, settings=PAPER) == ours(metrics, settings=same)  # what ours does not say


def test_what_departs_in_cells_of_the_tree(metrics: Path) -> None:
    """By params.yaml; nothing of cells that it does not declare: another run left them."""
    item = Item.model_validate({**ITEM, "settings": PAPER})
    found = [
        line.deviations
        for line in our_lines("Direct", item.rows["Direct"], item, {}, read_results(metrics, MADE))
    ]
    assert set(found) == {
        "student tiny, not paper_student; 2 of 27 subtasks; 5 epochs, not 20; L_p 200, not 1024",
        "student tiny, not paper_student; 5 epochs, not 20; L_p 200, not 1024",  # data set b
        "split sample, not official",  # by a student that is not declared
        "student other, not paper_student; kept as old",
    }


def test_methods_that_are_only_asked_have_no_epochs() -> None:
    modules = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "stages/methods").glob("*.py")}
    assert {name for name, text in modules.items() if 'LEARNS_FROM = "nothing"' in text} == set(ASKED)


def test_the_average_over_what_was_not_learned(metrics: Path) -> None:
    for target, accuracy in (("c", 0.2), ("e", 0.7), ("a", 1.0)):
        for seed in (0, 1):
            name = f"a-sample-small-d1-fine_tune_cot-tiny-{seed}-{target}.json"
            (metrics / "transfers" / name).write_text(
                json.dumps(CELL | {"accuracy": accuracy + seed / 10}), encoding="utf-8"
            )
    assert ours(metrics, {"target": "OOD"}, settings={"unseen": 4}) == {
        "teacher small; curation d1; student tiny; 2 of 4 other data sets": [pytest.approx(50)]
    }


def test_a_columns_own_name_and_others_as_deviations(metrics: Path) -> None:
    """[own, "*"] in a column, where another column's own is another; "!NAME" is shut out."""
    columns = {
        "A": {"where": {"dataset": "a", "split": ["sample", "*"]}},
        "B": {"where": {"dataset": "b", "split": ["official", "*"]}},
    }
    rows = {"r": {"ours": {"method": "fine_tune", "student": ["tiny", "*", "!other"]}}}
    item = Item.model_validate({**ITEM, "where": {}, "columns": columns, "rows": rows})
    found = {
        line.deviations: [one and one.value for one in line.values]
        for line in our_lines("r", item.rows["r"], item, {}, read_results(metrics, MADE))
    }
    assert found == {
        "": [None, 90],
        "split official, not sample": [50, None],
        "student paper_student, not tiny": [50, None],
    }


def test_numbers_print_with_their_own_decimals() -> None:
    item = Item.model_validate(
        {"covers": ["T"], "title": "t", "source": "s", "columns": {name: {} for name in "abc"}, "rows": {}}
    )
    assert cells(item, Line("x", False, [Value(3.25), Value(6511.0), Value(50.0)])) == [
        "3.25",
        "6,511.0",
        "50.0",
    ]
    counts = item.model_copy(update={"decimals": 0})
    assert cells(counts, Line("x", False, [Value(6511.0), None, Value(123.0)])) == ["6,511", "", "123"]


def made_up(panels: int, columns: int, rows: int) -> list[Panel]:
    """A figure's panels full of lines with long names, of which every third is printed."""
    names = [f"a column of ours {place}" for place in range(columns)]
    values: list[Value | None] = [Value(40.0 + place, 35.0, 65.0, 100) for place in range(columns)]
    departs = (
        "split published_template, not published",
        "teacher code_davinci_002, not gpt_3_5",
        "5 epochs, not 20",
        "kept as some_long_name",
    )
    lines = [
        Line(f"A method with a long name {row}", row % 3 > 0, values, departs if row % 3 else ())
        for row in range(rows)
    ]
    return [Panel(f"panel {place}", names, lines) for place in range(panels)]


@pytest.mark.parametrize(("panels", "columns", "rows"), [(1, 1, 1), (1, 10, 40), (4, 10, 24), (5, 3, 3)])
def test_a_figures_parts_do_not_meet(panels: int, columns: int, rows: int, tmp_path: Path) -> None:
    """No warning, legend and axes apart, no two tick labels of an axis over one another, one marker and
    colour for a name.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    from stages.reporting.figures import composed

    item = Item.model_validate(
        {"covers": ["T"], "title": "t", "source": "s", "kind": "figure", "axis": "the columns"}
    )
    shown = made_up(panels, columns, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw("figure", item, shown, tmp_path).startswith("<svg")
        figure = composed(item, shown, pyplot)
        figure.canvas.draw()
    (legend,) = figure.legends
    axes = [one for one in figure.axes if one.get_visible()]
    assert len(axes) == panels
    looks: dict[str, set[tuple[str, str]]] = {}
    for one in axes:
        assert one.get_tightbbox().y0 >= legend.get_window_extent().y1
        assert one.get_window_extent().height > 1.2 * figure.dpi  # inches
        # turned ones overlap as boxes, not as text
        boxes = [label.get_window_extent() for label in one.get_xticklabels()] if columns < 10 else []
        assert not any(left.overlaps(right) for left, right in pairwise(boxes))
        for handle, name in zip(*one.get_legend_handles_labels(), strict=True):
            line = handle[0] if isinstance(handle, tuple) else handle
            looks.setdefault(name, set()).add((line.get_marker(), line.get_color()))
    assert (
        len(looks) == rows == len({look for found in looks.values() for look in found})
        if rows <= 24
        else looks
    )
    assert all(len(found) == 1 for found in looks.values())
    assert legend.get_window_extent().width <= figure.bbox.width
    pyplot.close(figure)


def test_short_names() -> None:
    line = Line(
        "CasCoD, ours",
        True,
        [],
        ("teacher gpt, not x", "curation d1", "L_p 320, not 1024", "kept as something"),
    )
    assert short(line) == "CasCoD, ours: gpt, d1, L_p 320"
    assert short(line, frozenset({"curation d1"})) == "CasCoD, ours: gpt, L_p 320"
    assert short(Line("CasCoD", False, [])) == "CasCoD"


def test_only_figures_with_numbers_are_drawn(tmp_path: Path) -> None:
    item = Item.model_validate(
        {"covers": ["T"], "title": "t", "source": "s", "kind": "figure", "columns": {"a": {}}}
    )
    empty = Panel("", ["a"], [Line("x", True, [None], ("not run",))])
    full = Panel("p", ["a"], [*empty.lines, Line("y", False, [Value(1.0)])])
    assert drawn(item, [empty]) == []
    assert [[line.name for line in panel.lines] for panel in drawn(item, [empty, full])] == [["y"]]
    assert draw("nothing", item, [empty], tmp_path) == ""
    assert drawn(item.model_copy(update={"kind": "table"}), [full]) == []


class Page(HTMLParser):
    """Open tags, headings of tables, and every address that a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            value or ""
            for name, value in attrs
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#")
        ]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports on the results in the tree, and a cell with a name that a page must not take for markup."""
    out = tmp_path_factory.mktemp("report")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(out)}
    subprocess.run(
        [sys.executable, "-m", "stages.report", *PAPERS, "--out", str(out / "report")],
        cwd=ROOT,
        env=environment,
        check=True,
    )
    return out / "report"


@pytest.mark.parametrize("name", PAPERS)
def test_files(report: Path, name: str) -> None:
    page = Page((report / f"{name}.html").read_text(encoding="utf-8"))
    assert page.tags.count("h1") == 1
    assert page.fetched == []  # one file: nothing to fetch, no script
    assert "script" not in page.tags
    assert page.tags.count("table") == page.tags.count("caption")
    text = (report / f"{name}.md").read_text(encoding="utf-8")
    widths = [
        [line.count("|") - line.count("\\|") for line in block.splitlines() if line.startswith("|")]
        for block in text.split("\n\n")
    ]
    assert all(len(set(block)) <= 1 for block in widths)
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", text):
        assert (report / picture).read_bytes()[:4] == b"\x89PNG"
        assert (report / picture).with_suffix(".svg").read_text(encoding="utf-8").startswith("<svg")
    assert (
        (report / f"{name}.csv")
        .read_text(encoding="utf-8")
        .startswith("item,panel,line,column,side,value,low,high,n\n")
    )
    assert {path.stem for path in (report / "plots").glob(f"{name}-*")} == {
        path.stem for path in (report / "figures").glob(f"{name}-*.svg")
    }


def test_plots_that_dvc_shows(report: Path) -> None:
    """The template of .dvc/plots on a figure's file, filled by DVC: every field that it draws is a column, x
    are names, y is a number.
    """
    template = json.loads((ROOT / ".dvc/plots/figure.json").read_text(encoding="utf-8"))
    for path in sorted((report / "plots").glob("*.csv")):
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        assert [int(row["panel_place"]) for row in rows] == sorted(int(row["panel_place"]) for row in rows)
        assert all(math.isfinite(float(row["value"])) for row in rows)
        data = [{**row, "rev": "workspace"} for row in rows]
        filled = VegaRenderer(
            data, path.name, template=Template(template, "figure"), x="column", y="value"
        ).get_filled_template()
        text = json.dumps({**filled, "data": None})
        assert "DVC_METRIC" not in text
        assert set(re.findall(r'"field": "(\w+)"', text)) <= {*data[0]}
        assert filled["data"]["values"] == data
        assert filled["spec"]["encoding"]["x"]["type"] == "nominal"
        assert filled["spec"]["layer"][0]["encoding"]["y"] == {
            "field": "value",
            "type": "quantitative",
            "title": None,
        }


def test_names_are_no_markup(metrics: Path) -> None:
    from stages.reporting.page import as_html, as_markdown

    item = Item.model_validate(
        {**ITEM, "title": "A <b>|</b> table", "notes": ["</script><script>alert(1)</script>"]}
    )
    shown = {"one": (item, panels_of(item, read_results(metrics, MADE)), "")}
    paper = Paper(name="<i>", cite="&", items={"one": item})
    assert "script" not in Page(as_html(paper, shown, "")).tags
    assert "A <b>\\|</b> table" in as_markdown(paper, "x", shown, "")


@pytest.mark.parametrize("name", PAPERS)
def test_page_in_a_browser(report: Path, page: Any, name: str) -> None:
    """Light, dark and on paper; no part of the page is wider than the window, and links lead
    to their items.
    """
    page.goto((report / f"{name}.html").as_uri())
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        grounds.append(
            page.evaluate(
                "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
            )
        )
    assert grounds == [["rgb(255, 255, 255)", "rgb(27, 27, 27)"], ["rgb(22, 24, 27)", "rgb(232, 232, 232)"]]
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for link in page.query_selector_all("nav a"):
        assert page.query_selector(link.get_attribute("href")) is not None
    drawn = page.query_selector_all("figure svg")
    assert all(one.get_attribute("aria-label") for one in drawn)
    assert len(drawn) == len(list((report / "figures").glob(f"{name}-*.svg")))
    page.emulate_media(media="print")
    assert not page.is_visible("nav")
    assert page.pdf()[:4] == b"%PDF"


def test_unknown_papers_are_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stages.report", "other"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "wanted one of cascod, ft, scotd" in done.stderr
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == ["cascod", "ft", "scotd"]
