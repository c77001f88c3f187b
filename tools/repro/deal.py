"""Cells dealt to workers, the longest first; what is finished comes home at once."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tools.repro.cells import Cell
from tools.repro.team import Worker

Say = Callable[[str], None]


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Deal:
    """Cells on their way. After a failure no further one is begun; those under way are finished."""

    def __init__(self, cells: list[Cell], home: Worker, say: Say) -> None:
        self.waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
        for cell in cells:
            self.waiting.put(cell)
        self.home, self.say = home, say
        self.total, self.done = len(cells), 0
        self.failed: list[str] = []
        self.stopped = False
        self.begun = time.monotonic()
        self.one_line = threading.Lock()
        self.one_home = threading.Lock()

    def next_cell(self) -> Cell | None:
        try:
            return None if self.failed or self.stopped else self.waiting.get_nowait()
        except queue.Empty:
            return None

    def work(self, name: str, worker: Worker) -> None:
        """One worker's cells, until there are none."""
        while cell := self.next_cell():
            begun = time.monotonic()
            error = worker.run(cell)
            if error is None:
                with self.one_home:
                    error = self.home.run(cell)
            self.report(name, cell, time.monotonic() - begun, error)

    def report(self, name: str, cell: Cell, seconds: float, error: str | None) -> None:
        with self.one_line:
            if self.stopped:
                return
            if error is not None:
                self.failed.append(cell.name)
                self.say(f"failed: {cell.name} ({name}, {duration(seconds)}): {error}")
                return
            self.done += 1
            spent = time.monotonic() - self.begun
            left = duration(spent / self.done * (self.total - self.done))
            line = f"{self.done} of {self.total}  {name}  {cell.name}  {duration(seconds)}"
            self.say(line + (f", about {left} left" if self.done < self.total else ""))


def deal(cells: list[Cell], workers: Sequence[Worker], home: Worker, say: Say) -> list[str]:
    """Reproduce the cells, and bring them home: the names of those that failed."""
    dealt = Deal(cells, home, say)
    pool = ThreadPoolExecutor(len(workers))
    try:
        under_way = [
            pool.submit(dealt.work, f"worker {number}", worker) for number, worker in enumerate(workers, 1)
        ]
        for future in under_way:
            future.result()
    except BaseException:  # Ctrl-C: begin no further one; the workers are ended by whoever started them
        dealt.stopped = True
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return dealt.failed
