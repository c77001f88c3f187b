"""The files of stages/ that `python -m stages.x` reads when it runs: its imports, wherever they stand, transitively."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


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
    return {name for name in names if name.startswith("stages.")}


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
