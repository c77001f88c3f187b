"""A worker's own checkout: a Git worktree with the uncommitted changes, which shares DVC's cache."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.config import Config
from dvc.repo import Repo

from stages.config.load import parse_yaml
from tools.repro.worker import link

SIDE = Path(".dvc/tmp/side")  # Git and DVC look at nothing below .dvc/tmp


def git(root: Path, *words: str) -> str:
    """What git says. Raises ValueError with its last line where it fails."""
    # no hooks: `dvc install` leaves one that checks all data out
    command = ["git", "-C", str(root), "-c", "core.hooksPath=/dev/null", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"git {words[0]}: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
    return done.stdout


def remove_worktrees(root: Path) -> None:
    """Those of this run, or those that a killed one left."""
    for folder in (root / SIDE).glob("worker*/"):
        shutil.rmtree(folder, ignore_errors=True)
    git(root, "worktree", "prune")


@contextmanager
def alone(root: Path) -> Iterator[Path]:
    """The folder of logs and worktrees, for one `cot repro` at a time; no worktree outlives it.

    Raises ValueError where another one works in this checkout.
    """
    side = root / SIDE
    side.mkdir(parents=True, exist_ok=True)
    with (side / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{root}: another `cot repro` works here") from None
        remove_worktrees(root)
        try:
            yield side
        finally:
            remove_worktrees(root)


def changed_files(root: Path) -> list[str]:
    """What is not as in HEAD and what is new, deleted files too; and all of local/, ignored or not."""
    tracked = git(root, "diff", "--name-only", "--no-renames", "-z", "HEAD")
    new = git(root, "ls-files", "-z", "--others", "--exclude-standard")
    local = [str(path.relative_to(root)) for path in (root / "local").rglob("*") if path.is_file()]
    return [*filter(None, f"{tracked}{new}".split("\0")), *local]


def carry(root: Path, worktree: Path, names: list[str]) -> None:
    for name in names:
        source, target = root / name, worktree / name
        target.unlink(missing_ok=True)
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def set_local(folder: Path, **sections: dict[str, Any]) -> None:
    """Settings of DVC for one checkout alone, beside those that it has."""
    with Config(str(folder / ".dvc")).edit("local") as settings:
        for name, values in sections.items():
            settings[name].update(values)


def share_cache(root: Path, worktree: Path) -> None:
    """The checkout's own settings, its cache, and links into it instead of copies: students are large."""
    local = root / ".dvc/config.local"
    if local.exists():
        shutil.copy2(local, worktree / ".dvc/config.local")
    cache = Repo(str(root)).cache.local_cache_dir
    set_local(worktree, cache={"dir": cache, "type": ["hardlink", "symlink", "copy"]})


def link_bases(root: Path, worktree: Path) -> None:
    """Weights that `base: {path}` names below the checkout, tracked or not: no stage may depend on them."""
    params = parse_yaml(root / "params.yaml", str(root / "params.yaml"))
    blocks = [*params.get("students", {}).values(), *params.get("teachers", {}).values()]
    for path in dict.fromkeys((block.get("base") or {}).get("path") for block in blocks):
        if path and ".." not in Path(path).parts and not Path(path).is_absolute() and (root / path).is_dir():
            link(root / path, worktree / path)


def add_worktree(root: Path, number: int, names: list[str]) -> Path:
    """Worker `number`'s folder, with the checkout's changed files."""
    worktree = root / SIDE / f"worker{number}"
    git(root, "worktree", "add", "--quiet", "--detach", str(worktree), "HEAD")
    carry(root, worktree, names)
    link_bases(root, worktree)
    share_cache(root, worktree)
    (worktree / ".dvc/tmp").mkdir(exist_ok=True)
    return worktree


def absolute(environment: dict[str, str]) -> dict[str, str]:
    """Paths in variables, as they are meant in the checkout."""
    paths = ("COT_MIRROR", "COT_STORE", "COT_WORK")
    return environment | {name: os.path.abspath(environment[name]) for name in paths if environment.get(name)}
