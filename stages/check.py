"""Check: every block of params.yaml against its model, every pair of the grid, and the stamps of the code.

In: params.yaml, stages/, local/. Out: data/code, a stamp for each stage and plug-in. A cell depends on its
own stamp, so that a comment or a block of another cell reruns this second of work and nothing behind it.
"""

from pathlib import Path
from typing import Annotated

import typer

from stages.checking.blocks import Checked, Params, check_blocks
from stages.checking.grid import check_grid
from stages.checking.parts import Stamp
from stages.checking.stamp_files import moved, read_stamps, write_stamps
from stages.checking.stamps import stamps
from stages.config.cli import run
from stages.config.load import read_params


def check_all(params: Params) -> Checked:
    """Raises ValueError for the first fault found."""
    checked = check_blocks(params)
    check_grid(params, checked)
    return checked


def stamps_of(params: Params) -> dict[str, Stamp]:
    """The stamps of the declared cells, once all is well."""
    checked = check_all(params)
    asked = {name: getattr(settings, "method", None) for name, (_, settings) in checked.teachers.items()}
    return stamps(params, checked.run, asked)


def main(
    out: Annotated[
        Path | None, typer.Argument(metavar="CODE", help="data/code; without it: only check.")
    ] = None,
) -> None:
    """Check params.yaml and write the stamps of the code; say which part moved one."""
    found = stamps_of(read_params())
    if out is None:
        typer.echo("params.yaml is valid")
        return
    for part, names in moved(read_stamps(out), found).items():
        typer.echo(f"{part} moved: {', '.join(names)}")
    write_stamps(out, found)


if __name__ == "__main__":
    run(main)
