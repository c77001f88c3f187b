"""Files of stamps, data/code/NAME: written by `check`, and by the next one compared with what it finds."""

from collections.abc import Mapping
from pathlib import Path

from stages.checking.parts import Stamp
from stages.records.jsonl import write_text


def read_stamp(path: Path) -> Stamp:
    lines = [line.partition("  ") for line in path.read_text(encoding="utf-8").splitlines()]
    return {part: sha for sha, _, part in lines}


def read_stamps(folder: Path) -> dict[str, Stamp]:
    """What a former `check` wrote; nothing where there was none."""
    return {path.name: read_stamp(path) for path in sorted(folder.glob("*"))}


def write_stamps(folder: Path, found: Mapping[str, Stamp]) -> None:
    """One file each, and no other file in the folder."""
    for path in folder.glob("*"):
        if path.name not in found:
            path.unlink()
    for name, stamp in found.items():
        write_text(folder / name, "".join(f"{sha}  {part}\n" for part, sha in sorted(stamp.items())))


def moved(before: Mapping[str, Stamp], after: Mapping[str, Stamp]) -> dict[str, list[str]]:
    """Part -> the stamps that it moved, of those that were there before: {"stages/train.py": ["train"]}."""
    found: dict[str, list[str]] = {}
    for name in sorted(before.keys() & after.keys()):
        for part in sorted(before[name].keys() | after[name].keys()):
            if before[name].get(part) != after[name].get(part):
                found.setdefault(part, []).append(name)
    return found
