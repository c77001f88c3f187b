"""Code: which files decide what a stage writes, and a hash of each that wording and layout do not move.

A stage's code is what its module imports, wherever the import stands, transitively, with the plug-ins that
its cell loads. PLUMBING is left out: what carries results and cannot change them.
"""

import ast
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]  # of the checkout: the folder that holds stages/
PLUG_INS = re.compile(r"stages\.(datasets|methods|teachers)\.")  # how a module says that it loads one


class Plumbing(NamedTuple):
    """Code that decides no result, as long as nothing but `names` is imported from it."""

    names: frozenset[str]
    reason: str


PLUMBING = {
    "stages/config/cli.py": Plumbing(
        frozenset({"advance", "progress", "progress_bar", "run"}),
        "the terminal: arguments go in, a bar and one-line errors come out; items pass through unchanged",
    ),
    "stages/config/contracts.py": Plumbing(
        frozenset({"Method", "Teacher", "GivesWrongAnswers", "load_plug_in"}),
        "finds a plug-in by its name and says what it lacks: what it does stands in its own file",
    ),
    "stages/config/faults.py": Plumbing(
        frozenset({"faults"}),
        "the wording of what is wrong with a block: whoever reads it, the stage has failed",
    ),
    "stages/config/tracking.py": Plumbing(
        frozenset({"Tracking", "show_costs", "show_samples"}),
        "shows what is known to people, in a tracker beside the files: nothing comes back from it",
    ),
    "stages/config/visible.py": Plumbing(
        frozenset({"visible"}),
        "how a text of others is shown to people: no row and no number goes through it",
    ),
    "stages/training/watch.py": Plumbing(
        frozenset({"Watch"}),
        "shows a training while it runs: it is told, and tells nothing back; `train` writes the curve itself",
    ),
    "stages/endpoint/": Plumbing(
        frozenset({"fine_tune", "transport"}),
        "brings answers into the store, whose key holds all that decides an answer; rerun where the store is"
        " not there, a teacher would be paid again",
    ),
    "stages/asking/store.py": Plumbing(
        frozenset({"Store"}), "keeps what was answered under its key, first writer wins, and gives it back"
    ),
}


def plumbing_of(file: str) -> Plumbing | None:
    """The entry that a file of the checkout falls under, by its name or its folder's."""
    return next((entry for path, entry in PLUMBING.items() if file.startswith(path)), None)


def wordless(node: ast.AST) -> ast.AST | None:
    """A node without what is only said: docstrings, the words of a `raise`, the help of an argument."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return None
        case ast.Raise(exc=ast.Call(func=kind)):
            return ast.Raise(exc=kind)
        case ast.keyword(arg="help"):
            return None
        case ast.JoinedStr(values=values):  # Python 3.12.1 ends some formats with an empty text
            return ast.JoinedStr(values=[one for one in values if getattr(one, "value", None) != ""])
    return node


def shape(node: object) -> str:
    """A syntax tree as text, the same in every Python that this project runs on, which `ast.dump` is not.

    What is empty or absent stays out, so that the new fields of a newer grammar do not show.
    """
    if isinstance(node, list):
        return "[" + ",".join(filter(None, map(shape, node))) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    kept = wordless(node)
    if kept is None:
        return ""
    fields = [(name, value) for name, value in ast.iter_fields(kept) if value is not None and value != []]
    inside = ",".join(f"{name}={shape(value)}" for name, value in fields if name not in ("ctx", "kind"))
    return f"{type(kept).__name__}({inside})"


class Imported(NamedTuple):
    module: str
    name: str | None  # None: the module itself


class Source(NamedTuple):
    """What matters of a Python file."""

    sha256: str  # of its code: without comments, docstrings, layout and the wording of errors
    imports: tuple[Imported, ...]  # of stages/, inside functions too
    loads: frozenset[str]  # folders of plug-ins: `import_module(f"stages.methods.{name}")` loads from methods


def imports_of(tree: ast.Module) -> tuple[Imported, ...]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [Imported(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [Imported(node.module, alias.name) for alias in node.names]
    return tuple(one for one in found if one.module.split(".")[0] == "stages")


def loads_of(tree: ast.Module) -> frozenset[str]:
    """The folders of which a plug-in is loaded by its name: `load_plug_in("methods", name, ...)`, or
    `import_module(f"stages.methods.{name}")`.
    """
    folders = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="load_plug_in"), args=[ast.Constant(value=str(folder)), *_]):
                folders.add(folder)
            case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]) if found := PLUG_INS.match(text):
                folders.add(found[1])
    return frozenset(folders)


@cache
def parsed(text: bytes) -> Source:
    tree = ast.parse(text)
    return Source(hashlib.sha256(shape(tree).encode()).hexdigest(), imports_of(tree), loads_of(tree))


def source(path: Path) -> Source:
    """Raises ValueError for a file that is no Python."""
    try:
        return parsed(path.read_bytes())
    except SyntaxError as error:
        raise ValueError(f"{path} line {error.lineno}: {error.msg}") from error


def file_of(module: str) -> Path | None:
    """A module's file, None for a package and for what is no module."""
    path = ROOT / (module.replace(".", "/") + ".py")
    return path if path.is_file() else None


def needed(path: Path, plug_ins: Mapping[str, str | None]) -> Iterator[str]:
    """The modules that a file needs. Raises ValueError for a plug-in that the stage's stamp does not name."""
    code = source(path)
    for one in code.imports:
        yield one.module
        if one.name:
            yield f"{one.module}.{one.name}"
    for folder in code.loads:
        if folder not in plug_ins:
            raise ValueError(f"{path}: loads a plug-in of stages/{folder}, but the stamp names none")
        if name := plug_ins[folder]:
            yield f"stages.{folder}.{name}"


def closure(module: str, without: Collection[str] = (), **plug_ins: str | None) -> dict[str, Path]:
    """The files that decide what `python -m module` writes, by their path from the checkout.

    `plug_ins`: by folder (methods="cascod") the one that is loaded; None: none of that folder. `without`:
    files that this cell does not use, with what they alone import.
    """
    found: dict[str, Path] = {}
    todo = [module]
    while todo:
        path = file_of(todo.pop())
        if path is None:
            continue
        name = path.relative_to(ROOT).as_posix()
        if name in found or name in without or plumbing_of(name):
            continue
        found[name] = path
        todo += needed(path, plug_ins)
    return dict(sorted(found.items()))
