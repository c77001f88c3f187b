"""Presets: each is legal, changes what it says and no comment, and can be taken back."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from stages.check import check_all
from stages.config.load import read_params
from tools import presets

PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


def overlay(name: str) -> dict:
    return YAML(typ="safe").load(ROOT / "presets" / f"{name}.yaml")


VARIANTS = [
    (name, small) for name in PRESETS for small in ([False, True] if "small" in overlay(name) else [False])
]


def params() -> dict:
    return YAML(typ="safe").load(ROOT / "params.yaml")


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the parameters and the presets, and the working directory meanwhile."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    answers = "stages/teachers/answers"  # what a teacher's block names is looked for
    shutil.copytree(ROOT / answers, tmp_path / answers)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: str) -> Result:
    """The command in this process: a new one takes a second to import everything, and there
    are many presets.
    """
    return CliRunner().invoke(presets.app, words)


def start(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """The command as a user starts it."""
    command = [sys.executable, "-m", "tools", "presets", *words]
    return subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def comments(path: Path) -> list[str]:
    return [line[line.index("#") :].strip() for line in path.read_text().splitlines() if "#" in line]


@pytest.mark.parametrize(("name", "small"), VARIANTS)
def test_use_writes_a_valid_file_keeps_the_comments_and_can_be_taken_back(
    name: str, small: bool, copy: Path
) -> None:
    done = call("use", name, *(["--small"] if small else []))
    assert done.exit_code == 0, done.exception
    written = read_params(copy / "params.yaml")
    preset = overlay(name)
    check_all(written)
    smaller = preset.get("small", {}).get("run", {}) | {"preset": f"{name}_small"} if small else {}
    assert written["run"] == params()["run"] | preset["run"] | smaller
    assert preset["run"]["preset"] == name
    assert comments(copy / "params.yaml") == comments(ROOT / "params.yaml")
    assert call("use", "embedded").exit_code == 0
    assert (copy / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


@pytest.mark.parametrize("name", PRESETS)
def test_args_say_the_same_as_use(name: str, copy: Path) -> None:
    words = call("args", name).stdout.split("\n")[:-1]
    assert words[::2] == ["-S"] * (len(words) // 2)
    listed = ",".join(YAML(typ="safe").load(ROOT / "presets" / f"{name}.yaml")["run"]["datasets"])
    assert f"run.datasets=[{listed}]" in words[1::2]


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ("run: {dataset: [svamp]}", "unknown key `run.dataset`; params.yaml has: preset, datasets, splits"),
        ("students: {tiny: {learning_rate: 1}}", "unknown key `students.tiny.learning_rate`"),
        ("students: {mine: {lr: 1.0}}", "`students.mine.base`: missing"),
        (
            "run: {students: [mine]}",
            "names 'mine', but there is no block `students.mine`; there are: tiny, smollm2",
        ),
    ],
)
def test_a_wrong_preset_changes_nothing(overlay: str, said: str, copy: Path) -> None:
    (copy / "presets" / "wrong.yaml").write_text(overlay)
    before = (copy / "params.yaml").read_text()
    done = call("use", "wrong")
    assert isinstance(done.exception, ValueError)
    assert said in str(done.exception)
    assert (copy / "params.yaml").read_text() == before
    assert sorted(path.name for path in copy.iterdir()) == ["params.yaml", "presets", "stages"]


def test_an_unknown_preset_lists_those_there_are(copy: Path) -> None:
    assert f"no preset 'relesed'; there are: {', '.join(PRESETS)}" in str(call("use", "relesed").exception)


def test_the_command_writes_a_preset_and_refuses_a_wrong_one_in_one_line(copy: Path) -> None:
    done = start(copy, "use", "scotd_main")
    assert done.returncode == 0, done.stderr
    assert "now holds the preset scotd_main" in done.stdout
    assert read_params()["run"]["preset"] == "scotd_main"
    (copy / "presets" / "wrong.yaml").write_text("run: {dataset: [svamp]}")
    done = start(copy, "use", "wrong")
    assert done.returncode == 1
    assert done.stderr.startswith("error: presets/wrong.yaml: unknown key `run.dataset`")
    assert "Traceback" not in done.stderr


def test_dvc_can_rewrite_the_parameters(copy: Path) -> None:
    """`dvc exp run -S` writes the file anew with short lines and then reads it: a url in a flow mapping did
    not survive that.
    """
    from dvc.utils.serialize import modify_yaml

    with modify_yaml(copy / "params.yaml") as values:
        values["run"]["seeds"] = [7]
    assert read_params(copy / "params.yaml") == params() | {"run": params()["run"] | {"seeds": [7]}}
