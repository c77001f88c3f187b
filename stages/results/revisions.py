"""What Git and the working tree hold of params.yaml and metrics/, and what differs between two states of
them. Needs no data and no cache.
"""

import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

COST = ("completions", "tokens_in", "tokens_out", "dollars")
FUNNEL = (
    "train.questions_listed",
    "train.rows_in",
    "train.rows_out",
    "train.questions_out",
    "validation.rows_out",
)
ROWS = ("rows.train", "rows.validation", "rows.test")

Files = dict[str, str]  # path -> text


def git(*arguments: str) -> bytes:
    """What git says. Raises ValueError with its message where it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    if done.returncode:
        raise ValueError(f"git {' '.join(arguments)}: {done.stderr.decode().strip()}")
    return done.stdout


def at_revision(revision: str) -> Files:
    """params.yaml and the JSON files under metrics/ as committed."""
    try:
        commit = git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    except ValueError as error:
        raise ValueError(
            f"{revision!r} is no revision here, wanted one such as HEAD~1, main or a commit's hash ({error})"
        ) from error
    with tarfile.open(
        fileobj=io.BytesIO(git("archive", "--format=tar", commit, "params.yaml", "metrics"))
    ) as archive:
        members = [
            (member.name, archive.extractfile(member))
            for member in archive
            if member.name.endswith((".json", ".yaml"))
        ]
        return {name: file.read().decode() for name, file in members if file}


def in_working_tree() -> Files:
    return {
        path.as_posix(): path.read_text(encoding="utf-8")
        for path in (Path("params.yaml"), *sorted(Path("metrics").rglob("*.json")))
    }


def folder(files: Files, name: str) -> dict[str, dict[str, Any]]:
    """The objects of metrics/<name>/*.json by their name."""
    start = f"metrics/{name}/"
    return {
        path.removeprefix(start).removesuffix(".json"): json.loads(text)
        for path, text in files.items()
        if path.startswith(start)
    }


def said(value: Any) -> str:
    return "-" if value is None else "a block" if isinstance(value, dict) else str(value)


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path, None where nothing does."""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def data_table(before: Files, after: Files) -> list[list[str]]:
    """Rows, questions, tokens and dollars of splits, corpora and teachers that moved, or came or went."""
    rows = []
    for name, fields in (("splits", ROWS), ("funnels", FUNNEL), ("costs", COST)):
        old = folder(before, name)
        new = folder(after, name)
        for one in dict.fromkeys([*old, *new]):
            pairs = [(field, at(old.get(one), field), at(new.get(one), field)) for field in fields]
            rows += [
                [f"{name}/{one}", field, said(then), said(now)] for field, then, now in pairs if then != now
            ]
    return [["what", "field", "before", "after"], *rows]


def differing(before: dict[str, Any], after: dict[str, Any], path: str = "") -> list[list[str]]:
    """[path, before, after] of the values that differ; "-" where a side has none, one line for a block that
    only one side has.
    """
    rows = []
    for key in dict.fromkeys([*before, *after]):
        then = before.get(key)
        now = after.get(key)
        if isinstance(then, dict) and isinstance(now, dict):
            rows += differing(then, now, f"{path}{key}.")
        elif then != now:
            rows.append([f"{path}{key}", said(then), said(now)])
    return rows


def params_table(before: Files, after: Files) -> list[list[str]]:
    old, new = (YAML(typ="safe").load(files["params.yaml"]) for files in (before, after))
    return [["parameter", "before", "after"], *differing(old, new)]
