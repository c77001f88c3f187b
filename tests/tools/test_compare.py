"""Compare: two states of metrics/ in a Git repository, numbers by hand or by the function they come from."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_cells import axes_of

from stages.results.revisions import at_revision, changed_values, in_working_tree
from stages.results.statistics import mcnemar, paired_bootstrap, paired_interval
from tools.compare.changes import changes, verdicts
from tools.compare.tables import as_markdown, cell_table, tables

ROOT = Path(__file__).resolve().parents[2]
IDS = [f"toy-{row}" for row in range(12)]
CELL, OTHER = "toy-sample-fine_tune-tiny-0-greedy", "toy-sample-zero_shot-tiny-0-greedy"


def cell_file(name: str, marks: str, folder: str = "cells") -> dict[str, str]:
    return {f"metrics/{folder}/{name}.json": json.dumps({**axes_of(name), "correct": marks})}


def files(
    cells: dict[str, str], ids: list[str] = IDS, clusters: str | None = None, **more: Any
) -> dict[str, str]:
    """A revision's files: cells with their marks, the split's ids, what they are grouped by, and others."""
    made: dict[str, str] = {}
    for name, marks in cells.items():
        made |= cell_file(name, marks)
    split = {"rows": {"train": 20, "validation": 2, "test": len(ids)}, "test_ids": " ".join(ids)}
    split |= {} if clusters is None else {"test_clusters": clusters}
    params = {"run": {"seeds": [0]}, "students": {"tiny": {"lr": 1}}}
    made["metrics/splits/toy-sample.json"] = json.dumps(split)
    return {**made, "params.yaml": json.dumps(params), **more}


def test_a_cell_by_hand() -> None:
    before = "000000001111"
    after = "111111110111"  # eight gained, one lost
    (one,), same, refused = changes(files({CELL: before}), files({CELL: after}))
    assert (same, refused) == ([], {})
    assert (one.before, one.after, one.n) == (4 / 12, 11 / 12, 12)
    assert (one.gained, one.lost) == (IDS[:8], ["toy-8"])
    first, second = list(map(int, after)), list(map(int, before))
    assert one.interval == (*paired_bootstrap(first, second), "12 questions")
    assert one.p == mcnemar(first, second) == pytest.approx(2 * (1 + 9) / 2**9)
    assert cell_table([one])[1][:5] == [CELL, "12", "33.3", "91.7", "+58.3"]
    assert re.fullmatch(r"\+\d+\.\d to \+\d+\.\d over 12 questions", cell_table([one])[1][5])


def test_a_cell_from_before_there_were_decodings_is_the_greedy_one() -> None:
    """Named and written then without it: its own cells, and its transfers."""
    for name, now in ((CELL, CELL), (f"{CELL}-toy", f"{CELL}-toy")):
        axes = {axis: value for axis, value in axes_of(now).items() if axis != "decoding"}
        old = files({})
        old[f"metrics/cells/{name.replace('-greedy', '')}.json"] = json.dumps({**axes, "correct": "0" * 12})
        (one,), _, refused = changes(old, files({now: "1" * 12}))
        assert (one.cell, one.before, one.after, refused) == (now, 0, 1, {})


def test_intervals_are_over_groups_of_questions_that_are_alike() -> None:
    """Twelve groups of two, in either side's order of ids.

    A revision from before the labels is compared by question.
    """
    ids = [f"toy-{row}" for row in range(24)]
    labels = [str(row // 2) for row in range(24)]
    before = "0" * 24
    after = "111111110000000000000000"
    new = files({CELL: after}, ids, " ".join(labels))
    (one,), _, _ = changes(files({CELL: before}, ids[::-1]), new)
    wanted = paired_interval(list(map(int, after)), [0] * 24, labels)
    assert one.interval == wanted != paired_interval(list(map(int, after)), [0] * 24)
    assert cell_table([one])[1][5].endswith(" over 12 groups")
    (by_question,), _, _ = changes(new, files({CELL: before}, ids))
    assert by_question.interval.over == "24 questions"


def test_labels_that_do_not_fit_their_ids_are_refused() -> None:
    _, _, refused = changes(files({CELL: "0" * 12}), files({CELL: "1" * 12}, clusters="a b"))
    assert refused == {
        CELL: "metrics/splits/toy-sample.json: 2 test_clusters for 12 test_ids, wanted one each"
    }


def test_questions_are_paired_by_id_and_not_by_place() -> None:
    before = files({CELL: "110000000000"})
    after = files({CELL: "000000000011"}, ids=IDS[::-1])
    assert changes(before, after)[1] == [CELL]


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (
            [*IDS[:-1], "toy-99"],
            r"1 ids on the first side only \['toy-99'\], 1 on the second only \['toy-11'\]",
        ),
        (IDS[:5], "12 marks, 5 test_ids"),
        ([], "12 marks, 0 test_ids"),  # a revision from before the ids stood in metrics/splits
    ],
)
def test_other_questions_are_refused(ids: list[str], said: str) -> None:
    changed, same, refused = changes(files({CELL: "0" * 12}), files({CELL: "1" * 12}, ids=ids))
    assert changed == same == []
    assert re.search(said, refused[CELL])
    assert (
        tables(files({CELL: "0" * 12}), files({CELL: "1" * 12}, ids=ids))["Cells not compared"][1][0] == CELL
    )


def test_words_only_where_the_corrected_test_supports_them() -> None:
    """Two datasets of one line: 6 gained and none lost has p 1/32, which holds alone and not among two."""
    six, better, worse = "111111000000", "111111111100", "0" * 12
    alone, _, _ = changes(files({CELL: worse}), files({CELL: six}))
    assert verdicts(alone) == [(pytest.approx(1 / 32), "better")]
    two = CELL.replace("toy", "other")
    splits = {"metrics/splits/other-sample.json": json.dumps({"test_ids": " ".join(IDS)})}
    both, _, _ = changes(
        files({CELL: worse, two: worse}, **splits), files({CELL: six, two: "111110000000"}, **splits)
    )
    assert [word for _, word in verdicts(both)] == ["no difference shown"] * 2
    other_line, _, _ = changes(files({CELL: worse, OTHER: better}), files({CELL: six, OTHER: worse}))
    # another method is another family
    assert [word for _, word in verdicts(other_line)] == ["better", "worse"]
    unmoved, same, _ = changes(
        files({CELL: worse, two: worse}, **splits), files({CELL: six, two: worse}, **splits)
    )
    assert same == [two]
    assert verdicts(unmoved)[0][1] == "better"  # a cell that could not have changed is no test


def test_tables_name_what_stands_on_one_side_and_what_data_and_parameters_did() -> None:
    funnel = "metrics/funnels/toy-sample-t-d1.json"
    cost = "metrics/costs/toy-t.json"
    old = files({CELL: "1" * 12}, **{funnel: json.dumps({"train": {"rows_out": 7, "removed": {"wrong": 3}}})})
    new = files(
        {OTHER: "1" * 12},
        **{
            funnel: json.dumps({"train": {"rows_out": 5, "removed": {"wrong": 5}}}),
            cost: json.dumps({"dollars": 0.5}),
        },
    )
    new["params.yaml"] = "run: {seeds: [0, 1]}\nstudents: {tiny: {lr: 1, new: a|b}}\n"
    found = tables(old, new)
    assert found["Cells on one side"][1:] == [[CELL, "before"], [OTHER, "after"]]
    assert found["Data and costs"][1:] == [
        ["funnels/toy-sample-t-d1", "train.rows_out", "7", "5"],
        ["costs/toy-t", "dollars", "-", "0.5"],
    ]
    assert found["Parameters"][1:] == [["run.seeds", "[0]", "[0, 1]"], ["students.tiny.new", "-", "a|b"]]
    assert "a\\|b" in as_markdown(found["Parameters"])


def test_transfers_are_compared_on_the_test_part_of_their_target() -> None:
    name = f"{CELL}-other"
    ids = {"metrics/splits/other-sample.json": json.dumps({"test_ids": "other-0 other-1"})}
    before, after = (files({}, **cell_file(name, marks, "transfers"), **ids) for marks in ("00", "10"))
    assert [(one.cell, one.gained, one.lost) for one in changes(before, after)[0]] == [
        (name, ["other-0"], [])
    ]


def test_cells_from_before_their_axes_stood_in_them() -> None:
    """One side's axes are enough."""
    old = files({CELL: "0" * 12})
    old[f"metrics/cells/{CELL}.json"] = json.dumps({"correct": "0" * 12})
    new = files({CELL: "1" * 12})
    for before, after in ((old, new), (new, old)):
        assert [one.family for one in changes(before, after)[0]] == [("sample", "fine_tune (tiny)")]
    assert changes(old, old)[2] == {CELL: "scored before its axes stood in its file, at both revisions"}


