"""The grid's cells and the tables made of them."""

import csv
import json
import re

import pytest
from pydantic import ValidationError

from stages.config.run import Run, axes, cells, transfer_cells
from stages.results.cells import averages, grouped, over_seeds, read_cells
from stages.results.paired import against_baselines, among_methods, p_text, paired_table
from stages.results.statistics import holm, mcnemar, paired_bootstrap, wilson
from stages.results.transfers import as_datasets, rows_of, transfer_summary, transfer_table
from stages.summarize import accuracy_table, main, markdown, samples_table, subtask_table, summary

GRID = {
    **{
        "preset": "toy",
        "datasets": ["toy_a", "toy_b"],
        "splits": ["sample"],
        "teachers": ["scripted_2"],
        "curations": ["answer"],
    },
    **{"methods": ["with_steps"], "baselines": ["no_steps"], "students": ["tiny"], "seeds": [0, 1]},
}
MARKS = {
    "toy_a-sample-scripted_2-answer-with_steps-tiny-0": "1111111100",
    "toy_a-sample-scripted_2-answer-with_steps-tiny-1": "1111111000",
    "toy_b-sample-scripted_2-answer-with_steps-tiny-0": "1010",
    "toy_b-sample-scripted_2-answer-with_steps-tiny-1": "1010",
    "toy_a-sample-no_steps-tiny-0": "1000000000",
    "toy_a-sample-no_steps-tiny-1": "0000000000",
    "toy_b-sample-no_steps-tiny-0": "1010",
    "toy_b-sample-no_steps-tiny-1": "1110",
}
WITH, WITHOUT = "with_steps (scripted_2/answer/tiny)", "no_steps (tiny)"


def made_report(dataset, n, **fields):
    return {"test_ids": " ".join(f"{dataset}-{row}" for row in range(n)), **fields}


REPORTS = {
    f"{dataset}-sample": made_report(dataset, n)
    for dataset, n in {"toy_a": 10, "toy_b": 4, "toy_c": 20}.items()
}


def write_reports(folder, reports=REPORTS):
    folder.mkdir(exist_ok=True)
    for name, report in reports.items():
        (folder / f"{name}.json").write_text(json.dumps(report))
    return folder


def write_cells(folder, cells):
    """{name: marks} as files."""
    folder.mkdir(exist_ok=True)
    for name, marks in cells.items():
        accuracy = marks.count("1") / len(marks)
        low, high = wilson(marks.count("1"), len(marks))
        numbers = {
            "n": len(marks),
            "accuracy": accuracy,
            "accuracy_low": low,
            "accuracy_high": high,
            "correct": marks,
        }
        numbers |= {"chance": 0.5, "train_prior": 0.4, "train_most_frequent": 0.6}
        if "scripted_2" in name:
            numbers |= {
                "teacher_accuracy": 0.9,
                "accuracy_best_test_epoch": accuracy + 0.1,
                "best_test_epoch": 3,
            }
        (folder / f"{name}.json").write_text(json.dumps(numbers))


@pytest.fixture
def folder(tmp_path):
    write_cells(tmp_path, MARKS)
    return tmp_path


# toy_c is asked of both datasets' students, toy_b of its own too: DVC's matrix leaves no cell out
TARGETS = {**GRID, "extra_datasets": ["toy_c"], "transfers": ["toy_b", "toy_c"]}
MOVED = {
    f"{name}-{target}": (
        marks if name.startswith(target) else {"toy_b": "0110", "toy_c": "10000000000000000000"}[target]
    )
    for name, marks in MARKS.items()
    for target in ("toy_b", "toy_c")
}


@pytest.fixture
def moved(tmp_path):
    """Of both: groups of the cells, and of the transfers by target."""
    write_cells(tmp_path / "cells", MARKS)
    write_cells(tmp_path / "transfers", MOVED)
    found = read_cells(tmp_path / "transfers", transfer_cells(Run.model_validate(TARGETS)))
    targets = {
        name: grouped([cell for cell in found if cell["target"] == name]) for name in TARGETS["transfers"]
    }
    return grouped(read_cells(tmp_path / "cells", list(MARKS))), targets


def test_cells_are_the_product_in_order():
    assert cells(Run.model_validate(GRID)) == list(MARKS)
    wide = Run.model_validate(
        {
            **GRID,
            "methods": ["a", "b", "c"],
            "students": ["s", "t"],
            "baselines": ["x", "y"],
            "curations": ["k", "l"],
        }
    )
    assert len(set(cells(wide))) == len(cells(wide)) == 2 * 1 * 1 * 2 * 3 * 2 * 2 + 2 * 1 * 2 * 2 * 2
    assert cells(Run.model_validate({**GRID, "teachers": [], "baselines": []})) == []


