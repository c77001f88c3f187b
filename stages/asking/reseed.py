"""Reseed: what was answered once goes back into the store before anything is asked.

On a fresh clone the store is empty. After `dvc pull` the answers that a stage wrote last time are there all
the same, as completions in DVC's cache; and a teacher's block may name a file of answers that lies in the
repository. What reruns `teach` or `predict` must not pay for them again.
"""

import os
from pathlib import Path

from ruamel.yaml import YAML

from stages.asking.import_own import keep_answers, read_own
from stages.asking.store import Store


def cached_outs(stage: str, root: Path) -> list[Path]:
    """The .jsonl outs that dvc.lock names for a stage, where DVC's cache has them."""
    from dvc.repo import Repo  # half a second, and only when something is about to be asked

    lock = Path("dvc.lock")
    outs = (
        (YAML(typ="safe").load(lock) or {}).get("stages", {}).get(stage, {}).get("outs", [])
        if lock.exists()
        else []
    )
    cache = Repo(root).cache.local
    paths = [
        Path(cache.oid_to_path(out["md5"])) for out in outs if out["path"].endswith(".jsonl") and "md5" in out
    ]
    return [path for path in paths if path.exists()]


def reseed(store: Store, answers: Path | None = None) -> int:
    """How many answers the store got back: from the file `answers`, if there is one, and from DVC's cache in
    a DVC run ($DVC_STAGE and $DVC_ROOT are what DVC sets for its stages). Raises ValueError for a file that
    is missing or no file of answers.
    """
    if answers and not answers.is_file():
        raise ValueError(f"{answers}: no such file; the teacher's `answers` names what was answered before")
    stage = os.environ.get("DVC_STAGE")
    root = os.environ.get("DVC_ROOT")
    cached = cached_outs(stage, Path(root)) if stage and root else []
    new = 0
    for path in [answers, *cached] if answers else cached:
        found = read_own(path, None)
        new += keep_answers(
            store, ((found.requests.get(key, key), samples) for key, samples in found.answers.items())
        )["new"]
    return new
