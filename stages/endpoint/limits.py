"""Limits: how fast a server is asked.

Never faster than its limits a minute, less at once when it says "too many", not at all while it says "wait".
"""

import asyncio
import random
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 60.0  # seconds between two tries of one request, unless the server asks for more
MEMORY = 30  # calls that the share of refused ones is of, the last ones counting most
OFTEN = 0.15  # of them refused: the server has too much to do; fewer are its noise
LONG = 30.0  # seconds; that a server asks for a longer wait is told


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait.

    It says so in `Retry-After`, as seconds or as an HTTP date, or in the finer `retry-after-ms`.
    """
    if (milliseconds := headers.get("retry-after-ms", "")).replace(".", "", 1).isdigit():
        return float(milliseconds) / 1000
    given = headers.get("retry-after", "").strip()
    if given.replace(".", "", 1).isdigit():
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds()) if given else None
    except (ValueError, TypeError):
        return None


def pause(attempt: int) -> float:
    """Seconds before try number `attempt` + 1.

    They double from half a second, and are spread so that clients do not return in step.
    """
    return float(min(LONGEST, 0.5 * 2**attempt) * random.uniform(0.5, 1.0))


class Gate:
    """Lets calls through: at most `limit` at once, none before `not_before`.

    Requests and tokens a minute space them. The limit falls by a third when the server refuses calls often,
    at most once a second, and grows with each success: by a twentieth in a full round of them, at least by
    one.
    """

    def __init__(self, most: int, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self.most = most
        self.limit = float(most)
        self.refused = 0.0  # share of the last calls
        self.inside = 0
        self.per_request = 60 / requests_per_minute if requests_per_minute else 0.0
        self.per_token = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self.free = self.not_before = self.lowered = 0.0  # seconds of the loop's clock
        self.waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, tokens: int) -> None:
        """Wait for a place and for the call's turn; `tokens` is what the call may use."""
        while self.inside >= int(self.limit):
            place = asyncio.get_running_loop().create_future()
            self.waiting.append(place)
            await place
        self.inside += 1
        now = asyncio.get_running_loop().time()
        start = max(now, self.free)
        self.free = start + max(self.per_request, self.per_token * tokens)
        while (wait := max(start, self.not_before) - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(wait)

    def leave(self) -> None:
        self.inside -= 1
        for _ in range(int(self.limit) - self.inside):
            if self.waiting and not (place := self.waiting.popleft()).done():
                place.set_result(None)

    def went_well(self) -> None:
        self.refused -= self.refused / MEMORY
        self.limit = min(float(self.most), self.limit + max(1 / self.limit, 0.05))

    def overloaded(self, wait: float | None) -> None:
        """The server is busy; `wait` seconds, if it named any, hold every call back."""
        now = asyncio.get_running_loop().time()
        self.refused += (1 - self.refused) / MEMORY
        if wait:
            self.not_before = max(self.not_before, now + wait)
        if self.refused >= OFTEN and now >= self.lowered:
            self.limit = max(1.0, self.limit * 2 / 3)
            self.lowered = now + 1.0
