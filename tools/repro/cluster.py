"""Workers on the machines of a Ray cluster: each starts the same process there that a local worker is.

Where a machine sees this checkout's disk, a cell's worktree and DVC's cache are the ones here. Elsewhere it
gets the files, and DVC's default remote carries data there and results back.
"""

import io
import os
import shutil
import tarfile
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from tools.repro.cells import Cell, read_lock
from tools.repro.team import PATIENCE, LocalWorker
from tools.repro.worktree import absolute, add_worktree, changed_files, git, set_local

TOKEN = "token"  # a file beside the worktrees: who reads it sees this disk


def import_ray() -> Any:
    """Raises ValueError where the extra is not installed."""
    try:
        import ray
    except ImportError:
        raise ValueError("--ray: Ray is not installed: pip install 'cot-distill[cluster]'") from None
    return ray


def sees(side: Path, token: str) -> bool:
    """Does this machine see the disk on which that file lies?"""
    file = side / TOKEN
    return file.is_file() and file.read_text() == token


def pack(worktree: Path) -> bytes:
    """A worktree's files, without Git's and DVC's own state."""
    left_out = {".git", ".dvc/tmp", ".dvc/cache"}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        tar.add(worktree, ".", filter=lambda info: None if info.name[2:] in left_out else info)
    return packed.getvalue()


def unpack(packed: bytes) -> Path:
    """Those files in a folder of this machine, which has a cache of its own and no Git."""
    folder = Path(tempfile.mkdtemp(prefix="cot-repro-"))
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(folder, filter="data")
    set_local(folder, cache={"type": ["hardlink", "symlink", "copy"]}, core={"no_scm": True})
    (folder / ".dvc/tmp").mkdir(exist_ok=True)
    return folder


class Place:
    """A worker on whatever machine Ray puts it; the methods are called from the machine of `cot repro`."""

    def __init__(self, number: int, side: str, token: str) -> None:
        self.number, self.side = number, Path(side)
        self.shared = sees(self.side, token)
        self.worker: LocalWorker | None = None
        self.own: Path | None = None

    def is_shared(self) -> bool:
        return self.shared

    def start(self, folder: str, packed: bytes, environment: dict[str, str]) -> None:
        """Start the process: in a worktree on the disk that both see, else in the packed files."""
        if self.shared:
            root, log = Path(folder), self.side / f"worker{self.number}.log"
            self.worker = LocalWorker(root, log, environment, self.side.parents[2])
        else:
            self.own = unpack(packed)
            log = self.own / ".dvc/tmp/worker.log"
            self.worker = LocalWorker(self.own, log, {}, self.own)

    def run(self, cell: dict[str, Any]) -> str | None:
        assert self.worker is not None
        return self.worker.run(Cell(**cell))

    def stop(self) -> None:
        if self.worker:
            self.worker.stop()
        if self.own:
            shutil.rmtree(self.own, ignore_errors=True)


class RayWorker:
    """A worker's end here."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self.ray, self.actor = ray, actor

    def run(self, cell: Cell) -> str | None:
        try:
            error: str | None = self.ray.get(self.actor.run.remote(cell.as_dict()))
        except self.ray.exceptions.RayError as lost:
            return f"the worker was lost: {str(lost).splitlines()[0]}"
        return error

    def stop(self) -> None:
        with suppress(self.ray.exceptions.RayError):  # it is lost, with its process
            self.ray.get(self.actor.stop.remote(), timeout=3 * PATIENCE)
        self.ray.kill(self.actor)


def connect(address: str, jobs: int | None) -> tuple[Any, int, dict[str, int]]:
    """Ray, how many workers, and what each takes of its machine: a GPU where there are some, else a core."""
    ray = import_ray()
    quiet = {"include_dashboard": False} if address == "local" else {}
    ray.init(address, num_cpus=jobs if address == "local" else None, log_to_driver=False, **quiet)
    found = ray.cluster_resources()
    kind = "num_gpus" if found.get("GPU") else "num_cpus"
    return ray, jobs or int(found.get("GPU") or found["CPU"]), {kind: 1}


def send(root: Path, cells: list[Cell]) -> list[Cell]:
    """What the cells read, pushed to the default remote; and the cells as another disk needs them.

    Raises ValueError where DVC has no default remote.
    """
    repo = Repo(str(root))
    if not repo.config["core"].get("remote"):
        raise ValueError("a machine of the cluster does not see this disk: `dvc remote add --default` for it")
    tracked = set(git(root, "ls-files", "-z").split("\0"))
    repo.push(targets=sorted({path for cell in cells for path in cell.needs} - tracked))
    lock = read_lock(root)
    return [replace(cell, lock=lock, remote=True) for cell in cells]


def start_cluster(
    root: Path, side: Path, address: str, jobs: int | None, cells: list[Cell], stack: ExitStack
) -> tuple[list[RayWorker], list[Cell]]:
    """The workers, and the cells as they need them. What was started ends with the stack."""
    ray, jobs, share = connect(address, jobs)
    stack.callback(ray.shutdown)
    token = os.urandom(16).hex()
    (side / TOKEN).write_text(token)
    kind = ray.remote(Place).options(max_concurrency=2, **share)  # `stop` comes while it runs a cell
    numbers = range(1, min(jobs, len(cells)) + 1)
    actors = [kind.remote(number, str(side), token) for number in numbers]
    shared = ray.get([actor.is_shared.remote() for actor in actors])
    names = changed_files(root)
    packed = b""
    if not all(shared):
        cells = send(root, cells)
        packed = pack(add_worktree(root, 0, names))
    sent = ray.put(packed)
    given = {name: value for name, value in os.environ.items() if name.startswith("COT_")}
    for number, actor, here in zip(numbers, actors, shared, strict=True):
        folder = add_worktree(root, number, names) if here else ""
        ray.get(actor.start.remote(str(folder), sent, absolute(given)))
        stack.callback(RayWorker(ray, actor).stop)
    return [RayWorker(ray, actor) for actor in actors], cells
