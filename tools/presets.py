"""Presets: named sets of parameters. `use` writes one into params.yaml, comments kept.

A preset is an overlay, presets/<name>.yaml: what differs from the default (presets/embedded.yaml), and only
keys that params.yaml knows. A block that a preset adds to a mapping of blocks (a dataset, a student) is
legal; an unknown key inside a block is not. Its `small` is a further overlay: the same setting cut down to
what a CPU does.
"""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from stages.check import check_all
from stages.config.load import parse_yaml
from stages.records.jsonl import write_text
from tools.tables import console
from tools.terminal import checkout, command_group

PRESETS = Path("presets")
PARAMS = Path("params.yaml")
DEFAULT = "embedded"
BLOCKS = ("datasets", "splits", "teachers", "curations", "methods", "students", "simulators", "judges")
app = command_group()


@app.callback()
def in_checkout() -> None:
    """Whole settings, one per item of a paper. They are files of a checkout: presets/NAME.yaml."""
    checkout()


def comment_keeping_yaml() -> YAML:
    """Reads and writes params.yaml with its comments, quotes and long lines as they are."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def read_overlay(name: str) -> dict[str, Any]:
    """presets/<name>.yaml. Raises ValueError, naming those there are, for another name."""
    path = PRESETS / f"{name}.yaml"
    if not path.exists():
        raise ValueError(
            f"no preset {name!r}; there are: {', '.join(sorted(p.stem for p in PRESETS.glob('*.yaml')))}"
        )
    overlay: dict[str, Any] = parse_yaml(path, str(path))
    return overlay


def read_preset(name: str, small: bool = False) -> dict[str, Any]:
    """The default's values with the preset's over them, so that nothing of a preset used before stays. Raises
    ValueError without what is named.
    """
    overlay = read_overlay(name)
    smaller = overlay.pop("small", None)
    if small and smaller is None:
        raise ValueError(f"presets/{name}.yaml has no `small`: use it without --small")
    if small:
        overlay = laid_over(laid_over(overlay, smaller), {"run": {"preset": f"{name}_small"}})
    return laid_over(read_overlay(DEFAULT), overlay)


def laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` written over `below`, block by block."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            value = laid_over(inner, value)
        merged[key] = value
    return merged


def leaves(values: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is no block, with its path."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*at, key))
        else:
            yield (*at, key), value


def is_new_block(params: dict[str, Any], at: tuple[str, ...]) -> bool:
    return at[0] in BLOCKS and len(at) > 1 and at[1] not in params[at[0]]


def merge(params: Any, overlay: dict[str, Any], name: str) -> None:
    """Write `overlay` into `params` in place. Raises ValueError for a key that params.yaml does not know."""
    new = {at[:2] for at, _ in leaves(overlay) if at[0] in params and is_new_block(params, at)}
    for at, value in leaves(overlay):
        where = params
        for depth, key in enumerate(at):
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


def as_argument(value: Any) -> str:
    """A value as `dvc exp run -S` reads it."""
    if isinstance(value, list):
        return f"[{','.join(as_argument(item) for item in value)}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@app.command("list")
def list_presets() -> None:
    """Show the presets and which of them have a small variant."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for path in sorted(PRESETS.glob("*.yaml")):
        first_comment = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        table.add_row(path.stem, "small" if "small" in read_overlay(path.stem) else "", first_comment)
    console().print(table)


Name = Annotated[str, typer.Argument(help="A file of presets/.")]
Small = Annotated[bool, typer.Option("--small", help="Its variant for a CPU.")]


@app.command()
def use(name: Name, small: Small = False) -> None:
    """Write a preset into params.yaml, comments kept.

    `git checkout params.yaml` takes it back.
    """
    yaml = comment_keeping_yaml()
    params = parse_yaml(PARAMS, str(PARAMS), yaml)
    merge(params, read_preset(name, small), name)
    text = StringIO()
    yaml.dump(params, text)
    check_all(parse_yaml(text.getvalue(), str(PARAMS)))
    write_text(PARAMS, text.getvalue())
    typer.echo(f"params.yaml now holds the preset {params['run']['preset']}: `dvc repro` builds it")


@app.command("args")
def print_arguments(name: Name, small: Small = False) -> None:
    """Print a preset as arguments of `dvc exp run`, one a line.

    params.yaml stays as it is: cot presets args NAME | xargs -d '\\n' dvc exp run
    """
    params = parse_yaml(PARAMS, str(PARAMS))
    preset = read_preset(name, small)
    merge(parse_yaml(PARAMS, str(PARAMS)), preset, name)
    for at, value in leaves(preset):
        new = "+" if at[0] in params and is_new_block(params, at) else ""
        typer.echo(f"-S\n{new}{'.'.join(at)}={as_argument(value)}")
