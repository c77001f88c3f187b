"""Workers of `cot repro` on this machine: started, given cells, ended with all that they started."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

import psutil

from tools.repro.cells import Cell
from tools.repro.worktree import absolute

CODE = Path(__file__).parents[2]
PATIENCE = 10  # seconds that a process has to end by itself


class Worker(Protocol):
    """Whoever reproduces a cell: a process here, a task of Ray elsewhere."""

    def run(self, cell: Cell) -> str | None:
        """What went wrong, with the log's last lines, or None."""

    def stop(self) -> None: ...


def members(group: int) -> list[psutil.Process]:
    """The living processes of a group; a zombie waits for somebody else."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def end(process: "subprocess.Popen[str]") -> None:
    """End a process and all that it started: it leads a group of its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        latest = time.monotonic() + PATIENCE
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        while process.poll() is None or members(process.pid):
            if time.monotonic() > latest:
                break
            time.sleep(0.05)
    process.wait()


def last_lines(log: Path, start: int, count: int = 20) -> str:
    """The end of a log, of what was written since byte `start`."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-count:])


class LocalWorker:
    """A process that works in a folder: a worktree of `checkout`, or the checkout itself."""

    def __init__(self, folder: Path, log: Path, environment: dict[str, str], checkout: Path | None) -> None:
        self.log = log
        self.at_home = checkout is None
        log.write_bytes(b"")
        words = [sys.executable, "-m", "tools.repro.worker", str(folder), str(log), str(checkout or "")]
        paths = [os.path.dirname(sys.executable), os.environ.get("PATH", "")]
        given = absolute(dict(os.environ)) | environment | {"PATH": os.pathsep.join(paths)}
        if checkout:  # what DVC remembers of files goes with the worktree
            given["DVC_SITE_CACHE_DIR"] = str(folder / ".dvc/tmp/site")
        self.process = subprocess.Popen(
            words,
            cwd=CODE,
            env=given,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, cell: Cell) -> str | None:
        start = self.log.stat().st_size
        error = self.ask(cell)
        return error and f"{error}\n{last_lines(self.log, start)}\n  all of it: {self.log}"

    def ask(self, cell: Cell) -> str | None:
        given, answers = self.process.stdin, self.process.stdout
        assert given is not None
        assert answers is not None
        try:
            print(json.dumps(cell.as_dict()), file=given, flush=True)
            line = answers.readline()
        except (BrokenPipeError, ValueError):  # its process ended; `stop` closed the pipe
            line = ""
        if not line:
            return "the worker's process was ended"
        error: str | None = json.loads(line)["error"]
        return error

    def stop(self) -> None:
        close(self.process.stdin)
        if self.at_home:  # it ends the cell that it writes into dvc.lock
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
        end(self.process)


def close(pipe: IO[str] | None) -> None:
    with suppress(BrokenPipeError):
        if pipe:
            pipe.close()
