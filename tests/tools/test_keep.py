"""Keep: what a kept summary says of how it was made, what is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from ruamel.yaml import YAML
from typer import Typer
from typer.testing import CliRunner, Result

from stages.reporting.pools import read_results, released
from stages.reporting.settings import settings_of
from tools import keep
from tools.presets import merge, read_preset

SUMMARY = {
    "a-sample": {"fine_tune (tiny)": {"accuracy": 0.5, "n": 10, "n_seeds": 1}},
    "average-sample": {},
    "a-sample, transfers": {},
}
RUN: dict[str, list[str]] = {
    **{
        "datasets": ["a"],
        "splits": ["sample"],
        "teachers": ["t"],
        "curations": ["d1"],
        "methods": ["cascod"],
        "baselines": ["fine_tune"],
    },
    **{"students": ["tiny"], "extra_datasets": ["b"], "transfers": ["b"]},
}
PARAMS: dict[str, Any] = {
    "run": {"preset": "made_up_small", **RUN},
    "students": {"tiny": {"epochs": 5, "lr": 0.002}, "large": {"epochs": 20}},
    "methods": {"cascod": {"alpha": 0.5}, "fine_tune": {"format": "paper"}, "scott": {"alpha": 0.3}},
    "decoding": {"max_new_tokens": 200},
    "curations": {"d1": {"per_question": 1}, "d2": {"per_question": 2}},
    "datasets": {"a": {"subtasks": ["x", "y"], "rows": 3}, "b": {"subtasks": None}, "c": {"subtasks": ["z"]}},
}
SETTINGS = {
    "preset": "made_up_small",
    "students": {"tiny": {"epochs": 5, "lr": 0.002}},
    "methods": {"cascod": {"alpha": 0.5}, "fine_tune": {"format": "paper"}},
    "decoding": {"max_new_tokens": 200},
    "subtasks": {"a": ["x", "y"]},
    "curations": {"d1": {"per_question": 1}},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's results and parameters, and the working directory meanwhile."""
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/summary.json").write_text(json.dumps(SUMMARY), encoding="utf-8")
    (tmp_path / "metrics/table.md").write_text("# Results\n", encoding="utf-8")
    (tmp_path / "metrics/transfers.md").write_text("# Transfers\n", encoding="utf-8")
    YAML().dump(PARAMS, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: str) -> Result:
    app = Typer(pretty_exceptions_enable=False)
    app.command()(keep.main)
    return CliRunner().invoke(app, words)


def test_what_is_kept(folder: Path) -> None:
    assert call("one_0_5").exit_code == 0
    assert json.loads((folder / "metrics/released/one_0_5.json").read_text(encoding="utf-8")) == {
        "settings": SETTINGS,
        **SUMMARY,
    }
    assert (folder / "metrics/released/one_0_5.md").read_text(
        encoding="utf-8"
    ) == "# Results\n\n# Transfers\n"
    (kept,) = released(folder / "metrics/released/one_0_5.json")
    assert (kept["kept"], kept["accuracy"], kept["settings"]) == ("one_0_5", 0.5, SETTINGS)
    assert [one["kept"] for one in read_results(folder / "metrics", PARAMS)["cells"]] == ["one_0_5"]
    assert call("other", "--metrics", "metrics", "--out", "elsewhere").exit_code == 0
    assert (folder / "elsewhere/other.json").exists()


@pytest.mark.parametrize("name", ["Alpha", "a-b", "a/b", "../a", "", "a.b"])
def test_a_bad_name_is_refused(name: str, folder: Path) -> None:
    assert "wanted a-z, 0-9 and _" in str(call(name).exception)
    assert not (folder / "metrics/released").exists()


def test_what_is_missing_or_there_already_is_said(folder: Path) -> None:
    assert call("one").exit_code == 0
    kept = folder / "metrics/released/one.json"
    before = kept.read_bytes()
    (folder / "metrics/summary.json").write_text(json.dumps({"a-sample": {}}), encoding="utf-8")
    assert "one.json, metrics/released/one.md: there already" in str(call("one").exception)
    assert kept.read_bytes() == before
    assert call("one", "--force").exit_code == 0
    assert json.loads(kept.read_text(encoding="utf-8")) == {"settings": SETTINGS, "a-sample": {}}
    (folder / "metrics/summary.json").write_text(json.dumps({"b-sample": {}}), encoding="utf-8")
    assert "summary.json is of b-sample, params.yaml declares a-sample" in str(call("two").exception)
    (folder / "metrics/transfers.md").unlink()
    assert "no transfers.md" in str(call("two").exception)
    assert "no summary.json, table.md, transfers.md" in str(call("two", "--metrics", "nowhere").exception)


def test_as_a_user_starts_it(folder: Path) -> None:
    command = [sys.executable, "-m", "tools", "keep", "No-Name"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        1,
        "error: name 'No-Name': wanted a-z, 0-9 and _ only, it becomes the files' name\n",
    )


def test_a_name_without_a_block_is_said() -> None:
    with pytest.raises(ValueError, match=r"no block `students\.huge`"):
        settings_of({**PARAMS, "run": {**PARAMS["run"], "students": ["huge"]}})


def test_the_settings_of_every_preset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    for path in sorted((ROOT / "presets").glob("*.yaml")):
        for small in (False, True) if "small" in YAML(typ="safe").load(path) else (False,):
            params = YAML(typ="safe").load(ROOT / "params.yaml")
            merge(params, read_preset(path.stem, small), path.stem)
            made = settings_of(params)
            assert made["preset"] == params["run"]["preset"]
            assert made["students"].keys() == set(params["run"]["students"])
            assert (made["subtasks"] != {}) == (small and path.stem.startswith("cascod"))
            json.dumps(made)
