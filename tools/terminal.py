"""What every command of `cot` has in common: plain help, tables, the checkout it works in."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

WIDE = 160  # columns where there is no terminal to ask: a cell's name is long


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


def console() -> Console:
    """Standard output for tables; texts of others (a server's message) are shown as they are."""
    return Console(width=None if sys.stdout.isatty() else WIDE, markup=False, emoji=False, highlight=False)


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> None:
    """A table, or nothing without rows. None is "unknown", numbers have commas."""
    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*map(table_text, row))
    if rows:
        console().print(table)


def table_text(value: object) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else str(value)
