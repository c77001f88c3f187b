"""Signals: Ctrl-C and its like end a round of calls in order, and have their way afterwards."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_cancel(task: asyncio.Task[Any]) -> Iterator[None]:
    """In this block Ctrl-C and its like only cancel `task`, however often they come.

    After it the first one does what it did before, unless the block fails otherwise: then that is told.
    """
    came: list[int] = []
    cancelled: asyncio.CancelledError | None = None

    def cancel(number: int, frame: object) -> None:
        came.append(number)
        if not (loop := task.get_loop()).is_closed():
            loop.call_soon_threadsafe(task.cancel)

    mine = threading.current_thread() is threading.main_thread()  # no other thread can be interrupted
    ignored = (signal.SIG_IGN, None)  # as under nohup; and so they stay
    heard = [number for number in STOPS if mine and signal.getsignal(number) not in ignored]
    before = [signal.signal(number, cancel) for number in heard]
    try:
        yield
    except asyncio.CancelledError as error:
        cancelled = error
    finally:
        for number, handler in zip(heard, before, strict=True):
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])
    if cancelled:  # by somebody else, or whoever handles the signal has returned
        raise cancelled
