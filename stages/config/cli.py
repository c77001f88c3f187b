"""How every stage meets the terminal: one typer command, plain errors, a progress bar (in logs, a line a
minute).
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from datetime import timedelta
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from stages.config.visible import visible

MINUTE = 60.0  # seconds between two lines of a bar that no terminal shows
TELL = 0.1  # seconds between two looks of `progress` at its bar

Item = TypeVar("Item")


def fail_plainly(app: typer.Typer) -> None:
    """Run a command; bad input and missing files end in one clear message instead of a traceback."""
    try:
        app()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {visible(error)}")


def run(main: Callable[..., Any]) -> None:
    """Run `main` as a stage's only command."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    fail_plainly(app)


class Bar(Progress):
    """A bar; where no terminal shows it, a line on stderr at the first news after each minute, and one at the
    end of what took longer.
    """

    told: float | None = None  # when the last line was written
    news = False  # since then

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self.news = True
        task = self._tasks[task_id]
        since = task.start_time if self.told is None else self.told
        if self.disable and since is not None and self.get_time() - since >= MINUTE:
            self.tell(task)

    def stop(self) -> None:
        super().stop()
        if self.told is not None and self.news:
            self.tell(self.tasks[-1])

    def tell(self, task: Task) -> None:
        self.told = self.get_time()
        self.news = False
        print(progress_line(task), file=sys.stderr, flush=True)


def progress_line(task: Task) -> str:
    """What, how much of it is done, at what rate, the time it took and the time it will take."""
    total = "" if task.total is None else f" of {task.total:,.0f}"
    parts = [f"{task.description}: {task.completed:,.0f}{total}", task.fields["rate"]]
    spent = task.elapsed or 0.0
    parts.append(f"{timedelta(seconds=round(spent))} spent")
    done = task.completed - task.fields.get("before", 0)
    if done and task.remaining:
        parts.append(f"about {timedelta(seconds=round(spent * task.remaining / done))} left")
    return ", ".join(filter(None, parts))


def progress_bar(telling: bool = True) -> Progress:
    """Count, rate, time spent and time left on stderr; lines where that is no terminal, unless the caller has
    its own. Tasks carry a `rate` field, and `before`, what earlier runs had done.
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
    kind = Bar if telling else Progress
    return kind(*columns, console=console, disable=not console.is_terminal)


def advance(bar: Progress, task: TaskID, items: int = 1, told: str = "", tokens: int = 0) -> None:
    """So many more items are done. `told`: what else there is to say; `tokens`: of all items so far, for
    tokens a second instead of items.
    """
    state = bar.tasks[task]
    speed = tokens / (state.elapsed or 1e-9) if tokens else state.speed
    unit = " tokens/s" if tokens else "/s"
    text = f"{speed:,.{0 if tokens else 1}f}{unit}" if speed else ""
    bar.update(task, advance=items, rate=", ".join(filter(None, (told, text))))


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Pass `items` through under a progress bar."""
    with progress_bar() as bar:
        task = bar.add_task(what, total=len(items) if isinstance(items, Sized) else total, rate="")
        news = 0
        told = time.monotonic()
        for item in items:
            yield item
            news += 1
            if (now := time.monotonic()) - told >= TELL:  # a bar takes 0.1 ms: longer than many an item
                advance(bar, task, news)
                news = 0
                told = now
        advance(bar, task, news)
