"""Lines: numbers of made-up cells come out as worked out by hand, and what departs from the paper is said."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_cells import write_cell
from made_results import CELL, ITEM, LEARNS_FROM, PARAMS, kept_cell, write_kept, write_results

from stages.reporting.lines import our_lines, that_stand
from stages.reporting.pools import Result, read_results
from stages.reporting.spec import Item
from stages.reporting.tables import item_panels, line_texts, seeds_text
from stages.reporting.values import Value, mean_over_seeds
from stages.results.statistics import wilson


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    write_results(tmp_path / "metrics")
    return tmp_path / "metrics"


def cells(metrics: Path) -> list[Result]:
    return read_results(metrics, PARAMS)["cells"]


def lines(metrics: Path, row: str, **changes: Any) -> dict[str, list[Value | None]]:
    """A row of the item: deviations -> values of our line."""
    item = Item.model_validate({**ITEM, **changes})
    found = our_lines(row, item.rows[row], item, {}, read_results(metrics, PARAMS))
    return {line.deviations: line.values for line in found}


def numbers(found: dict[str, list[Value | None]]) -> dict[str, list[float | None]]:
    return {words: [one and one.value for one in values] for words, values in found.items()}


def test_a_teachers_appraisal_stands_by_what_was_asked(metrics: Path) -> None:
    """Under any split and target of the students: the teacher learned none of it."""
    folder = metrics / "appraisals"
    folder.mkdir()
    for name, accuracy in (("a-big", 0.5), ("b-big", 0.25), ("c-big", 0.75), ("a-small", 1.0)):
        made = {"accuracy": accuracy, "n": 8, "majority": {"accuracy": 0.1, "n": 2}}
        (folder / f"{name}.json").write_text(json.dumps(made), encoding="utf-8")
    row = {"ours": {"teacher": ["big"]}, "results": "appraisals", "by": ["teacher"]}
    voted = {**row, "ours": {"teacher": ["big", "*"]}, "field": "majority.accuracy"}
    rows = {"Asked": row, "Voted": voted}
    assert numbers(lines(metrics, "Asked", rows=rows)) == {"": [50, 25, 75, 37.5]}
    found = lines(metrics, "Voted", rows=rows)
    assert found.keys() == {"", "teacher small, not big"}
    assert [one and (one.value, one.n) for one in found["teacher small, not big"]] == [
        (10, 2), None, None, None
    ]  # fmt: skip


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
        value=pytest.approx(50),
        low=pytest.approx(100 * low),
        high=pytest.approx(100 * high),
        n=10,
        seeds=2,
        sd=pytest.approx(100 * 0.02**0.5),
        least=40,
        most=60,
    )
    assert (b.value, b.seeds, c.value, c.n) == (90, 1, 10, 100)
    assert mean == Value(pytest.approx(70))  # of A and B; no interval
    assert found["split sample, not official"][1:] == [None, None, None]
    assert found["student other, not paper_student; kept as old"][2].value == 20


def test_a_kept_run_counts_only_where_no_cell_says_the_same(metrics: Path) -> None:
    pool = cells(metrics)
    place = {"dataset": "a", "method": "fine_tune", "student": "tiny", "target": ""}
    here = [one for one in pool if place.items() <= one.items()]
    assert [one["accuracy"] for one in here] == [0.4, 0.6, 0.0]
    assert [one["accuracy"] for one in that_stand(here, [])] == [0.4, 0.6]
    (kept,) = [one for one in pool if one["curation"] == "d4"]
    assert (kept["teacher"], kept["kept"], kept["n_seeds"]) == ("small", "old", 2)


def test_seeds_that_are_not_here_one_by_one(metrics: Path) -> None:
    """A kept run's spread is its accuracy's, and what it does not say is not made up."""
    (kept,) = [one for one in cells(metrics) if one["curation"] == "d4"]
    over = mean_over_seeds([{**kept, "sd": 0.1, "min": 0.25, "max": 0.35}], "accuracy", False)
    assert (over.sd, over.least, over.most) == (10, 25, 35)
    assert seeds_text(over) == ", 2 seeds, sd 10.0, 25.0-35.0"
    assert seeds_text(mean_over_seeds([kept], "accuracy", False)) == ", 2 seeds"
    other = {**kept, "consistency": 0.5, "sd": 0.1}
    assert seeds_text(mean_over_seeds([other], "consistency", False)) == ", 2 seeds"


def test_references_and_what_was_not_run(metrics: Path) -> None:
    assert numbers(lines(metrics, "Random")) == {"": [25, 25, 25, 25]}
    ((words, (teacher, *_)),) = lines(metrics, "Teacher").items()
    assert words == "teacher small, not big"
    assert (teacher.value, teacher.n) == (75, 8)
    item = Item.model_validate(ITEM)
    (panel,) = item_panels(item, read_results(metrics, PARAMS))
    shown = {(line.name, line.deviations): line_texts(item, line) for line in panel.lines}
    assert shown["Direct", ""] == ["50.0", "60.0", "10.0", "55.0"]
    assert shown["Absent, ours", "not run"] == ["", "", "", ""]
    assert ("Retired, ours", "not run") not in shown
    tight = "\N{NO-BREAK SPACE}"
    text = f"50.0{tight}±26.3 (n{tight}10, paper 12), 2 seeds, sd 14.1, 40.0-60.0"
    assert shown["Direct, ours", "student tiny, not paper_student"][0] == text


def test_the_first_name_of_a_columns_list_that_was_run_counts(metrics: Path) -> None:
    columns = {"one": {"where": {"curation": ["d1", "d4"]}}, "other": {"where": {"curation": ["d2", "d4"]}}}
    rows = {"r": {"ours": {"dataset": "a", "method": "fine_tune_cot", "split": "official"}}}
    found = numbers(lines(metrics, "r", where={}, columns=columns, rows=rows))
    assert list(found.values()) == [[50, 30]]


def test_sums_of_fields(metrics: Path) -> None:
    rows = {"train": {"ours": {}, "field": "rows.train+rows.validation", "by": []}}
    columns = {"A": {"where": {"dataset": "a"}}}
    made = {"results": "splits", "unit": "questions", "columns": columns, "rows": rows}
    assert numbers(lines(metrics, "train", where={}, **made)) == {"": [9]}


def test_dollars_where_they_are_known(metrics: Path) -> None:
    rows = "cell,dollars\na-official-fine_tune-tiny-0-greedy,84.5\na-official-fine_tune-tiny-1-greedy,\n"
    (metrics / "cost_accuracy.csv").write_text(rows, encoding="utf-8")
    place = {"dataset": "a", "method": "fine_tune", "student": "tiny", "target": ""}
    here = [one for one in cells(metrics) if place.items() <= one.items() and "kept" not in one]
    assert [one["dollars"] for one in here] == [84.5, None]


def keep(metrics: Path, name: str, accuracy: float, **settings: Any) -> None:
    """A kept run of one student of data set a, which was asked two others too."""
    cell = "a-sample-small-d1-fine_tune_cot-tiny-0-greedy"
    asked = {cell: accuracy, f"{cell}-c": 0.6, f"{cell}-d": 0.8}
    rows = [kept_cell(one, accuracy=found, n=10, n_seeds=1) for one, found in asked.items()]
    write_kept(metrics, name, rows, **settings)


def test_what_another_run_left_counts_last(metrics: Path) -> None:
    """Of seeds that params.yaml does not declare nothing is averaged in; of a student whose settings nothing
    tells, what was kept with its settings stands.
    """
    before = lines(metrics, "Direct")
    write_cell(metrics / "cells", "a-official-fine_tune-tiny-7-greedy", **CELL | {"accuracy": 0.0})
    other = "a-official-fine_tune-other-0-greedy-c"
    write_cell(metrics / "transfers", other, **CELL | {"accuracy": 0.9, "n": 50})
    assert lines(metrics, "Direct") == before


def alpha(value: float, preset: str = "other", **more: Any) -> dict[str, Any]:
    """Settings of a run with this alpha."""
    return {"preset": preset, "methods": {"fine_tune_cot": {"alpha": value}}, **more}


def of_a(metrics: Path, row: dict[str, str] | None = None, **item: Any) -> dict[str, list[float | None]]:
    """Deviations -> values of the lines of an item about data set a, split sample."""
    rows = {"r": {"ours": {"split": "sample", "method": "fine_tune_cot", **(row or {})}}}
    columns = {"A": {"where": {"dataset": "a"}}}
    return numbers(lines(metrics, "r", **{"where": {}, "columns": columns, "rows": rows, **item}))


def test_which_kept_run_stands(metrics: Path) -> None:
    """The item's alpha, then the item's preset, then the name; a file without settings may stand anywhere."""
    keep(metrics, "a_first_by_name", 0.9, **alpha(0.9))
    keep(metrics, "b_old", 0.1)
    keep(metrics, "c_right", 0.3, **alpha(0.3))
    keep(metrics, "d_preset_small", 0.4, **alpha(0.3, "own_small"))
    words = "teacher small; curation d1; student tiny; kept as "
    item: dict[str, Any] = {"where": {"alpha": ["0.3", ""]}}
    assert of_a(metrics, **item, presets=["own"]) == {f"{words}d_preset_small": [40]}
    assert of_a(metrics, **item) == {f"{words}b_old": [10]}
    (metrics / "kept" / "b_old.json").unlink()
    assert of_a(metrics, **item) == {f"{words}c_right": [30]}
    columns = {one: {"where": {"dataset": "a", "alpha": one}} for one in ("0.1", "0.3", "0.9")}
    assert of_a(metrics, columns=columns) == {f"{words}a_first_by_name, c_right": [None, 30, 90]}
    write_cell(metrics / "cells", "a-sample-small-d1-fine_tune_cot-tiny-0-greedy", **CELL)
    # the tree's own, at the tree's alpha
    assert of_a(metrics, columns=columns) == {f"{words}a_first_by_name": [None, 50, 90]}


def test_variants_stand_as_their_base_method(metrics: Path) -> None:
    """Each at its own alpha, with its own mean over what it did not learn; what else it varies is said."""
    variants = {
        "low": {"like": "fine_tune_cot", "alpha": 0.1},
        "high": {"like": "fine_tune_cot", "alpha": 0.9},
        "gold": {"like": "fine_tune_cot", "label": "gold"},
    }
    methods = {"fine_tune_cot": {"alpha": 0.3, "label": "teacher"}, **variants}
    rows = []
    for place, method in enumerate(variants):
        cell = f"a-sample-small-d1-{method}-tiny-0-greedy"
        rows += [
            kept_cell(f"{cell}{target}", accuracy=(place + more) / 10, n=10, n_seeds=1)
            for target, more in (("", 1), ("-c", 2), ("-d", 4))
        ]
    write_kept(metrics, "one_run", rows, methods=methods, preset="p")
    words = "teacher small; curation d1; student tiny"
    columns = {one: {"where": {"dataset": "a", "alpha": one}} for one in ("0.1", "0.3", "0.9")}
    assert of_a(metrics, columns=columns) == {
        f"{words}; kept as one_run": [10, None, 20],
        f"{words}; variant label gold; kept as one_run": [None, 30, None],
    }
    unseen = of_a(metrics, {"target": "OOD"}, columns=columns)
    assert unseen[f"{words}; kept as one_run"] == [pytest.approx(30), None, pytest.approx(40)]


PAPER = {"epochs": {"*": 20, "other": 1}, "max_new_tokens": 1024, "subtasks": {"a": 27}, "unseen": 4}


def test_what_departs_from_the_paper(metrics: Path) -> None:
    made = {
        "students": {"tiny": {"epochs": 5}},
        "decodings": {"greedy": {"max_new_tokens": 320}},
        "subtasks": {"a": ["x", "y", "z"]},
    }
    keep(metrics, "kept", 0.5, **alpha(0.3, **made))
    axes = "teacher small; curation d1; student tiny"
    training = "5 epochs, not 20; L_p 320, not 1024; kept as kept"
    assert of_a(metrics, settings=PAPER).keys() == {f"{axes}; 3 of 27 subtasks; {training}"}
    unseen = of_a(metrics, {"target": "OOD"}, settings=PAPER)
    assert unseen == {f"{axes}; 3 of 27 subtasks; 2 of 4 other data sets; {training}": [70]}
    same = PAPER | {"epochs": {"tiny": 5}, "max_new_tokens": 320, "subtasks": {"a": 3}}
    assert of_a(metrics, settings=same).keys() == {f"{axes}; kept as kept"}
    assert of_a(metrics, settings={}) == of_a(metrics, settings=same)  # what the paper does not say
    keep(metrics, "kept", 0.5)
    assert of_a(metrics, settings=PAPER) == of_a(metrics, settings=same)  # what ours does not say


def test_cells_that_were_asked_another_way(metrics: Path) -> None:
    """A line of their own, unless a row names what it wants: then no other, and its L_p is no departure."""
    for asked, accuracy in (("greedy", 0.5), ("short", 0.2)):
        cell = f"a-sample-small-d1-fine_tune_cot-tiny-0-{asked}"
        write_cell(metrics / "cells", cell, **CELL | {"accuracy": accuracy})
    words = "teacher small; curation d1; student tiny"
    limit = {"max_new_tokens": 1024}
    assert of_a(metrics, settings=limit) == {
        f"{words}; L_p 200, not 1024": [50],
        f"{words}; decoding short, not greedy; L_p 128, not 1024": [20],
    }
    assert of_a(metrics, {"decoding": "short"}, settings=limit) == {words: [20]}
    assert of_a(metrics, {"decoding": "greedy"}, settings=limit) == {f"{words}; L_p 200, not 1024": [50]}


def test_what_was_kept_without_its_decoding_is_refused(metrics: Path) -> None:
    cell = kept_cell("a-sample-fine_tune-tiny-0-greedy", accuracy=0.5, n=10)
    write_kept(metrics, "before", [cell, {**cell, "decoding": None}])
    with pytest.raises(ValueError, match=r"before\.json: 1 of 2 cells have no `decoding`"):
        cells(metrics)


def test_what_departs_in_cells_of_the_tree(metrics: Path) -> None:
    """By params.yaml; nothing of cells that it does not declare: another run left them."""
    assert lines(metrics, "Direct", settings=PAPER).keys() == {
        "student tiny, not paper_student; 2 of 27 subtasks; 5 epochs, not 20; L_p 200, not 1024",
        "student tiny, not paper_student; 5 epochs, not 20; L_p 200, not 1024",  # data set b
        "split sample, not official",  # by a student that is not declared
        "student other, not paper_student; kept as old",
    }


def test_methods_that_are_only_asked_have_no_epochs(metrics: Path) -> None:
    """Of the tree by metrics/rendered, of a kept run by its settings."""
    settings = {"epochs": {"*": 20}}
    for method, words in (("fine_tune", ["5 epochs, not 20"]), ("zero_shot_cot", [])):
        write_cell(metrics / "cells", f"a-sample-{method}-tiny-0-greedy", **CELL)
        row = {"method": method, "teacher": "", "student": "tiny"}
        assert of_a(metrics, row, settings=settings).keys() == {"; ".join(words)}
        (metrics / "cells" / f"a-sample-{method}-tiny-0-greedy.json").unlink()
        kept = [kept_cell(f"a-sample-{method}-tiny-0-greedy", accuracy=0.5, n=10)]
        students = {"tiny": {"epochs": 5}}
        write_kept(metrics, "run", kept, preset="made_up", students=students, learns_from=LEARNS_FROM)
        assert of_a(metrics, row, settings=settings).keys() == {"; ".join([*words, "kept as run"])}


def test_steps_in_place_of_epochs(metrics: Path) -> None:
    kept = [kept_cell("a-sample-fine_tune-tiny-0-greedy", accuracy=0.5, n=10)]
    students = {"tiny": {"epochs": 5, "max_steps": 400}}
    write_kept(metrics, "run", kept, preset="made_up", students=students, learns_from=LEARNS_FROM)
    row = {"method": "fine_tune", "teacher": "", "student": "tiny"}
    found = of_a(metrics, row, settings={"epochs": {"*": 20}})
    assert found.keys() == {"400 steps, not 20 epochs; kept as run"}


def test_the_average_over_what_was_not_learned(metrics: Path) -> None:
    for target, accuracy in (("c", 0.2), ("e", 0.7), ("a", 1.0)):
        for seed in (0, 1):
            name = f"a-sample-small-d1-fine_tune_cot-tiny-{seed}-greedy-{target}"
            write_cell(metrics / "transfers", name, **CELL | {"accuracy": accuracy + seed / 10})
    words = "teacher small; curation d1; student tiny; 2 of 4 other data sets"
    assert of_a(metrics, {"target": "OOD"}, settings={"unseen": 4}) == {words: [pytest.approx(50)]}


def test_a_columns_own_name_and_others_as_deviations(metrics: Path) -> None:
    """[own, "*"] in a column, where another column's own is another; "!NAME" is shut out."""
    columns = {
        "A": {"where": {"dataset": "a", "split": ["sample", "*"]}},
        "B": {"where": {"dataset": "b", "split": ["official", "*"]}},
    }
    rows = {"r": {"ours": {"method": "fine_tune", "student": ["tiny", "*", "!other"]}}}
    assert numbers(lines(metrics, "r", where={}, columns=columns, rows=rows)) == {
        "": [None, 90],
        "split official, not sample": [50, None],
        "student paper_student, not tiny": [50, None],
    }


def test_a_simulators_results_are_told_apart(metrics: Path) -> None:
    for simulator, las in (("rules", 0.25), ("gpt", 0.5)):
        path = write_cell(metrics / "las", "a-sample-small-d1-fine_tune_cot-tiny-0-greedy", las=las, n=10)
        found = {**json.loads(path.read_text(encoding="utf-8")), "simulator": simulator}
        path.rename(path.with_stem(f"{path.stem}-{simulator}")).write_text(
            json.dumps(found), encoding="utf-8"
        )
    columns = {one: {"where": {"dataset": "a", "simulator": one}} for one in ("rules", "gpt", "gpt_4")}
    found = of_a(metrics, columns=columns, results="las", field="las")
    assert found == {"teacher small; curation d1; student tiny": [25, 50, None]}
