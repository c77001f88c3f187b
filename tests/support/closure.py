"""The files of stages/ that decide what `python -m stages.x` writes: its imports, wherever they stand,
transitively.

stages/api is left out: it carries answers into the store, and what is in the store it can no longer change.
As a dependency, an edit of it would rerun every teacher - on a fresh clone, whose store is empty, by paying
for every answer again.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def module_file(module: str) -> Path | None:
    path = ROOT / (module.replace(".", "/") + ".py")
    return path if path.exists() else None


def imported(path: Path) -> set[str]:
    """Module names imported anywhere in a file, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("stages.") and not name.startswith("stages.api")}


def closure(*modules: str) -> set[str]:
    """Paths from the repository's root of the modules and of all they import."""
    found: set[str] = set()
    todo = list(modules)
    while todo:
        path = module_file(todo.pop())
        if path is None or (name := path.relative_to(ROOT).as_posix()) in found:
            continue
        found.add(name)
        todo += imported(path)
    return found
