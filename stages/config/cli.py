"""How every stage meets the terminal: one typer command, plain errors, a progress bar silent in logs."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Item = TypeVar("Item")


def fail_plainly(app: typer.Typer) -> None:
    """Run a command; bad input and missing files end in one clear message instead of a traceback."""
    try:
        app()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def run(main: Callable[..., Any]) -> None:
    """Run `main` as a stage's only command."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    fail_plainly(app)


def progress_bar() -> Progress:
    """Count, rate, time spent and time left on stderr; silent when stderr is not a terminal. Tasks carry a
    `rate` field.
    """
    rate = TextColumn("{task.fields[rate]}")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        rate,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)


def advance(bar: Progress, task: TaskID) -> None:
    """One more item done."""
    speed = bar.tasks[task].speed if bar.tasks else None
    bar.update(task, advance=1, rate=f"{speed:.1f}/s" if speed else "")


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Pass `items` through under a progress bar."""
    with progress_bar() as bar:
        task = bar.add_task(what, total=len(items) if isinstance(items, Sized) else total, rate="")
        for item in items:
            yield item
            advance(bar, task)
