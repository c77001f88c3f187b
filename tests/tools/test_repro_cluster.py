"""`cot repro --ray`: the same cells on a cluster of two workers, with and without a disk that all see."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_pipeline import SmallPipeline

from tools.repro import cluster, side_by_side


class Elsewhere(cluster.Place):
    """A machine that does not see the disk."""

    def __init__(self, number: int, side: str, _: str) -> None:
        super().__init__(number, side, "another token")


@pytest.fixture
def expected(tmp_path: Path) -> SmallPipeline:
    pipeline = SmallPipeline(tmp_path / "alone", "abc")
    given = os.environ | {"JOURNAL": str(pipeline.journal)}
    subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=pipeline.folder, env=given, check=True
    )
    return pipeline


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
@pytest.mark.parametrize("disk", ["shared", "separate"])
def test_a_cluster_leaves_what_dvc_repro_leaves(
    expected: SmallPipeline, disk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk of its own a worker gets the files, and DVC's remote brings data there and results back."""
    ray = pytest.importorskip("ray", reason="no ray: pip install 'cot-distill[cluster]'")
    pipeline = SmallPipeline(tmp_path / "cluster", "abc")
    monkeypatch.chdir(pipeline.folder)
    monkeypatch.setenv("JOURNAL", str(pipeline.journal))
    if disk == "separate":
        monkeypatch.setattr(cluster, "Place", Elsewhere)
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        words = ["remote", "add", "--local", "--default", "store", str(tmp_path / "remote")]
        subprocess.run([sys.executable, "-m", "dvc", *words], check=True)
    side_by_side(pipeline.folder, [], 2, "local")
    for name in ("dvc.lock", "metrics/table.md", "metrics/cells/c.json", "metrics/loss/c.json"):
        assert (pipeline.folder / name).read_bytes() == (expected.folder / name).read_bytes()
    ran = pipeline.ran()
    assert sorted(name for name, *_ in ran) == expected.names()
    folders = {folder for name, _, folder, _ in ran if name.startswith("train@")}
    assert all(("cot-repro-" in folder) == (disk == "separate") for folder in folders)
    assert not any(Path(folder).exists() for folder in folders)
    assert pipeline.left() == []


def test_without_a_disk_that_all_see_a_remote_is_needed(tmp_path: Path) -> None:
    pipeline = SmallPipeline(tmp_path, "a")
    with pytest.raises(ValueError, match="does not see this disk: `dvc remote add --default`"):
        cluster.send(pipeline.folder, [])


def test_what_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install 'cot-distill\[cluster\]'"):
        cluster.import_ray()