def test_differing_parameters() -> None:
    before = {"a": {"b": 1, "c": [1]}, "d": {}, "gone": 0}
    after = {"a": {"b": 2, "c": [1]}, "d": {}, "new": {"x": {"y": 1}}}
    assert changed_values(before, after) == [["a.b", "1", "2"], ["gone", "0", "-"], ["new", "-", "a block"]]


def test_long_tables_say_what_they_leave_out() -> None:
    table = as_markdown([["x"], *(["y" * 994] for _ in range(9))])
    assert table.count("y" * 994) == 6  # 6 header characters, then 999 and more a row
    assert table.endswith("|\n\nand 3 more rows\n")
    assert as_markdown([["x"], ["y" * 9000]]).count("y") == 9000  # one row at least


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """An empty Git repository, entered; commits the files it is called with."""
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    identity = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
    subprocess.run(["git", "init", "-q"], check=True)

    def commit(state: dict[str, str]) -> None:
        for path, text in state.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text, encoding="utf-8")
        subprocess.run(["git", "add", "-A"], check=True)
        subprocess.run(["git", *identity, "commit", "-q", "-m", "state"], check=True)

    return commit


def test_command(repository: Callable[..., None]) -> None:
    repository(files({CELL: "0" * 12}))
    repository(files({CELL: "1" * 12}))
    assert at_revision("HEAD") == in_working_tree() != at_revision("HEAD~1")
    command = [sys.executable, "-m", "tools", "compare"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "HEAD~1", "HEAD", "--markdown"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (
        f"| {CELL} | 12 | 0.0 | 100.0 | +100.0 | +100.0 to +100.0 over 12 questions | <0.001 | better | +12"
        " -0 |" in done.stdout
    )
    assert (
        subprocess.run(
            [*command, "HEAD~1"], env=environment, capture_output=True, text=True, check=True
        ).stdout.count("better")
        == 1
    )
    none = subprocess.run([*command, "nowhere"], env=environment, capture_output=True, text=True, check=False)
    assert none.returncode == 1
    assert none.stderr.startswith("error: 'nowhere' is no revision")
    assert "Traceback" not in none.stderr
