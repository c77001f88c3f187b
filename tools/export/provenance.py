"""Provenance: which commit, which settings, and whether what lies here is what they make."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stages.checking.parts import value_hash
from stages.config.load import read_params
from stages.results.revisions import git

# an axis of the grid -> where the blocks of its names stand in params.yaml
BLOCKS = {
    "dataset": ("datasets",),
    "split": ("splits",),
    "teacher": ("teachers",),
    "curation": ("curations",),
    "method": ("methods",),
    "student": ("students",),
    "decoding": ("decodings",),
    "mentor": ("mentors", "students"),
    "first": ("methods",),
}


# what decides a result
DECIDES = ("stages", "params.yaml", "dvc.yaml", "dvc.lock", "metrics", "local", "students")


class Origin(NamedTuple):
    commit: str
    page: str | None  # of the repository, for people; None: it has no address, or one of another kind
    changed: list[str]  # files that the commit does not have as they are here


def origin() -> Origin:
    """Of the checkout in the current folder. Raises ValueError where Git knows none."""
    changed = [line[3:] for line in git("status", "--porcelain", "--", *DECIDES).decode().splitlines()]
    try:
        address = git("remote", "get-url", "origin").decode().strip()
    except ValueError:
        address = ""
    page = address.removesuffix(".git") if address.startswith("https://") and "@" not in address else None
    return Origin(git("rev-parse", "HEAD").decode().strip(), page, changed)


def blocks_of(axes: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks of params.yaml that some axes' values name, and those that these name; their hash is
    `params_hash`.
    """
    params = read_params()
    found: dict[str, Any] = {}
    todo = [(folder, axes.get(axis)) for axis, folders in BLOCKS.items() for folder in folders]
    while todo:
        folder, name = todo.pop()
        blocks = params.get(folder) or {}
        if name in blocks and name not in found.setdefault(folder, {}):
            found[folder][name] = blocks[name]
            todo += named_by(folder, blocks[name] or {})
    return {folder: found[folder] for folder in sorted(found) if found[folder]}


def named_by(folder: str, block: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The other blocks that decide what a block makes: a variant's, a joined teacher's, a judge's, and who
    tells a student probabilities.
    """
    judge, distil = block.get("judge") or {}, block.get("distil") or {}
    return {
        "methods": [("methods", block.get("like"))],
        "teachers": [("teachers", name) for name in block.get("teachers") or []],
        "curations": [("judges", judge.get("by"))],
        "students": [("students", distil.get("teacher"))],
    }.get(folder, [])


def params_hash(axes: Mapping[str, Any]) -> str:
    return value_hash(blocks_of(axes))


def outdated(*targets: str) -> list[str]:
    """Of these stages as DVC names them, those whose inputs or outputs are not as dvc.lock recorded them, and
    those that `run` does not declare any more.
    """
    from dvc.exceptions import DvcException, NoOutputOrStageError
    from dvc.repo import Repo

    found = []
    try:
        with Repo(str(Path.cwd())) as repo:
            for target in targets:
                try:
                    found += [target] if repo.status(targets=[target]) else []
                except NoOutputOrStageError:
                    found.append(target)
    except DvcException as error:
        raise ValueError(f"dvc status: {error}") from error
    return found


def told_origin(at: Origin, axes: Mapping[str, Any], stale: list[str]) -> list[str]:
    """Lines of a card."""
    commit = f"[{at.commit[:12]}]({at.page}/tree/{at.commit})" if at.page else f"`{at.commit}`"
    lines = [f"- cot-distill at commit {commit}"]
    lines.append(f"- settings: [params.json](params.json), sha256 `{params_hash(axes)}`")
    if at.changed:
        shown = ", ".join(f"`{name}`" for name in at.changed[:5])
        more = f" and {len(at.changed) - 5} more" if len(at.changed) > 5 else ""
        lines.append(f"- **the tree had changes that the commit does not have**: {shown}{more}")
    if stale:
        lines.append(
            "- **dvc.lock recorded other files or settings** for "
            + ", ".join(f"`{stage}`" for stage in stale)
            + ": numbers and files may not belong together"
        )
    return lines
