"""Mirror: the pinned files of all data sets, for machines without a network."""

from pathlib import Path
from typing import Annotated

import typer

from stages.download import fill_mirror


def main(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What it holds already stays.")],
) -> None:
    """Fetch every pinned file into DIR: where COT_MIRROR names it, stages ask it before the network."""
    if folder == Path():
        raise ValueError("DIR is empty or the current folder: name the folder that is to hold the files")
    fill_mirror(folder)
    typer.echo(f"{folder} holds every pinned file: export COT_MIRROR={folder}")