def test_transfers_are_all_cells_times_all_targets():
    assert transfer_cells(Run.model_validate(TARGETS)) == list(MOVED)
    assert transfer_cells(Run.model_validate(GRID)) == []


@pytest.mark.parametrize("name", [*MARKS, *MOVED])
def test_axes_invert_names(name):
    assert "-".join(filter(None, axes(name).values())) == name
    assert bool(axes(name)["teacher"]) == ("scripted_2" in name)
    assert axes(name)["student"] == "tiny"
    assert bool(axes(name)["target"]) == (name in MOVED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"datasets": []}, "at least 1"),
        ({"splits": []}, "at least 1"),
        ({"methods": ["with-steps"]}, "must consist of"),
        ({"students": ["Tiny"]}, "must consist of"),
        ({"teachers": ["a/b"]}, "must consist of"),
        ({"datasets": [""]}, "must consist of"),
        ({"datasets": ["toy_a", "toy_b", "toy_a"]}, "'toy_a'.* listed twice"),
        ({"seeds": [1, 1]}, "listed twice"),
        ({"seeds": [-1]}, "greater than or equal"),
        ({"seeds": ["0"]}, "valid integer"),
        ({"unknown": 1}, "not permitted"),
    ],
)
def test_run_refuses(change, message):
    with pytest.raises(ValidationError, match=message):
        Run.model_validate({**GRID, **change})


def test_missing_cell_is_named(folder):
    (folder / "toy_b-sample-no_steps-tiny-1.json").unlink()
    with pytest.raises(ValueError, match="1 of 8 declared cells: toy_b-sample-no_steps-tiny-1"):
        read_cells(folder, list(MARKS))
    with pytest.raises(ValueError, match="no cells"):
        read_cells(folder, [])


def test_cells_of_other_questions_are_refused(folder):
    path = folder / "toy_b-sample-no_steps-tiny-1.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "correct": "111", "n": 3}))
    with pytest.raises(ValueError, match=r"tiny-1\.json: 3 marks for n 3, wanted 4"):
        read_cells(folder, list(MARKS))


def test_undeclared_cells_are_ignored(folder):
    (folder / "toy_c-sample-no_steps-tiny-0.json").write_text("{}")
    assert [cell["cell"] for cell in read_cells(folder, list(MARKS))] == list(MARKS)


def test_summary(folder):
    numbers = summary(grouped(read_cells(folder, list(MARKS))))
    assert list(numbers) == ["toy_a-sample", "toy_b-sample", "average-sample"]
    assert numbers["toy_a-sample"][WITH] == {
        **{"accuracy": 0.75, "n": 10, "n_seeds": 2, "sd": 0.0707, "min": 0.7, "max": 0.8},
        **{"accuracy_best_test_epoch": 0.85},
    }
    assert numbers["toy_b-sample"][WITHOUT] == {
        "accuracy": 0.625,
        "n": 4,
        "n_seeds": 2,
        "sd": 0.1768,
        "min": 0.5,
        "max": 0.75,
    }
    # (0.75 + 0.5) / 2 and (7.5 + 2) / 14
    assert numbers["average-sample"][WITH] == {
        "accuracy": 0.625,
        "accuracy_by_question": 0.6786,
        "n": 14,
        "n_datasets": 2,
    }


def test_accuracy_table(folder):
    head, *rows = accuracy_table(grouped(read_cells(folder, list(MARKS))), "sample", GRID["datasets"])
    assert head == ["", "toy_a", "toy_b", "average"]
    table = {row[0]: row[1:] for row in rows}
    assert list(table) == [
        "chance",
        "train prior",
        "most frequent train answer",
        "teacher scripted_2",
        WITH,
        f"{WITH}, best test epoch",
        WITHOUT,
    ]
    assert table["teacher scripted_2"] == ["90.0", "90.0", "90.0"]
    assert table["train prior"][0] == "40.0"
    low, high = wilson(7.5, 10)
    # two seeds: sd = half their distance x the root of 2
    assert table[WITH] == [f"75.0 ±{50 * (high - low):.1f}, sd 7.1, 70.0-80.0", table[WITH][1], "62.5"]
    assert table[WITH][1].startswith("50.0 ±")
    assert table[f"{WITH}, best test epoch"] == ["85.0", "60.0", "72.5"]


