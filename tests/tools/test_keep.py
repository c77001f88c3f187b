"""Keep: what a kept run says of its cells and of how it was made, what is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from made_cells import write_cell
from made_results import write_rendered
from ruamel.yaml import YAML
from typer import Typer
from typer.testing import CliRunner, Result

from stages.config.run import Run
from stages.reporting.pools import read_kept, read_results, settings_of
from stages.results.cells import group_seeds, group_targets, read_own, read_transfers, summarize_cells
from tools import keep
from tools.presets.reading import preset_names, sizes_of
from tools.presets.writing import preset_params

RUN: dict[str, Any] = {
    "preset": "made_up_small",
    "datasets": ["a"],
    "splits": ["sample"],
    "teachers": ["t"],
    "curations": ["d1"],
    "methods": ["cascod"],
    "baselines": ["fine_tune"],
    "students": ["tiny"],
    "seeds": [0, 1],
    "decodings": ["greedy"],
    "extra_datasets": ["b"],
    "transfers": ["a", "b"],
    "simulators": ["rules"],
}
PARAMS: dict[str, Any] = {
    "run": RUN,
    "students": {"tiny": {"epochs": 5, "lr": 0.002}, "large": {"epochs": 20}},
    "methods": {"cascod": {"alpha": 0.5}, "fine_tune": {"format": "paper"}, "scott": {"alpha": 0.3}},
    "decodings": {"greedy": {"max_new_tokens": 200}, "l_p_128": {"max_new_tokens": 128}},
    "curations": {"d1": {"per_question": 1}, "d2": {"per_question": 2}},
    "datasets": {"a": {"subtasks": ["x", "y"], "rows": 3}, "b": {"subtasks": None}, "c": {"subtasks": ["z"]}},
}
SETTINGS = {
    "preset": "made_up_small",
    "students": {"tiny": {"epochs": 5, "lr": 0.002}},
    "methods": {"cascod": {"alpha": 0.5}, "fine_tune": {"format": "paper"}},
    "learns_from": {"fine_tune": "answers"},
    "decodings": {"greedy": {"max_new_tokens": 200}},
    "subtasks": {"a": ["x", "y"]},
    "curations": {"d1": {"per_question": 1}},
}
BASELINE = {"dataset": "a", "split": "sample", "teacher": None, "curation": None, "method": "fine_tune"}
DISTILLED = {**BASELINE, "teacher": "t", "curation": "d1", "method": "cascod"}
OVER_SEEDS = {"accuracy": 0.5, "n": 10, "n_seeds": 2, "sd": 0.1414, "min": 0.4, "max": 0.6, "samples": 2}


def rows_of_student(axes: dict[str, str | None], target: str | None) -> dict[str, Any]:
    return {**axes, "student": "tiny", "decoding": "greedy", "target": target, **OVER_SEEDS}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's results and parameters, and the working directory meanwhile."""
    metrics = tmp_path / "metrics"
    for student in ("fine_tune-tiny", "t-d1-cascod-tiny"):
        for seed, accuracy in ((0, 0.4), (1, 0.6)):
            cell = f"a-sample-{student}-{seed}-greedy"
            numbers = {"accuracy": accuracy, "n": 10, "samples": 2, "correct": "1" * 10}
            write_cell(metrics / "cells", cell, **numbers)
            for target in ("a", "b"):
                write_cell(metrics / "transfers", f"{cell}-{target}", **numbers)
    write_rendered(metrics)
    run = Run.model_validate(RUN)
    own = group_seeds(read_own(metrics / "cells", run))
    targets = group_targets(read_transfers(metrics / "transfers", run), run)
    (metrics / "summary.json").write_text(json.dumps(summarize_cells(own, targets)), encoding="utf-8")
    (metrics / "table.md").write_text("# Results\n", encoding="utf-8")
    (metrics / "transfers.md").write_text("# Transfers\n", encoding="utf-8")
    YAML().dump(PARAMS, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: str) -> Result:
    app = Typer(pretty_exceptions_enable=False)
    app.command()(keep.main)
    return CliRunner().invoke(app, words)


