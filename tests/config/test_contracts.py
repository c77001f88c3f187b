"""Contracts: every plug-in of the repository keeps its own, by its types; what one lacks is told as lines to
write.
"""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT

import stages.methods
from stages.config.contracts import CONTRACTS, lines_of, load_plug_in, missing


def plug_ins(folder: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "stages" / folder).glob("*.py") if path.stem != "__init__")


def test_plug_ins_have_the_types_of_their_contracts(tmp_path: Path) -> None:
    """mypy takes a module for a Protocol. The last line proves that it refuses one: an ignore that ignores
    nothing is an error.
    """
    lines = ["from stages.config.contracts import Method, Teacher"]
    for folder, contract in (("methods", "Method"), ("teachers", "Teacher")):
        for name in plug_ins(folder):
            module = f"stages.{folder}.{name}"
            lines += [f"import {module}", f"{folder}_{name}: {contract} = {module}"]
    lines += ["no_method: Method = stages.teachers.human  # type: ignore[assignment]"]
    table = tmp_path / "table.py"
    table.write_text("\n".join(lines) + "\n")
    options = ["--config-file", "pyproject.toml", "--strict", "--follow-imports", "silent"]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(table)], cwd=ROOT, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("folder", CONTRACTS)
def test_an_empty_file_lacks_every_line(folder: str) -> None:
    contract = CONTRACTS[folder]
    assert missing(ModuleType("empty"), contract) == list(lines_of(contract).values())


def test_the_lines_of_a_method_are_python_that_keeps_the_contract() -> None:
    """Written out as they stand, below the imports that their types need, they lack nothing."""
    imports = [
        "from stages.config.load import Block",
        "from stages.records.completion import Completion",
        "from stages.records.example import Example",
        "from stages.records.sequence import Sequence",
    ]
    written = ModuleType("written")
    exec("\n".join([*imports, *lines_of(CONTRACTS["methods"]).values()]), vars(written))
    assert missing(written, CONTRACTS["methods"]) == []
    del vars(written)["stops"]
    assert missing(written, CONTRACTS["methods"]) == ["def stops(settings: Settings) -> list[str]: ..."]


def test_a_file_that_is_no_python_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torn.py").write_text("LEARNS_FROM = 1\ndef (\n")
    monkeypatch.setattr(stages.methods, "__path__", [*stages.methods.__path__, str(tmp_path)])
    with pytest.raises(ValueError, match=r"^stages/methods/torn\.py line 2: invalid syntax$"):
        load_plug_in("methods", "torn", "methods.torn")
