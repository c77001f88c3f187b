"""Data sets that a test makes up: YAML files in a folder that stands in for stages/datasets."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from stages.config import dataset


def write_datasets(folder: Path, **datasets: dict[str, Any]) -> None:
    """NAME.yaml for each; JSON is YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in datasets.items():
        (folder / f"{name}.yaml").write_text(json.dumps(values))


def use_datasets(patch: pytest.MonkeyPatch, folder: Path, **datasets: dict[str, Any]) -> None:
    """These data sets and no others, in this process."""
    write_datasets(folder, **datasets)
    patch.setattr(dataset, "FOLDER", folder)


def with_datasets(folder: Path, **datasets: dict[str, Any]) -> dict[str, str]:
    """An environment in which `python -m stages.X` knows these data sets: a copy of the package, in links."""
    for path in (ROOT / "stages").iterdir():
        if path.name not in ("datasets", "__pycache__"):
            (folder / "stages").mkdir(parents=True, exist_ok=True)
            (folder / "stages" / path.name).symlink_to(path)
    write_datasets(folder / "stages" / "datasets", **datasets)
    for path in (ROOT / "stages" / "datasets").glob("*.py"):
        (folder / "stages" / "datasets" / path.name).symlink_to(path)
    return {**os.environ, "PYTHONPATH": str(folder)}