def test_what_is_kept(folder: Path) -> None:
    """The cells, and the transfers to other data sets than the student's own."""
    assert call("one_0_5").exit_code == 0
    places = [(DISTILLED, None), (BASELINE, None), (DISTILLED, "b"), (BASELINE, "b")]
    assert json.loads((folder / "metrics/kept/one_0_5.json").read_text(encoding="utf-8")) == {
        "settings": SETTINGS,
        "cells": [rows_of_student(axes, target) for axes, target in places],
    }
    tables = (folder / "metrics/kept/one_0_5.md").read_text(encoding="utf-8")
    assert tables == "# Results\n\n# Transfers\n"
    kept = read_kept(folder / "metrics/kept/one_0_5.json")["cells"]
    assert [one["target"] for one in kept] == ["", "", "b", "b", "OOD", "OOD"]
    assert {one["kept"] for one in kept} == {"one_0_5"}
    assert (kept[0]["accuracy"], kept[0]["settings"]) == (0.5, SETTINGS)
    pool = read_results(folder / "metrics", PARAMS)["cells"]
    assert sum("kept" in one for one in pool) == len(kept)
    assert call("other", "--metrics", "metrics", "--out", "elsewhere").exit_code == 0
    assert (folder / "elsewhere/other.json").exists()


def test_settings_that_were_not_run_are_not_kept(folder: Path) -> None:
    """The cells are there under the same names, and params.yaml says since how else they were to be made."""
    (folder / "dvc.yaml").write_text("stages: {train: {matrix: {student: '${run.students}'}}}")
    for lr, code in ((SETTINGS["students"]["tiny"].get("lr"), 0), (0.5, 1)):
        entry = {"params": {"params.yaml": {"students.tiny.lr": lr}}}
        (folder / "dvc.lock").write_text(json.dumps({"stages": {"train@tiny": entry}}))
        found = call(f"kept_{code}")
        assert found.exit_code == code
    assert "1 stages were run with other parameters, first train@tiny" in str(found.exception)


def test_what_stands_before_and_beside_the_students_is_kept(folder: Path) -> None:
    """What the report shows of it, under its axes; nothing of another run's."""
    metrics = folder / "metrics"
    write_cell(metrics / "las", "a-sample-t-d1-cascod-tiny-0-greedy", simulator="rules", las=0.2, las_low=0.1)
    length = {"words": {"median": 7.0, "mean": 9.0}}
    files = {
        "splits/a-sample": {"rows": {"train": 7, "validation": 2, "test": 10}, "leaks": 3},
        "splits/c-sample": {"rows": {"train": 1, "validation": 1, "test": 1}},
        "funnels/a-sample-t-d1": {"train": {"rows_out": 5, "rows_in": 9, "length": length}},
        "appraisals/a-t": {"accuracy": 0.5, "n": 40, "majority": {"accuracy": 0.75, "n": 10}},
    }
    for name, values in files.items():
        path = metrics / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    assert call("whole").exit_code == 0
    kept = json.loads((metrics / "kept/whole.json").read_text(encoding="utf-8"))
    assert {kind: kept[kind] for kind in ("splits", "funnels", "appraisals")} == {
        "splits": [
            {"dataset": "a", "split": "sample", "rows": {"train": 7, "validation": 2, "test": 10}},
        ],
        "funnels": [
            {
                **{"dataset": "a", "split": "sample", "teacher": "t", "curation": "d1"},
                "train": {"rows_out": 5, "length": {"words": {"median": 7.0}}},
            }
        ],
        "appraisals": [{"dataset": "a", "teacher": "t", **files["appraisals/a-t"]}],
    }
    (found,) = kept["las"]
    assert (found["seed"], found["simulator"], found["las"], found["las_low"]) == (0, "rules", 0.2, 0.1)
    for kind in ("splits", "funnels", "appraisals", "las"):
        (metrics / kind).rename(metrics / f"moved_{kind}")
        (one,) = read_results(metrics, PARAMS)[kind]
        assert (one["kept"], one["dataset"], one["settings"]) == ("whole", "a", SETTINGS)


