"""`cot`: what people type, as one program. A command's module is imported when the command is called."""

import os
import sys
from pathlib import Path
from typing import Any

import typer
from typer.exceptions import TyperException

from stages.config.visible import visible
from tools.terminal import HelpfulGroup, command_group


class LateGroup(HelpfulGroup):
    """Commands that stand for others: the function of each imports the real one and returns it."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, entry, rest = super().resolve_command(ctx, args)
        return name, entry and real_command(entry), rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """A section a panel, a line a command."""
        panels: dict[str, list[tuple[str, str]]] = {}
        width = max(map(len, self.commands))
        for name, entry in self.commands.items():
            panel = getattr(entry, "rich_help_panel", "")
            panels.setdefault(panel, []).append((name.ljust(width), entry.help or ""))
        for panel, lines in panels.items():
            with formatter.section(panel):
                formatter.write_dl(lines)


def real_command(entry: Any) -> Any:
    """What an entry stands for: a group of commands, or a function as a command."""
    found = entry.callback()
    if not isinstance(found, typer.Typer):
        app = command_group()
        app.command()(found)
        found = app
    command = typer.main.get_command(found)
    command.help = command.help or entry.help
    return command


app = command_group(LateGroup, help="Teach small models to reason: what to type beside `dvc repro`.")
BEFORE = "Before a run"
RESULTS = "What came out"
ANSWERS = "Paid answers"
PROJECT = "For the project itself"


@app.command(rich_help_panel=BEFORE)
def presets() -> Any:
    """Whole settings, one per item of a paper: list them, use one."""
    from tools.presets import app

    return app


@app.command(rich_help_panel=BEFORE)
def check() -> Any:
    """Say what is wrong with params.yaml, before any work."""
    from tools.check import main

    return main


@app.command(rich_help_panel=BEFORE)
def doctor() -> Any:
    """What would stop a run, what it costs and takes, what it does."""
    from tools.doctor import main

    return main


@app.command(rich_help_panel=BEFORE)
def datasets() -> Any:
    """Page, licence, citation and rows of every data set."""
    from tools.datasets import main

    return main


@app.command(rich_help_panel=BEFORE)
def mirror() -> Any:
    """Fetch every pinned file into a folder: a mirror."""
    from tools.mirror import main

    return main


@app.command(rich_help_panel=BEFORE)
def pin() -> Any:
    """The lines that pin a file: its address, sha256 and size."""
    from tools.pin import main

    return main


@app.command(rich_help_panel=BEFORE)
def serve() -> Any:
    """A teacher's model on this machine, for `dvc repro` to ask."""
    from tools.serve import main

    return main


@app.command(rich_help_panel=BEFORE)
def plan() -> Any:
    """What would be asked of teachers and simulators, and its price."""
    from tools.plan import main

    return main


@app.command(rich_help_panel=BEFORE)
def repro() -> Any:
    """`dvc repro` with its cells side by side, each in a worktree."""
    from tools.repro import main

    return main


@app.command(rich_help_panel=BEFORE)
def work() -> Any:
    """Trainings that were interrupted or are not recorded yet."""
    from tools.work import app

    return app


@app.command(rich_help_panel=RESULTS)
def show() -> Any:
    """Texts to read: what was kept, is trained, was answered wrongly."""
    from tools.show import app

    return app


@app.command(rich_help_panel=RESULTS)
def page() -> Any:
    """The run as one page: grid, curves, costs, and texts to browse."""
    from tools.page import main

    return main


@app.command(rich_help_panel=RESULTS)
def study() -> Any:
    """Models side by side on the same questions."""
    from tools.study import app

    return app


@app.command(rich_help_panel=RESULTS)
def judge() -> Any:
    """Which of two models reasons better: ask people or models."""
    from tools.judge import app

    return app


@app.command(rich_help_panel=RESULTS)
def compare() -> Any:
    """What moved between two revisions, and whether a test supports it."""
    from tools.compare import main

    return main


@app.command(rich_help_panel=RESULTS)
def report() -> Any:
    """Our numbers beside the papers', table by table."""
    from tools.report import main

    return main


@app.command(rich_help_panel=RESULTS)
def papers() -> Any:
    """Every table and figure: its preset, what it takes, our numbers."""
    from tools.papers import main

    return main


@app.command(rich_help_panel=RESULTS)
def keep() -> Any:
    """Keep this run's results under a name, for the report."""
    from tools.keep import main

    return main


@app.command(rich_help_panel=RESULTS)
def export() -> Any:
    """A student or a corpus for others: a folder with a card, the hub."""
    from tools.export import app

    return app


@app.command(rich_help_panel=ANSWERS)
def store() -> Any:
    """The store of answers: look into it, fill it, prune it."""
    from tools.store import app

    return app


@app.command(rich_help_panel=PROJECT)
def benchmark() -> Any:
    """Training, generation and teaching, timed against other ways."""
    from tools.benchmark import app

    return app


@app.command(rich_help_panel=PROJECT)
def pretrain() -> Any:
    """Make the base checkpoint of the student `tiny`."""
    from tools.pretrain import main

    return main


def run_command() -> None:
    """This checkout's command. What is wrong ends in one line: status 2 for wrong words, 1 for the rest."""
    try:
        sys.exit(app(prog_name="cot", standalone_mode=False))
    except TyperException as error:
        where = getattr(error, "ctx", None)
        path = where.command_path if where else "cot"
        print(f"error: {path}: {error.format_message().rstrip('.')}; see `{path} --help`", file=sys.stderr)
        sys.exit(error.exit_code)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {visible(error)}")


def main() -> None:
    """`cot` as it was installed. In another checkout of this project it is that one's `python -m tools`."""
    here = Path("tools", "cot.py")
    if here.is_file() and not here.samefile(__file__):
        os.environ.pop("PYTHONSAFEPATH", None)  # `-m` is to look here first
        os.execv(sys.executable, [sys.executable, "-m", "tools", *sys.argv[1:]])
    run_command()