def test_a_teacher_that_was_not_asked_the_test_questions_has_no_number(folder):
    for name in MARKS:
        if name.startswith("toy_b"):
            path = folder / f"{name}.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "teacher_accuracy": None}))
    rows = accuracy_table(grouped(read_cells(folder, list(MARKS))), "sample", GRID["datasets"])
    assert ["teacher scripted_2", "90.0", "-", "-"] in rows


def test_one_seed_does_not_vary():
    assert over_seeds([{"accuracy": 0.5, "n": 4}]) == {"accuracy": 0.5, "n": 4, "n_seeds": 1}


def interval(first, second, clusters=None):
    return " to ".join(f"{100 * end:+.1f}" for end in paired_bootstrap(first, second, clusters))


def test_paired_table(folder):
    head, *rows = paired_table(
        grouped(read_cells(folder, list(MARKS))), "sample", GRID["datasets"], against_baselines, REPORTS
    )
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
    names = [f"toy_c-sample-t-k-{name}-tiny-0" for name in marks]
    write_cells(tmp_path, dict(zip(names, marks.values(), strict=True)))
    tasks = [f"task_{row // 2}" for row in range(20)]
    reports = {"toy_c-sample": made_report("toy_c", 20, test_clusters=" ".join(tasks))}
    head, row = paired_table(
        grouped(read_cells(tmp_path, names)), "sample", ["toy_c"], among_methods, reports
    )
    assert head == ["", "toy_c, over 10 groups"]
    first, second = (list(map(int, marks[name])) for name in ("second", "first"))
    assert interval(first, second, tasks) != interval(first, second)
    assert row[1] == f"+50.0 ({interval(first, second, tasks)}, p {mcnemar([1] * 10, [0] * 10):.3f})"


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ({}, r"10 marks, 0 test_ids in metrics/splits/toy_a-sample\.json: wanted one id for each mark"),
        (made_report("toy_a", 9), "10 marks, 9 test_ids"),
        (made_report("toy_a", 10, test_clusters="1 2"), "2 test_clusters for 10 test_ids"),
    ],
)
def test_cells_without_their_ids_are_refused(folder, report, message):
    with pytest.raises(ValueError, match=message):
        paired_table(
            grouped(read_cells(folder, list(MARKS))),
            "sample",
            ["toy_a"],
            against_baselines,
            {"toy_a-sample": report},
        )


@pytest.mark.parametrize(
    ("p", "text"), [(0, "<0.001"), (0.00049, "<0.001"), (0.0005, "0.001"), (0.0164, "0.016"), (1, "1.000")]
)
def test_no_p_is_0(p, text):
    assert p_text(p) == text


def test_who_is_compared():
    wide = {"methods": ["a", "b", "c"], "curations": ["k", "l"], "students": ["s", "t"], "seeds": [0]}
    grid = Run.model_validate({**GRID, "datasets": ["toy_a"], **wide})
    heads = {name: axes(name) for name in cells(grid)}
    for (name, other), wanted in [
        *((pair, True) for pair in against_baselines(heads)),
        *((pair, False) for pair in among_methods(heads)),
    ]:
        ours, theirs = heads[name], heads[other]
        assert ours["teacher"]
        assert ours["student"] == theirs["student"]
        assert (theirs["teacher"] == "") == wanted
        assert wanted or (ours["curation"] == theirs["curation"] and ours["method"] > theirs["method"])
    assert len(set(against_baselines(heads))) == 3 * 2 * 2  # each of the distilled ones
    assert len(set(among_methods(heads))) == 3 * 2 * 2  # three pairs of methods


def test_methods_on_one_corpus(tmp_path):
    marks = {"first": "110000", "second": "111111"}
    write_cells(tmp_path, {f"toy_a-sample-t-k-{name}-tiny-0": right for name, right in marks.items()})
    groups = grouped(read_cells(tmp_path, [f"toy_a-sample-t-k-{name}-tiny-0" for name in marks]))
    table = paired_table(
        groups, "sample", ["toy_a"], among_methods, {"toy_a-sample": made_report("toy_a", 6)}
    )
    said = f"+66.7 ({interval([1] * 6, [1, 1, 0, 0, 0, 0])}, p {mcnemar([1] * 4, [0] * 4):.3f})"
    assert table == [["", "toy_a, over 6 questions"], ["second (t/k/tiny) - first (t/k/tiny)", said]]


def test_markdown():
    assert markdown([["", "a"], ["x", "1"]]) == "|  | a |\n| --- | --- |\n| x | 1 |\n"


