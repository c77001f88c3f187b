"""A preset into parameters: every key known, comments of params.yaml kept."""

import shutil
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from stages.check import check_all
from stages.config.load import parse_yaml
from stages.records.jsonl import write_text
from tools.presets.reading import FULL, Overlay, read_preset

PARAMS = Path("params.yaml")
BLOCKS = (
    *("datasets", "splits", "teachers", "curations", "methods", "students", "decodings"),
    *("simulators", "judges", "mentors"),
)
REPLACED_WHOLE = ("mentors",)  # blocks that the default has none of, and whose keys can all be left out


def comment_keeping_yaml() -> YAML:
    """Reads and writes params.yaml with its comments, quotes and long lines as they are."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def leaves(values: Overlay, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is no block, with its path."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*at, key))
        else:
            yield (*at, key), value


def is_new_block(params: Overlay, at: tuple[str, ...]) -> bool:
    return at[0] in BLOCKS and len(at) > 1 and at[1] not in params[at[0]]


def merge(params: Any, overlay: Overlay, name: str) -> None:
    """Write `overlay` into `params` in place. Raises ValueError for a key that params.yaml does not know.

    A block that a preset adds to a mapping of blocks (a data set, a student) is legal; an unknown key inside
    a block is not. Of REPLACED_WHOLE a block takes the place of what another preset left.
    """
    for kind in REPLACED_WHOLE:
        for block in overlay.get(kind) or {}:
            (params.get(kind) or {}).pop(block, None)
    new = {at[:2] for at, _ in leaves(overlay) if at[0] in params and is_new_block(params, at)}
    for at, value in leaves(overlay):
        where = params
        for depth, key in enumerate(at):
            if not isinstance(where, dict):
                raise ValueError(
                    f"presets/{name}.yaml: `{'.'.join(at[:depth])}` is a block, wanted a value as in"
                    f" params.yaml: {where!r}"
                )
            if key not in where and at[:2] not in new:
                raise ValueError(
                    f"presets/{name}.yaml: unknown key `{'.'.join(at[: depth + 1])}`; params.yaml has:"
                    f" {', '.join(map(str, where))}"
                )
            if depth == len(at) - 1:
                where[key] = on_one_line(value)
            else:
                where = where.setdefault(key, {})


def on_one_line(value: Any) -> Any:
    """A list on one line, as params.yaml writes its axes."""
    if not isinstance(value, list):
        return value
    line = CommentedSeq(value)
    line.fa.set_flow_style()
    return line


def preset_params(name: str, size: str = FULL) -> dict[str, Overlay]:
    """Grid -> all of params.yaml as `cot presets use` would write it. Nothing is written or checked."""
    made = {}
    for grid, overlay in read_preset(name, size).items():
        made[grid] = parse_yaml(PARAMS, str(PARAMS))
        merge(made[grid], overlay, name)
    return made


def overlaid(source: Path | str, where: str, overlay: Overlay, name: str) -> str:
    """The text of params.yaml with an overlay in it, comments kept."""
    yaml = comment_keeping_yaml()
    params = parse_yaml(source, where, yaml)
    merge(params, overlay, name)
    text = StringIO()
    yaml.dump(params, text)
    return text.getvalue()


def stays(overlay: Overlay, name: str) -> list[str]:
    """Values of params.yaml that neither the preset nor the committed file says: changes of one's own, or
    what another preset of one's own left. None where git has no such file.
    """
    if not shutil.which("git"):
        return []
    words = ["git", "show", f"HEAD:./{PARAMS}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        return []
    text = overlaid(done.stdout, "HEAD:params.yaml", overlay, name)
    known = dict(leaves(parse_yaml(text, "HEAD:params.yaml")))
    here = dict(leaves(parse_yaml(PARAMS, str(PARAMS))))
    own = [at for at, value in here.items() if at not in known or known[at] != value]
    return [f"{'.'.join(map(str, at))}: {here[at]}" for at in own]


def write_preset(overlay: Overlay, name: str) -> None:
    """Write an overlay into params.yaml, once all of it is checked."""
    text = overlaid(PARAMS, str(PARAMS), overlay, name)
    check_all(parse_yaml(text, str(PARAMS)))
    write_text(PARAMS, text)
