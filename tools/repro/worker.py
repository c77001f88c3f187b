"""A worker of `cot repro`, a process of its own: DVC in one folder, a cell a line.

In: cells as JSON lines on standard input. Out: a JSON line for each, with its error or null. What DVC and the
stages print goes into the log.
"""

import json
import os
import queue
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any


def link(source: Path, target: Path) -> None:
    """A file or a folder of the checkout, also here: no second copy where one disk holds both."""
    if source.is_dir():
        for path in source.iterdir():
            link(path, target / path.name)
    elif source.exists() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source.resolve(), target)
        except OSError:
            shutil.copy2(source, target)


def reproduce(repo: Any, cell: dict[str, Any], checkout: Path | None) -> str | None:
    """Bring a cell's stages up to date: what went wrong, or None. `checkout`: where its worktree is from."""
    from dvc.exceptions import DvcException
    from dvc.utils.serialize import dump_yaml

    if checkout:  # a worktree: it gets what the cell reads, and only the cell's part of dvc.lock
        for path in cell["needs"]:
            link(checkout / path, Path(path))
        dump_yaml("dvc.lock", {"schema": "2.0", "stages": cell["lock"]})
    away = cell["remote"] and checkout is not None
    try:
        if away and (missing := [path for path in cell["needs"] if not os.path.exists(path)]):
            repo.pull(targets=missing, run_cache=True)
        repo.reproduce(cell["stages"], single_item=True, pull=cell["remote"] and not away)
        if away:
            repo.push(targets=cell["stages"], run_cache=True)
    except (DvcException, OSError) as error:
        return f"{error}: {error.__cause__}" if error.__cause__ else str(error)
    return None


def read_lines(lines: IO[str], given: "queue.Queue[str | None]", patient: bool) -> None:
    """What is to do. Where the parent has gone, so do this process and the stage that it runs, a training of
    hours maybe; the checkout's own worker ends its cell first, as it writes dvc.lock.
    """
    for line in lines:
        given.put(line)
    given.put(None)
    if not patient:
        os.killpg(0, signal.SIGTERM)


def own_channel(log: Path) -> tuple[IO[str], IO[str]]:
    """Standard input and output for the parent alone; what stages print goes into the log."""
    lines, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w", buffering=1)
    with log.open("ab") as out, open(os.devnull) as nothing:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        os.dup2(nothing.fileno(), 0)
    return lines, answers


def main(folder: str, log: str, checkout: str = "") -> None:
    """Work in a worktree of `checkout`, or in the checkout itself."""
    lines, answers = own_channel(Path(log))
    os.chdir(folder)
    os.environ.pop("DVC_ROOT", None)
    given: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=read_lines, args=(lines, given, not checkout), daemon=True).start()
    from dvc.repo import Repo

    repo = Repo(".")
    while (line := given.get()) is not None:
        error = reproduce(repo, json.loads(line), Path(checkout) if checkout else None)
        print(json.dumps({"error": error}), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
