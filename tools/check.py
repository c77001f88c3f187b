"""Check: what is wrong with params.yaml, before any work. Nothing is written."""

import typer

from stages.check import check_all
from stages.config.load import read_params
from tools.terminal import checkout


def main() -> None:
    """Say what is wrong with params.yaml, before any work. `dvc repro` does so first of all, too."""
    checkout()
    check_all(read_params())
    typer.echo("params.yaml is valid")
