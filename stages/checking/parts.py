"""Parts of stamps: the sha256 of a stage's code, of a block of params.yaml, of files of local/."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.checking.code import closure, source
from stages.config.method import resolve_method
from stages.records.files import sha256_of

LOCAL = Path("local")
Params = dict[str, Any]
Stamp = dict[str, str]  # part -> sha256


def value_hash(value: Any) -> str:
    """sha256 of plain data, whatever the order of its keys and the layout of its file."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def code(module: str, without: Collection[str] = (), **plug_ins: str | None) -> Stamp:
    """The code of a stage, with the plug-ins that its cell loads."""
    return {name: source(path).sha256 for name, path in closure(module, without, **plug_ins).items()}


def texts(value: Any) -> Iterator[str]:
    """All texts of a block, wherever they stand in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


def local_files(block: Any) -> Stamp:
    """The files of local/ that a block names, with or without the folder: what they hold decides a result."""
    named = {text.removeprefix("local/") for text in texts(block)}
    paths = [LOCAL / name for name in sorted(named) if name and not Path(name).is_absolute()]
    return {path.as_posix(): sha256_of(path) for path in paths if ".." not in path.parts and path.is_file()}


def block(params: Params, axis: str, name: str) -> Stamp:
    """A block of params.yaml; absent, it holds nothing but defaults."""
    return {f"params.yaml: {axis}.{name}": value_hash(params[axis].get(name) or {})}


def method_code(module: str, name: str, params: Params, **plug_ins: str | None) -> Stamp:
    """The code of a stage with a method, and of a variant the block that it is like: its own block is seen by
    DVC, or has a place in the stamp already.
    """
    file, _ = resolve_method(name, params["methods"])
    inherited = block(params, "methods", file) if file != name else {}
    return code(module, (), methods=file, **plug_ins) | inherited
