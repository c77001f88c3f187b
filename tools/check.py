"""Check: what is wrong with params.yaml, and which stages the next `dvc repro` runs anew for their code.

Nothing is written: that is the stage's work (stages/check.py), the first of `dvc repro`.
"""

from pathlib import Path

import typer

from stages.check import stamps_of
from stages.checking.stamp_files import moved, read_stamps
from stages.config.load import read_params
from tools.terminal import checkout

CODE = Path("data/code")


def main() -> None:
    """Say what is wrong with params.yaml, and which code changed since the last `dvc repro`."""
    checkout()
    found = stamps_of(read_params())
    typer.echo("params.yaml is valid")
    for part, names in moved(read_stamps(CODE), found).items():
        typer.echo(f"{part} changed: {', '.join(names)} will run anew")
