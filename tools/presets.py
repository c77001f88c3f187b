"""Presets: named sets of parameters. `use` writes one into params.yaml, comments kept; `args` prints it for
`dvc exp run`.

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
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from stages.check import check_all
from stages.config.cli import fail_plainly
from stages.records.jsonl import write_text

PRESETS = Path("presets")
PARAMS = Path("params.yaml")
DEFAULT = "embedded"
BLOCKS = ("datasets", "splits", "teachers", "curations", "methods", "students", "simulators", "judges")
app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Named sets of parameters, one per paper setting.",
)


def round_trip() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10_000
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def read_overlay(name: str) -> dict[str, Any]:
    path = PRESETS / f"{name}.yaml"
    if not path.exists():
        raise ValueError(
            f"no preset {name!r}; there are: {', '.join(sorted(p.stem for p in PRESETS.glob('*.yaml')))}"
        )
    overlay: dict[str, Any] = YAML(typ="safe").load(path)
    return overlay


def read_preset(name: str, small: bool = False) -> dict[str, Any]:
    """The default's values with the preset's over them, so that nothing of a preset used before stays. Raises
    ValueError without what is named.
    """
    overlay = read_overlay(name)
    cut = overlay.pop("small", None)
    if small and cut is None:
        raise ValueError(f"presets/{name}.yaml has no `small`: use it without --small")
    if small:
        overlay = over(over(overlay, cut), {"run": {"preset": f"{name}_small"}})
    return over(read_overlay(DEFAULT), overlay)


def over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` written over `below`, block by block."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        merged[key] = over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def leaves(values: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
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
                where[key] = flow(value)
            else:
                where = where.setdefault(key, {})


def flow(value: Any) -> Any:
    """A list on one line, as params.yaml writes its axes."""
    if not isinstance(value, list):
        return value
    line = CommentedSeq(value)
    line.fa.set_flow_style()
    return line


def hydra(value: Any) -> str:
    """A value as `dvc exp run -S` reads it."""
    if isinstance(value, list):
        return f"[{','.join(hydra(item) for item in value)}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@app.command("list")
def list_presets() -> None:
    """Show the presets, which of them have a small variant, and their first comment line."""
    for path in sorted(PRESETS.glob("*.yaml")):
        first = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        typer.echo(f"{path.stem:20} {'small  ' if 'small' in read_overlay(path.stem) else '       '}{first}")


Name = Annotated[str, typer.Argument(help="A file of presets/.")]
Small = Annotated[bool, typer.Option("--small", help="Its variant for a CPU.")]


@app.command()
def use(name: Name, small: Small = False) -> None:
    """Write a preset into params.yaml; `git checkout params.yaml` takes it back."""
    yaml = round_trip()
    params = yaml.load(PARAMS)
    merge(params, read_preset(name, small), name)
    text = StringIO()
    yaml.dump(params, text)
    check_all(YAML(typ="safe").load(text.getvalue()))
    write_text(PARAMS, text.getvalue())
    typer.echo(f"params.yaml now holds the preset {params['run']['preset']}: `dvc repro` builds it")


@app.command()
def args(name: Name, small: Small = False) -> None:
    """Print a preset as arguments, one a line: mapfile -t A < <(python -m tools.presets args NAME); dvc exp
    run "${A[@]}".
    """
    params = YAML(typ="safe").load(PARAMS)
    preset = read_preset(name, small)
    merge(YAML(typ="safe").load(PARAMS), preset, name)
    for at, value in leaves(preset):
        typer.echo("-S")
        typer.echo(
            f"{'+' if at[0] in params and is_new_block(params, at) else ''}{'.'.join(at)}={hydra(value)}"
        )


if __name__ == "__main__":
    fail_plainly(app)
