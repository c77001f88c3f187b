"""The package: a wheel holds every file that the code reads, `cot` runs from it, and a pull request's check
needs no more than is installed for it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from made_cells import write_cell
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PULL_REQUEST = PROJECT["dependency-groups"]["pull-request"]
BUILD = "from setuptools import build_meta; print(build_meta.build_wheel('wheels'))"


def tracked_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what Git tracks, unpacked."""
    source = tmp_path_factory.mktemp("source")
    for name in tracked_files():
        if name.startswith(("stages/", "tools/", "tests/")) or "/" not in name:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    built = subprocess.run([sys.executable, "-c", BUILD], cwd=source, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    site = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(source / "wheels" / built.stdout.split()[-1]).extractall(site)
    return site


def run_from(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`cot` of an installed package, in a folder outside every checkout."""
    code = f"import tools.cot as cot; assert cot.__file__.startswith({str(site)!r}), cot.__file__; cot.main()"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-P", "-c", code, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_wheel_holds_all_of_stages_and_tools_and_nothing_else(wheel: Path) -> None:
    packed = {path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()}
    wanted = {name for name in tracked_files() if name.startswith(("stages/", "tools/"))}
    assert {name for name in packed if ".dist-info/" not in name} == wanted
    entry_points = next(wheel.glob("*.dist-info/entry_points.txt")).read_text()
    assert "cot = tools.cot:main" in entry_points.splitlines()


def test_cot_runs_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    listed = run_from(wheel, tmp_path, "--help")
    assert listed.returncode == 0, listed.stderr
    assert "presets" in listed.stdout
    table = run_from(wheel, tmp_path, "datasets")
    assert table.returncode == 0, table.stderr
    assert "gen_coin_flip" in table.stdout
    presets = run_from(wheel, tmp_path, "presets", "list")
    assert (presets.returncode, presets.stdout) == (1, "")
    assert "no params.yaml here; go to the root of a checkout of cot-distill" in presets.stderr


def test_a_page_and_the_lengths_are_read_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    code = (
        "from tools.pages.fill import with_data; from tools.benchmark.lengths import read_lengths;"
        " from stages.reporting.spec import read_paper;"
        " print(len(with_data('study', [])) > 1000, 'gsm8k' in read_lengths(), read_paper('ft').items != {})"
    )
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "True True True\n", done.stderr


# --- what is installed where


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_lock_pins_every_dependency_within_its_range() -> None:
    pinned = {canonicalize_name(name): version for name, version in pins().items()}
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_a_pull_request_installs_some_of_the_dependencies_and_names_them_once() -> None:
    declared = {Requirement(line).name for line in PROJECT["project"]["dependencies"]}
    assert {*PULL_REQUEST} <= declared - {"torch", "transformers", "openai", "datasets"}
    steps = (ROOT / ".github/workflows/pull-request.yml").read_text(encoding="utf-8")
    installed = re.findall(r"pip install (.*)", steps)
    assert installed == ["--upgrade pip", "-c requirements.lock --group pull-request", "--no-deps -e ."]


def with_dependencies(names: list[str]) -> set[str]:
    """Distributions, and those that they need."""
    found: set[str] = set()
    todo = [*names]
    while todo:
        name = canonicalize_name(todo.pop())
        if name in found:
            continue
        found.add(name)
        needed = map(Requirement, distribution(name).requires or [])
        todo += [one.name for one in needed if not one.marker or one.marker.evaluate({"extra": ""})]
    return found


# Python without the packages of the first argument.
WITHOUT = """
import runpy, sys
absent = sys.argv.pop(1).split(",")
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"{name}: not installed for a pull request", name=name)
sys.meta_path.insert(0, Absent())
sys.argv.pop(0)
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def absent() -> str:
    """Packages here that a pull request does not install."""
    installed = {*with_dependencies(PULL_REQUEST), "cot-distill"}
    owners = packages_distributions().items()
    return ",".join(name for name, by in owners if not installed & {*map(canonicalize_name, by)})


def run_without(absent: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WITHOUT, absent, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_check_of_a_pull_request_needs_no_more(absent: str, tmp_path: Path) -> None:
    done = run_without(absent, ROOT, "stages.check", str(tmp_path / "code"))
    assert done.returncode == 0, done.stderr
    assert {"torch", "transformers", "openai", "datasets", "httpx"} <= {*absent.split(",")}


def test_the_report_of_a_pull_request_needs_no_more(absent: str, tmp_path: Path) -> None:
    """Two commits between which a cell moved, so that its tests are made."""
    git = ["git", "-c", "user.name=n", "-c", "user.email=n@example.org"]
    ids = [f"toy-{row}" for row in range(12)]
    (tmp_path / "metrics/splits").mkdir(parents=True)
    (tmp_path / "params.yaml").write_text("run: {}\n")
    (tmp_path / "metrics/splits/toy-sample.json").write_text(json.dumps({"test_ids": " ".join(ids)}))
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    for marks in ("0" * 12, "1" * 12):
        write_cell(tmp_path / "metrics/cells", "toy-sample-fine_tune-tiny-0-greedy", correct=marks)
        subprocess.run([*git, "add", "-A"], cwd=tmp_path, check=True)
        subprocess.run([*git, "commit", "-q", "-m", "state"], cwd=tmp_path, check=True)
    done = run_without(absent, tmp_path, "tools", "compare", "HEAD~1", "HEAD", "--markdown")
    assert done.returncode == 0, done.stderr
    assert "| better |" in done.stdout
