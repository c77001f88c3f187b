"""An item from its preset: every grid run and kept, then the report; params.yaml afterwards as before."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from tools import keep, repro
from tools.presets.reading import is_beyond, label, read_items, read_preset
from tools.presets.writing import PARAMS, write_preset


def refuse_own_changes(root: Path) -> None:
    """Raises ValueError where params.yaml is not as committed: a run that is killed cannot put it back."""
    words = ["git", "status", "--porcelain", "--", str(PARAMS)]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{root}: git cannot say whether {PARAMS} is as committed: {done.stderr.strip()}")
    if done.stdout:
        raise ValueError(
            f"{PARAMS} has changes that are not committed, and each grid is written into it: commit them, or"
            f" `git checkout {PARAMS}`"
        )


@contextmanager
def put_back(path: Path) -> Iterator[None]:
    """A file is afterwards, byte for byte, what it was; also on an error or Ctrl-C."""
    before = path.read_bytes()
    try:
        yield
    finally:
        path.write_bytes(before)


def run_grids(root: Path, name: str, size: str, jobs: int | None) -> list[str]:
    """Reproduce and keep every grid of a preset; the pages of the papers that it makes items of.

    A grid that was finished before is up to date: DVC has its cells in dvc.lock or in the run cache.
    """
    refuse_own_changes(root)
    papers = read_items(name)
    out = keep.KEPT / "beyond" if is_beyond(name) else keep.KEPT
    grids = {label(name, grid, size): overlay for grid, overlay in read_preset(name, size).items()}
    for kept in grids:
        keep.check_name(kept, out, force=True)
    with put_back(root / PARAMS), repro.ended_by_signals():
        committed = (root / PARAMS).read_bytes()
        for kept, overlay in grids.items():
            typer.echo(f"{kept}: `dvc repro` with this preset")
            (root / PARAMS).write_bytes(committed)  # without the blocks of the grid before
            write_preset(overlay, name)
            repro.main(jobs=jobs)
            keep.main(kept, out=out, force=True)
        repro.dvc_repro(root, "report")  # what was kept last, too
    return [f"metrics/report/{paper}.html" for paper in papers]
