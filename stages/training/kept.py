"""Kept: a finished training stays on disk until DVC has recorded what came of it, or a week has passed.

Between a training's end and the moment when DVC has hashed its outs a kill would lose all of it: DVC deletes
a stage's outs before it runs the stage again.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.records.files import sha256_of
from stages.records.jsonl import write_json

DAYS = 7.0  # after which a finished training goes, recorded or not
FINISHED = "finished.json"
TOKENS = "tokens"
KEY = re.compile("[0-9a-f]{32}")  # a training's folder: what decides its result, as `train` names it
OUTPUTS = "outputs.json"


def work_home() -> Path:
    """The folder of all running states: $COT_WORK, else one of the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("COT_WORK") or cache / "cot-distill" / "training")


def token_home() -> Path:
    """The folder of tokenised texts, one folder for each file of them (stages/training/tokenised.py)."""
    return work_home() / TOKENS


def file_hash(path: Path) -> bytes:
    """sha256 of a file of any size, read once as long as it stays as it is: a second a gigabyte."""
    found = path.stat()
    return hash_of(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=8)
def hash_of(path: Path, size: int, changed: int) -> bytes:
    return bytes.fromhex(sha256_of(path))


def keep_finished(work: Path, facts: dict[str, Any]) -> None:
    """Note that best.pt is the result, with what its counts need; the states go, which are larger."""
    write_json(work / FINISHED, facts)
    for state in (*work.glob("state-*"), work / "part"):
        shutil.rmtree(state, ignore_errors=True)


def read_finished(work: Path) -> dict[str, Any] | None:
    """The facts of a training that has ended, None for one that has not."""
    path = work / FINISHED
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def note_outputs(work: Path, loss_csv: Path) -> None:
    """Note by what the outs of a finished training can be recognised in dvc.lock."""
    write_json(work / OUTPUTS, {"loss_csv": hashlib.md5(loss_csv.read_bytes()).hexdigest()})


def is_recorded(work: Path, lock: str) -> bool:
    """Whether DVC has the outs: it writes the text of dvc.lock when they are in its cache."""
    path = work / OUTPUTS
    return path.exists() and json.loads(path.read_text(encoding="utf-8"))["loss_csv"] in lock


def trainings(home: Path) -> list[Path]:
    """The folders of all trainings, the one that was touched last at the end; nobody else's."""
    return sorted((path for path in home.glob("*/") if KEY.fullmatch(path.name)), key=last_touched)


def token_folders(home: Path) -> list[Path]:
    """Those of tokenised texts, likewise."""
    return sorted((home / TOKENS).glob("*/"), key=last_touched)


def last_touched(work: Path) -> float:
    """Seconds since 1970."""
    return max(path.stat().st_mtime for path in (work, *work.iterdir()))


def clear_recorded(home: Path, lock: Path = Path("dvc.lock")) -> None:
    """Remove the finished trainings whose outs DVC has by now, those that ended DAYS ago, and tokenised texts
    that no training has used for so long.
    """
    text = lock.read_text(encoding="utf-8") if lock.exists() else ""
    for work in trainings(home):
        if read_finished(work) is not None and (is_old(work) or is_recorded(work, text)):
            clear(work)
    for folder in filter(is_old, token_folders(home)):
        clear(folder)


def is_old(work: Path) -> bool:
    return time.time() - last_touched(work) > DAYS * 24 * 3600


def clear(work: Path) -> bool:
    """Remove a training's folder; False if it is being trained right now."""
    with only_if_idle(work) as idle:
        if idle:
            shutil.rmtree(work)
    return idle


@contextmanager
def only_if_idle(work: Path) -> Iterator[bool]:
    """Hold the lock of a training in this block; False if somebody else does (stages/train.py, `lock_of`)."""
    with work.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
