"""Repro: `dvc repro` with its cells side by side.

Stages before the trainings run in the checkout, as ever. Then every cell that is not up to date (a training
and what depends on it alone) runs in a worker's own Git worktree, which shares DVC's cache. The run cache
brings the results home: the checkout's own DVC takes them from there, and alone writes dvc.lock. Trainings
that wait for others (of a mentor's students, second ones) are a wave of their own.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from tools.terminal import checkout


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and a terminal that is closed (SIGHUP, unless `nohup` ignores it) end as Ctrl-C does: with
    everything put away.
    """

    def leave(number: int, _: Any) -> None:
        sys.exit(128 + number)

    ends = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    former = {number: signal.signal(number, leave) for number in ends}
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def dvc_repro(root: Path, *words: str) -> None:
    """`dvc repro` in the checkout. Exits with its status where it fails."""
    from tools.repro.team import end

    command = [sys.executable, "-m", "dvc", "repro", *words]
    process = subprocess.Popen(command, cwd=root, text=True, start_new_session=True)
    try:
        status = process.wait()
    finally:
        end(process)
    if status:
        sys.exit(status)


def start_team(root: Path, side: Path, jobs: int | None, cells: list[Any], stack: ExitStack) -> list[Any]:
    """The workers on this machine, in their worktrees; they end with the stack."""
    from tools.repro.places import cores, default_jobs, environments, visible_gpus
    from tools.repro.team import LocalWorker
    from tools.repro.worktree import add_worktree, changed_files

    names = changed_files(root)
    jobs = min(jobs or default_jobs(), len(cells))
    workers = []
    given = environments(jobs, visible_gpus(), cores(), os.environ.get("OMP_NUM_THREADS"))
    for number, environment in enumerate(given, 1):
        folder = add_worktree(root, number, names)
        workers.append(LocalWorker(folder, side / f"worker{number}.log", environment, root))
        stack.callback(workers[-1].stop)
    return workers


def run_cells(root: Path, side: Path, cells: list[Any], jobs: int | None, ray: str | None) -> list[str]:
    """Reproduce cells side by side and bring them home: the names of those that failed."""
    from tools.repro.cluster import start_cluster
    from tools.repro.deal import deal
    from tools.repro.team import LocalWorker
    from tools.repro.worktree import remove_worktrees

    with ExitStack() as stack:
        stack.callback(remove_worktrees, root)  # when all workers have ended: another wave has its own
        if ray:
            workers, cells = start_cluster(root, side, ray, jobs, cells, stack)
        else:
            workers = start_team(root, side, jobs, cells, stack)
        typer.echo(f"{len(cells)} cells, {len(workers)} at a time; what they print: {side}/*.log")
        home = LocalWorker(root, side / "home.log", {}, None)
        stack.callback(home.stop)
        return deal(cells, workers, home, typer.echo)


def one_wave(root: Path, side: Path, plan: Any, jobs: int | None, ray: str | None) -> list[str]:
    """What comes before a plan's trainings, then its cells: the names of those that failed."""
    from tools.repro.cells import stale_cells

    if plan.before:
        dvc_repro(root, "--single-item", *plan.before)
    cells = stale_cells(root, plan)
    return run_cells(root, side, cells, jobs, ray) if cells else []


def side_by_side(root: Path, targets: list[str], jobs: int | None, ray: str | None) -> None:
    """`dvc repro TARGETS`, its cells side by side. Exits with 1 where one failed."""
    from dvc.repo import Repo

    from tools.repro.cells import make_plan, put_in_order, read_lock
    from tools.repro.worktree import alone

    with alone(root) as side:
        known = list(read_lock(root))
        plan, order = make_plan(Repo(str(root)), targets)
        try:
            failed = one_wave(root, side, plan, jobs, ray)
            done = set(plan.first)
            while plan.trains_again and not failed:
                plan, _ = make_plan(Repo(str(root)), targets, done)
                failed = one_wave(root, side, plan, jobs, ray)
                done.update(plan.first)
            if plan.after and not failed:
                dvc_repro(root, "--single-item", *plan.after)
        finally:
            put_in_order(root, known, order)
    if failed:
        sys.exit(f"error: {', '.join(failed)} failed; what was finished is kept: type the command again")


def main(
    targets: Annotated[
        list[str] | None, typer.Argument(help="Stages or cells; none: all of dvc.yaml.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="How many cells at once. [a GPU or a core each]")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="A Ray cluster instead of this machine alone; local: start one here."
        ),
    ] = None,
) -> None:
    """`dvc repro` with its cells side by side, each worker in a worktree of its own."""
    from tools.repro.places import default_jobs

    root = checkout()
    with ended_by_signals():
        if ray is None and (jobs or default_jobs()) == 1:
            dvc_repro(root, *(targets or []))
        else:
            side_by_side(root, targets or [], jobs, ray)