@pytest.mark.parametrize("name", ["Alpha", "a-b", "a/b", "../a", "", "a.b"])
def test_a_bad_name_is_refused(name: str, folder: Path) -> None:
    assert "wanted a-z, 0-9 and _" in str(call(name).exception)
    assert not (folder / "metrics/kept").exists()


def test_what_is_missing_or_there_already_is_said(folder: Path) -> None:
    assert call("one").exit_code == 0
    kept = folder / "metrics/kept/one.json"
    before = kept.read_bytes()
    kept.write_text("{}", encoding="utf-8")
    assert "one.json, metrics/kept/one.md: there already" in str(call("one").exception)
    assert kept.read_text(encoding="utf-8") == "{}"
    assert call("one", "--force").exit_code == 0
    assert kept.read_bytes() == before
    (folder / "metrics/transfers.md").unlink()
    assert "no transfers.md" in str(call("two").exception)
    assert "no summary.json, table.md, transfers.md" in str(call("two", "--metrics", "nowhere").exception)


def test_what_is_not_of_the_declared_cells_is_refused(folder: Path) -> None:
    """Tables of an earlier run: other cells, or cells that were made anew since."""
    path = write_cell(
        folder / "metrics/cells", "a-sample-fine_tune-tiny-1-greedy", accuracy=0.7, n=10, correct="1" * 10
    )
    message = "metrics/summary.json is not of the cells that params.yaml declares: `dvc repro` first"
    assert str(call("two").exception) == message
    path.unlink()
    assert "no file for 1 of 4 declared cells: a-sample-fine_tune-tiny-1-greedy" in str(call("two").exception)
    assert not (folder / "metrics/kept").exists()


def test_as_a_user_starts_it(folder: Path) -> None:
    command = [sys.executable, "-m", "tools", "keep", "No-Name"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    wanted = "wanted a-z, 0-9 and _ only, it becomes the files' name"
    assert done.stderr == f"error: name 'No-Name': {wanted}\n"


def test_a_variant_is_kept_with_what_it_is_like() -> None:
    """So that the report finds its file and its values; what it learns from is known by the file."""
    variant = {"like": "cascod", "alpha": 0.1}
    params = {**PARAMS, "methods": {**PARAMS["methods"], "low": variant}, "run": {**RUN, "methods": ["low"]}}
    made = settings_of(params, {"low": "rationales", "fine_tune": "answers"})
    assert made["methods"] == {**SETTINGS["methods"], "low": variant}
    assert made["learns_from"] == {"cascod": "rationales", "fine_tune": "answers"}


def test_a_name_without_a_block_is_said() -> None:
    with pytest.raises(ValueError, match=r"no block `students\.huge`"):
        settings_of({**PARAMS, "run": {**RUN, "students": ["huge"]}}, {})


def test_the_settings_of_every_preset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in preset_names():
        for params in (one for size in sizes_of(name) for one in preset_params(name, size).values()):
            made = settings_of(params, {})
            assert made["preset"] == params["run"]["preset"]
            assert made["students"].keys() == set(params["run"]["students"])
            few = params["datasets"]["bbh"]["subtasks"] if "bbh" in params["run"]["datasets"] else None
            assert made["subtasks"].get("bbh") == few
            json.dumps(made)


def test_what_a_report_prints_is_kept_as_means_where_all_seeds_have_it() -> None:
    group = [
        {
            "completion_rate": 0.5,
            "chance": 0.2,
            "epochs": {"1": {"accuracy": 0.2, "n": 9}, "10": {"accuracy": 0, "n": 9}},
        },
        {"completion_rate": 1.0, "epochs": {"1": {"accuracy": 0.4, "n": 9}, "2": {"accuracy": 0.9, "n": 9}}},
    ]
    fields = {"completion_rate", "chance", "epochs.1.accuracy", "epochs.1.n", "epochs.2.accuracy"}
    assert fields <= keep.kept_fields("cells")
    assert keep.picked(group, fields) == {
        "completion_rate": 0.75,
        "epochs": {"1": {"accuracy": pytest.approx(0.3), "n": 9}},
    }
    assert keep.picked([{"accuracy": 1.0}], fields) == {}
