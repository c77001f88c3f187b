"""Work: the trainings on this machine that a kill interrupted, and those that DVC has not recorded yet."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from stages.training.kept import (
    TOKENS,
    clear,
    last_touched,
    read_finished,
    token_folders,
    trainings,
    work_home,
)
from tools.tables import print_table
from tools.terminal import command_group

app = command_group()


@app.callback()
def about() -> None:
    """Trainings that a kill interrupted, finished ones of which DVC has not recorded the students yet, and
    the tokenised texts of large ones.

    They lie in $COT_WORK, else in a folder of your cache; `train` goes on from them.
    """


def state_of(work: Path) -> str:
    """How far a training is."""
    if work.parent.name == TOKENS:
        return "tokenised texts"
    if (facts := read_finished(work)) is not None:
        return f"finished, epoch {facts['best']} kept"
    steps = [int(path.name.removeprefix("state-")) for path in work.glob("state-*")]
    return f"stopped after {max(steps):,} steps" if steps else "no state yet"


def size_of(work: Path) -> int:
    return sum(path.stat().st_size for path in work.rglob("*") if path.is_file())


@app.command("list")
def list_trainings() -> None:
    """How far each is, and its size."""
    home = work_home()
    found = trainings(home) + token_folders(home)
    rows = [
        (work.name, state_of(work), size_of(work), f"{datetime.fromtimestamp(last_touched(work), UTC):%F %R}")
        for work in found
    ]
    print_table(("training", "state", "bytes", "last touched (UTC)"), rows)
    typer.echo(f"{home}: {len(found):,} trainings, {sum(map(size_of, found)):,} bytes")


@app.command("clear")
def clear_trainings(
    older: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="Only those that nobody has touched for so long.")
    ] = 0.0,
    yes: Annotated[
        bool, typer.Option("--yes", help="Really remove. Without it, only say what would go.")
    ] = False,
) -> None:
    """Remove what nobody trains.

    What was interrupted begins anew then, and texts are tokenised anew.
    """
    found = trainings(work_home()) + token_folders(work_home())
    chosen = [work for work in found if time.time() - last_touched(work) >= older * 86400]
    size = sum(map(size_of, chosen))
    if not yes:
        for work in chosen:
            typer.echo(f"{work}: {state_of(work)}")
        typer.echo(f"would remove {len(chosen):,} trainings, {size:,} bytes; --yes does it")
        return
    gone = sum(map(clear, chosen))
    busy = f"; {len(chosen) - gone:,} are being trained" if gone < len(chosen) else ""
    typer.echo(f"{gone:,} trainings removed{busy}")
