"""Presets: whole settings of params.yaml, each in several sizes. `use` writes one, `run` makes its items."""

from typing import Annotated

import typer
from rich.table import Table

from stages.config.load import parse_yaml, read_params
from tools.presets.reading import (
    FULL,
    PRESETS,
    preset_names,
    read_grid,
    read_items,
    sizes_of,
)
from tools.presets.writing import PARAMS, is_new_block, leaves, merge, stays, write_preset
from tools.tables import console
from tools.terminal import checkout, command_group

app = command_group()
Name = Annotated[str, typer.Argument(help="A file of presets/.")]
Size = Annotated[str, typer.Option("--size", help="tiny, smol or full; `list` says which there are.")]
Grid = Annotated[str | None, typer.Option("--grid", help="Which, where a preset has several.")]


@app.callback()
def in_checkout() -> None:
    """Whole settings, one per item of a paper. They are files of a checkout: presets/NAME.yaml."""
    checkout()


@app.command("list")
def list_presets() -> None:
    """Show the presets, their sizes and the items that they make."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for name in preset_names():
        first_comment = (PRESETS / f"{name}.yaml").read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        items = [f"{paper} {', '.join(keys)}" for paper, keys in read_items(name).items()]
        table.add_row(name, " ".join(sizes_of(name)), "\n".join([first_comment, *items]))
    console().print(table)


@app.command()
def use(name: Name, size: Size = FULL, grid: Grid = None) -> None:
    """Write a preset into params.yaml, comments kept.

    What would stop it is said, and stops nothing here. `git checkout params.yaml` takes it back.
    """
    overlay = read_grid(name, size, grid)
    write_preset(overlay, name)
    typer.echo(f"params.yaml now holds the preset {overlay['run']['preset']}: `dvc repro` builds it")
    for value in stays(overlay, name):
        typer.echo(f"{value} stays, which neither the preset says nor what is committed", err=True)
    from tools.doctor import print_briefly

    print_briefly(read_params())


@app.command()
def run(
    name: Name,
    size: Size = FULL,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="How many cells at once. [a GPU or a core each]")
    ] = None,
) -> None:
    """Make a preset's items: run each of its grids, keep it, report.

    params.yaml must be as committed, and is so again afterwards. What was finished is not run again.
    """
    from tools.presets.running import run_grids

    for page in run_grids(checkout(), name, size, jobs):
        typer.echo(f"the paper's tables beside ours: {page}")


def as_argument(value: object) -> str:
    """A value as `dvc exp run -S` reads it."""
    if isinstance(value, list):
        return f"[{','.join(as_argument(item) for item in value)}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@app.command("args")
def print_arguments(name: Name, size: Size = FULL, grid: Grid = None) -> None:
    """Print a preset as arguments of `dvc exp run`, one a line.

    params.yaml stays as it is: cot presets args NAME | xargs -d '\\n' dvc exp run
    """
    params = parse_yaml(PARAMS, str(PARAMS))
    overlay = read_grid(name, size, grid)
    merge(parse_yaml(PARAMS, str(PARAMS)), overlay, name)
    for at, value in leaves(overlay):
        new = "+" if at[0] in params and is_new_block(params, at) else ""
        typer.echo(f"-S\n{new}{'.'.join(at)}={as_argument(value)}")
