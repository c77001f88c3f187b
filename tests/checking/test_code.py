"""The hash of a stage's code: what moves it and what does not, and that nothing which decides a result is
left out.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from stages.checking import code
from stages.checking.code import PLUMBING, closure, file_of, plumbing_of, shape, source

SAMPLE = '''"""A module."""
import json
from pathlib import Path  # for files

LIMIT: int = 3


class Reader:
    """Reads."""

    def read(self, path: Path, *, strict: bool = True) -> list[str]:
        """All of it."""
        if not path.exists():
            raise ValueError(f"{path}: not there, wanted {LIMIT} lines")
        lines = [f"{number:>{LIMIT}}: {line!r}" for number, line in enumerate(path.open(), 1) if line]
        match lines:
            case [first, *rest] if (count := len(rest)) > LIMIT:
                return [first, "a" "b", f"{count=}"]
            case _:
                return json.loads("[]") or lines[1:-1]
'''

SAME = {  # what -> (old, new)
    "a comment": ("# for files", "# for all files"),
    "a comment more": ("LIMIT: int = 3\n", "# how many\nLIMIT: int = 3\n"),
    "a module's docstring": ('"""A module."""', '"""Another text."""'),
    "no docstring": ('        """All of it."""\n', ""),
    "a function's docstring": ('"""All of it."""', '"""All of it, line by line."""'),
    "layout": ("self, path: Path, *, strict: bool = True", "\n        self,\n        path: Path,\n        *,"
               "\n        strict: bool = True,\n    "),
    "quotes": ('json.loads("[]")', "json.loads('[]')"),
    "parentheses": ("LIMIT: int = 3", "LIMIT: int = (3)"),
    "a blank line": ("import json\n", "import json\n\n"),
    "texts joined": ('"a" "b"', '"ab"'),
    "the wording of an error": ("not there, wanted {LIMIT} lines", "does not exist"),
}  # fmt: skip
OTHER = {
    "a constant": ("LIMIT: int = 3", "LIMIT: int = 4"),
    "a default": ("strict: bool = True", "strict: bool = False"),
    "an operator": ("> LIMIT", ">= LIMIT"),
    "the kind of an error": ("raise ValueError", "raise KeyError"),
    "a condition": ("if not path.exists()", "if path.exists()"),
    "a text": ('"a" "b"', '"a" "c"'),
    "a format": ("{number:>{LIMIT}}", "{number:<{LIMIT}}"),
    "a conversion": ("{line!r}", "{line!s}"),
    "a slice": ("lines[1:-1]", "lines[1:]"),
    "an import": ("import json", "import orjson as json"),
    "a type": ("LIMIT: int", "LIMIT: float"),
    "1 is not True": ("enumerate(path.open(), 1)", "enumerate(path.open(), True)"),
}


def edited(old: str, new: str) -> str:
    assert SAMPLE.count(old) == 1
    return shape(ast.parse(SAMPLE.replace(old, new)))


@pytest.mark.parametrize("what", SAME)
def test_what_does_not_move_the_hash(what: str) -> None:
    assert edited(*SAME[what]) == shape(ast.parse(SAMPLE))


@pytest.mark.parametrize("what", OTHER)
def test_what_moves_the_hash(what: str) -> None:
    assert edited(*OTHER[what]) != shape(ast.parse(SAMPLE))


def test_the_help_of_an_argument_is_wording() -> None:
    assert shape(ast.parse('x = Argument(help="a", min=1)')) == shape(
        ast.parse('x = Argument(help="b", min=1)')
    )
    assert shape(ast.parse('x = Argument(help="a", min=1)')) != shape(
        ast.parse('x = Argument(help="a", min=2)')
    )


def test_the_hash_is_the_same_in_every_python(tmp_path: Path) -> None:
    """3.11, 3.12 and 3.13 gave this one; a syntax tree's own text differs between them."""
    file = tmp_path / "sample.py"
    file.write_text(SAMPLE)
    assert source(file).sha256 == "d715a727936513c598d2766bcb2bceaba0d739c811eb6b7d42bbd356bbfed67f"


# ---- closures

STAGES = sorted(
    path.stem for path in (ROOT / "stages").glob("*.py") if path.stem not in ("__init__", "check")
)
CHOSEN = {"datasets": "gen_coin_flip", "teachers": "openai", "methods": "cascod"}


def runtime_modules(module: str) -> set[str]:
    """What Python really has of stages/ once a module is imported."""
    script = f"import sys, {module}; print(*(name for name in sys.modules if name.startswith('stages.')))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("stage", ["split", "teach", "curate", "score", "report"])
def test_nothing_that_python_imports_is_missing(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "PLUMBING", {})
    files = closure(f"stages.{stage}", **CHOSEN)
    loaded = {
        path
        for name in runtime_modules(f"stages.{stage}")
        if (path := file_of(name)) and path.name != "__init__.py"
    }
    assert {path.relative_to(ROOT).as_posix() for path in loaded} <= files.keys()


def test_a_plug_in_that_is_loaded_by_name_belongs_to_the_closure() -> None:
    assert "stages/methods/cascod.py" in closure("stages.render", methods="cascod")
    assert "stages/methods/cascod.py" not in closure("stages.render", methods="scotd")
    with pytest.raises(ValueError, match="loads a plug-in of stages/methods, but the stamp names none"):
        closure("stages.render")


@pytest.mark.parametrize("stage", STAGES)
def test_plumbing_is_imported_for_what_its_names_allow_only(stage: str) -> None:
    """A file that is left out of every stamp must not reach a result: only through names known to be
    harmless.
    """
    for teacher in sorted(path.stem for path in (ROOT / "stages/teachers").glob("[a-z]*.py")):
        for name, path in closure(f"stages.{stage}", **{**CHOSEN, "teachers": teacher}).items():
            for one in source(path).imports:
                for module in (one.module, f"{one.module}.{one.name}"):
                    target = file_of(module)
                    entry = plumbing_of(target.relative_to(ROOT).as_posix()) if target else None
                    assert entry is None or one.name in entry.names, f"{name}: {one.name} of {module}"


def test_every_entry_of_plumbing_exists_and_says_why() -> None:
    used = {one for path in ROOT.glob("stages/**/*.py") for one in source(path).imports}
    for path, entry in PLUMBING.items():
        assert (ROOT / path).exists()
        assert entry.reason
        module = path.removesuffix(".py").rstrip("/").replace("/", ".")
        taken = {one.name for one in used if one.module.startswith(module)}
        assert entry.names <= taken, f"{path}: nobody imports {sorted(entry.names - taken)}"


def test_loads_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "loader.py"
    file.write_text(
        "from importlib import import_module\n\n"
        'def load(name):\n    return import_module(f"stages.teachers.{name}")\n\n'
        'def plug_in(name):\n    return load_plug_in("methods", name, "run.methods")\n'
    )
    assert source(file).loads == {"methods", "teachers"}
