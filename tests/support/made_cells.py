"""Made-up cells: written under the name that DVC would give them, with their axes as fields."""

import json
from pathlib import Path
from typing import Any

from stages.config.run import AXES, SELDOM, Axes, as_fields


def axes_of(name: str) -> Axes:
    """The axes of a cell that a test names; a target is last, a baseline has no teacher and no curation."""
    values: list[Any] = name.split("-")
    target = values.pop() if len(values) in (7, 9) else None
    if len(values) == 6:
        values[2:2] = [None, None]
    values[6] = int(values[6])
    usual = [axis for axis in AXES if axis not in SELDOM]
    return dict.fromkeys(AXES) | dict(zip(usual, [*values, target], strict=True))


def write_cell(folder: Path, name: str, **numbers: Any) -> Path:
    """folder/NAME.json: the axes in its name, and `numbers`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**as_fields(axes_of(name)), **numbers}), encoding="utf-8")
    return path
