"""Reseed: what a stage wrote last time, and DVC's cache still holds, goes back into the store before anything
is asked.

On a fresh clone the store is empty; after `dvc pull` the answers are there all the same, as completions. An
edit that reruns `teach` or `predict` must not pay for them again.
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


def reseed(store: Store) -> int:
    """How many answers the store got back. Nothing outside of a DVC run: $DVC_STAGE and $DVC_ROOT are what
    DVC sets for its stages.
    """
    stage = os.environ.get("DVC_STAGE")
    root = os.environ.get("DVC_ROOT")
    if not stage or not root:
        return 0
    new = 0
    for path in cached_outs(stage, Path(root)):
        found = read_own(path, None)
        new += keep_answers(
            store, ((found.requests.get(key, key), samples) for key, samples in found.answers.items())
        )["new"]
    return new
