"""Revisions: params.yaml and metrics/ as Git and the working tree hold them, and what differs between two.

Needs no data and no cache.
"""

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from stages.config.load import parse_yaml
from stages.records.jsonl import parse_json

COST = ("completions", "tokens_in", "tokens_out", "dollars")
FUNNEL = (
    *("train.questions_listed", "train.rows_in", "train.rows_out", "train.questions_out"),
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


def read_objects(files: Files, folder: str) -> dict[str, dict[str, Any]]:
    """The objects of metrics/FOLDER/*.json by their name."""
    start = f"metrics/{folder}/"
    return {
        path.removeprefix(start).removesuffix(".json"): parse_json(text, path)
        for path, text in files.items()
        if path.startswith(start)
    }


def value_text(value: Any) -> str:
    return "-" if value is None else "a block" if isinstance(value, dict) else str(value)


def field_at(value: Any, path: str) -> Any:
    """What stands at a dotted path, None where nothing does."""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def data_table(before: Files, after: Files) -> list[list[str]]:
    """Rows, questions, tokens and dollars of splits, corpora and teachers that moved, or came or went."""
    table = [["what", "field", "before", "after"]]
    for folder, fields in (("splits", ROWS), ("funnels", FUNNEL), ("costs", COST)):
        old = read_objects(before, folder)
        new = read_objects(after, folder)
        for name in dict.fromkeys([*old, *new]):
            for field in fields:
                then = field_at(old.get(name), field)
                now = field_at(new.get(name), field)
                if then != now:
                    table.append([f"{folder}/{name}", field, value_text(then), value_text(now)])
    return table


def changed_values(before: dict[str, Any], after: dict[str, Any], path: str = "") -> list[list[str]]:
    """[path, before, after] of the values that differ; "-" where a side has none.

    A block that only one side has is one line.
    """
    rows = []
    for key in dict.fromkeys([*before, *after]):
        then = before.get(key)
        now = after.get(key)
        if isinstance(then, dict) and isinstance(now, dict):
            rows += changed_values(then, now, f"{path}{key}.")
        elif then != now:
            rows.append([f"{path}{key}", value_text(then), value_text(now)])
    return rows


def params_table(before: Files, after: Files) -> list[list[str]]:
    old = parse_yaml(before["params.yaml"], "the former params.yaml")
    new = parse_yaml(after["params.yaml"], "params.yaml")
    return [["parameter", "before", "after"], *changed_values(old, new)]