def test_command(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(json.dumps({"run": GRID}))  # JSON is YAML
    out = [tmp_path / "out" / name for name in ("summary.json", "table.md", "transfers.md", "accuracy.csv")]
    splits = write_reports(tmp_path / "splits")
    main(folder, tmp_path / "nowhere", splits, *out)
    assert "accuracy in %, split sample" in capsys.readouterr().out
    assert set(json.loads(out[0].read_text())) == {"toy_a-sample", "toy_b-sample", "average-sample"}
    text = out[1].read_text()
    assert "## Split sample" in text
    assert "### Distilled against baselines" in text
    assert (
        len(
            {
                len(re.findall(r"\|", line))
                for line in text.split("###")[0].splitlines()
                if line.startswith("|")
            }
        )
        == 1
    )
    assert "None: `run.transfers` of params.yaml names no other dataset." in out[2].read_text()
    rows = list(csv.DictReader(out[3].open()))
    assert [row["cell"] for row in rows] == list(MARKS)
    wanted = {
        "dataset": "toy_a",
        "split": "sample",
        "method": "with_steps",
        "corpus": "scripted_2/answer",
        "student": "tiny",
        "seed": "0",
    }
    assert wanted.items() <= rows[0].items()
    assert rows[0]["accuracy"] == "0.8"
    assert rows[-1]["corpus"] == "-"
    assert float(rows[0]["low"]) < 0.8 < float(rows[0]["high"])
    before = [path.read_bytes() for path in out]
    main(folder, tmp_path / "nowhere", splits, *out)
    assert before == [path.read_bytes() for path in out]


def test_command_with_transfers(moved, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(json.dumps({"run": TARGETS}))
    out = [tmp_path / "out" / name for name in ("summary.json", "table.md", "transfers.md", "accuracy.csv")]
    splits = write_reports(tmp_path / "splits")
    # pairs of which a fifth, and of seed 1 three tenths, are right throughout
    for path in (tmp_path / "transfers").glob("*-toy_c.json"):
        tasks = {"contrast": {"n": 10, "accuracy": 0.5}, "original": {"n": 10, "accuracy": 0.25}}
        more = {
            "subtasks": tasks,
            "subtask_average": 0.375,
            "consistency": 0.3 if "-1-toy_c" in path.name else 0.2,
            "pairs": 10,
        }
        path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
    main(tmp_path / "cells", tmp_path / "transfers", splits, *out)
    assert "learned on toy_b, split sample" in capsys.readouterr().out
    assert {"toy_a-sample, transfers", "toy_b-sample, transfers", "average-sample"} < set(
        json.loads(out[0].read_text())
    )
    text = out[2].read_text()
    assert re.findall("^## .*", text, re.M) == [
        "## Learned on toy_a, split sample",
        "## Learned on toy_b, split sample",
    ]
    assert re.findall("^### Tasks .*", text, re.M) == ["### Tasks of toy_c"] * 2
    assert text.count("| consistent (n 10) | 25.0, sd 7.1, 20.0-30.0 | 25.0, sd 7.1, 20.0-30.0 |") == 2
    kept = json.loads(out[0].read_text())["toy_a-sample, transfers"][WITH]
    assert (kept["toy_c"]["consistency"], kept["toy_c"]["subtask_average"]) == (0.25, 0.375)
    assert "consistency" not in kept["toy_b"]
    assert len(list(csv.DictReader(out[3].open()))) == len(MARKS)  # transfers are no cells of their own
    (tmp_path / "transfers" / f"{next(iter(MOVED))}.json").unlink()
    with pytest.raises(ValueError, match=rf"1 of {len(MOVED)} declared cells: {next(iter(MOVED))}"):
        main(tmp_path / "cells", tmp_path / "transfers", splits, *out)


def test_transfers_by_hand(moved):
    rows = rows_of(*moved, "sample", "toy_a")
    assert list(rows) == [WITH, WITHOUT]
    assert rows[WITH]["toy_a"]["accuracy"] == 0.75
    assert rows[WITH]["toy_b"] == {
        "accuracy": 0.5,
        "n": 4,
        "n_seeds": 2,
        "sd": 0.0,
        "min": 0.5,
        "max": 0.5,
        "accuracy_best_test_epoch": 0.6,
    }
    # 0.5 of 4 and 0.05 of 20
    assert rows[WITH]["OOD"] == {"accuracy": 0.275, "accuracy_by_question": 0.125, "n": 24, "n_datasets": 2}
    assert rows[WITH]["AVERAGE"] == {
        "accuracy": 0.4333,
        "accuracy_by_question": round((7.5 + 2 + 1) / 34, 4),
        "n": 34,
        "n_datasets": 3,
    }
    # its own target is no transfer
    assert list(rows_of(*moved, "sample", "toy_b")[WITH]) == ["toy_b", "toy_c", "OOD", "AVERAGE"]
    assert rows_of(moved[0], {}, "sample", "toy_a") == {}


def test_transfer_table(moved):
    head, *rows = transfer_table(*moved, "sample", "toy_a")
    assert head == [
        "",
        "toy_a (own)",
        "toy_b",
        "toy_c",
        "OOD",
        "OOD by question",
        "average",
        "average by question",
    ]
    assert rows[0] == ["chance", *["50.0"] * 7]
    low, high = wilson(1, 20)
    assert rows[1][0] == WITH
    assert rows[1][3:] == [f"5.0 ±{50 * (high - low):.1f}, sd 0.0, 5.0-5.0", "27.5", "12.5", "43.3", "30.9"]
    assert transfer_table(moved[0], {}, "sample", "toy_a") == []


def test_transfers_are_compared_on_their_questions(moved):
    groups = as_datasets(moved[1], "toy_b")
    assert {dataset for _, _, dataset in groups} == {"toy_c"}
    assert (
        groups["sample", WITH, "toy_c"][0]["cell"] == "toy_b-sample-scripted_2-answer-with_steps-tiny-0-toy_c"
    )
    table = paired_table(groups, "sample", ["toy_c"], against_baselines, REPORTS)
    assert table == [
        ["", "toy_c, over 20 questions"],
        [f"{WITH} - {WITHOUT}", "+0.0 (+0.0 to +0.0, p 1.000)"],
    ]


def test_a_dataset_that_is_only_its_own_target_has_no_transfer(moved):
    own, targets = moved
    only = {"toy_b": targets["toy_b"]}
    assert list(transfer_summary(own, only)) == ["toy_a-sample, transfers"]
    assert transfer_table(own, only, "sample", "toy_b") == []


def test_averages_of_the_paper():
    """CasCoD Table 1: its AVG counts every data set alike (trap 23); published/cascod.json has the rows."""
    sizes, rows = (
        (1303, 5381, 2546, 2376, 1172),
        {49.6: (59.4, 37.0, 28.3, 70.6, 52.7), 41.8: (54.2, 28.7, 21.6, 59.6, 45.1)},
    )
    for printed, accuracies in rows.items():
        means = averages(
            [{"accuracy": accuracy / 100, "n": n} for accuracy, n in zip(accuracies, sizes, strict=True)]
        )
        assert round(100 * means["accuracy"], 1) == printed
        assert means["accuracy_by_question"] != means["accuracy"]


def test_tables_of_tasks_and_samples(folder):
    at_k = {
        "1": {"pass": 0.5, "majority": 0.5},
        "2": {"pass": 0.7, "majority": 0.5},
        "16": {"pass": 0.9, "majority": 0.6},
    }
    for seed in "01":
        path = folder / f"toy_a-sample-no_steps-tiny-{seed}.json"
        tasks = {"contrast": {"n": 4, "accuracy": 0.5}, "original": {"n": 6, "accuracy": 0.25 * int(seed)}}
        more = {
            "at_k": at_k,
            "subtasks": tasks,
            "subtask_average": (2 + 1.5 * int(seed)) / 10,
            "consistency": 0.25,
            "pairs": 4,
        }
        path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
    groups = grouped(read_cells(folder, list(MARKS)))
    assert subtask_table(groups, "sample", "toy_a") == [
        ["", WITHOUT],
        *(
            ["contrast (n 4)", "50.0"],
            ["original (n 6)", "12.5"],
            ["average over tasks", "27.5, sd 10.6, 20.0-35.0"],
        ),
        ["consistent (n 4)", "25.0, sd 0.0, 25.0-25.0"],
    ]
    assert (
        over_seeds(groups["sample", WITHOUT, "toy_a"]).items()
        >= {
            "subtask_average": 0.275,
            "consistency": 0.25,
        }.items()
    )
    assert samples_table(groups, "sample", "toy_a") == [
        ["", "avg@16", "maj@2", "maj@16", "pass@2", "pass@16"],
        [WITHOUT, "5.0", "50.0", "60.0", "70.0", "90.0"],
    ]
    assert subtask_table(groups, "sample", "toy_b") == samples_table(groups, "sample", "toy_b") == []
