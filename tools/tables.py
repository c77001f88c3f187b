"""Tables at the terminal, and in logs and pipes."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from stages.config.visible import visible

WIDE = 160  # columns where there is no terminal to ask: a cell's name is long


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
    return f"{value:,}" if isinstance(value, int) else visible(value)
