"""What every command of `cot` has in common: plain help, and the checkout it works in."""

from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup


class HelpfulGroup(TyperGroup):
    """Commands that list themselves where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args or ["--help"])


def command_group(group: type[TyperGroup] = HelpfulGroup, **more: Any) -> typer.Typer:
    """An empty group of commands whose help is plain text."""
    return typer.Typer(
        cls=group, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **more
    )


def checkout() -> Path:
    """The current folder, the root of a checkout. Raises ValueError elsewhere, naming a root above it."""
    here = Path.cwd()
    if (here / "params.yaml").is_file():
        return here
    above = next((folder for folder in here.parents if (folder / "params.yaml").is_file()), None)
    where = f"go to {above}" if above else "go to the root of a checkout of cot-distill"
    raise ValueError(f"{here}: no params.yaml here; {where}")


def made_by(target: str, path: Path) -> Path:
    """A file that a stage makes, `target` as DVC names it. Raises ValueError where it is not there yet."""
    if not path.is_file():
        raise ValueError(f"{path} not found: `dvc repro {target}` makes it, `dvc pull` brings it")
    return path
