"""A fresh store beside DVC's cache: an edit that reruns `teach` gets the answers back from the cache and pays
for the new ones only.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from api_server import serve
from conftest import ROOT

from stages.asking import reseed
from stages.asking.store import Store
from stages.records.example import Example, write_examples

PIPELINE = """
stages:
  teach:
    cmd: python -m stages.teach t raw examples.jsonl shown.txt out.jsonl counts.json
    deps: [examples.jsonl, code.txt]
    outs: [out.jsonl]
"""


def examples(count: int) -> list[Example]:
    return [
        Example(f"made-{i}", "made", f"How many are {i} and {i}?", str(2 * i), "number") for i in range(count)
    ]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    block = {"backend": "openai", "endpoint": "here", "model": "m", "samples": 3, "temperature": 0.7}
    block["method"] = "zero_shot_cot"  # two steps
    params = {
        "teachers": {"t": block},
        "endpoints": {"here": {"base_url": ""}},
        "prices": {},
        "methods": {"zero_shot_cot": {}},
    }
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").write_text(json.dumps(params))
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "shown.txt").write_text("")
    (folder / "code.txt").write_text("1")
    write_examples(folder / "examples.jsonl", examples(4))
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder


def repro(folder: Path, store: Path, url: str) -> None:
    params = json.loads((folder / "params.yaml").read_text())
    params["endpoints"]["here"]["base_url"] = url
    (folder / "params.yaml").write_text(json.dumps(params))
    done = subprocess.run(
        ["dvc", "repro"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "COT_STORE": str(store), "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_dvc_has_is_not_paid_for_again(project: Path, tmp_path: Path) -> None:
    with serve() as server:
        repro(project, tmp_path / "first.sqlite", server.url)
        assert server.count("/chat/completions") == 4 * 3 * 2
        written = (project / "out.jsonl").read_bytes()
        (project / "code.txt").write_text("2")  # an edit reruns the stage on a machine without the store
        repro(project, tmp_path / "second.sqlite", server.url)
        assert server.count("/chat/completions") == 4 * 3 * 2
        assert (project / "out.jsonl").read_bytes() == written
        write_examples(project / "examples.jsonl", examples(5))
        repro(project, tmp_path / "third.sqlite", server.url)
        assert server.count("/chat/completions") == 5 * 3 * 2
        assert (project / "out.jsonl").read_bytes().startswith(written)


def test_without_a_cache_everything_is_asked(project: Path, tmp_path: Path) -> None:
    with serve() as server:
        repro(project, tmp_path / "first.sqlite", server.url)
        shutil.rmtree(project / ".dvc" / "cache")
        (project / "code.txt").write_text("2")
        repro(project, tmp_path / "second.sqlite", server.url)
        assert server.count("/chat/completions") == 2 * 4 * 3 * 2


def test_outside_of_dvc_there_is_nothing_to_go_by(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert reseed.reseed(Store(tmp_path / "store.sqlite")) == 0


def test_answers_of_the_repository_are_not_asked_for(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine, an empty store, no cache, no server: the file that the block names is all there is."""
    with serve() as server:
        repro(project, tmp_path / "first.sqlite", server.url)
        written = (project / "out.jsonl").read_bytes()
    shutil.copy(project / "out.jsonl", project / "given.jsonl")
    shutil.rmtree(project / ".dvc" / "cache")
    params = json.loads((project / "params.yaml").read_text())
    params["teachers"]["t"]["answers"] = "given.jsonl"
    (project / "params.yaml").write_text(json.dumps(params))
    (project / "code.txt").write_text("2")
    monkeypatch.setenv("COT_MODE", "replay")
    repro(project, tmp_path / "second.sqlite", "http://127.0.0.1:9/v1")
    assert (project / "out.jsonl").read_bytes() == written


def test_given_answers_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"given\.jsonl: no such file"):
        reseed.reseed(Store(tmp_path / "store.sqlite"), tmp_path / "given.jsonl")
