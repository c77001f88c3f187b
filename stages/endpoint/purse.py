"""Purse: dollars set aside for calls, a block of them at a time: a transaction for each call would cost more
than the call.
"""

import threading

from stages.asking.store import Store

BLOCK = 32  # calls that are set aside for beyond those that wait; a kill leaves so many more counted as spent


class Purse:
    """What one run has set aside of an endpoint's budget. `take` may be called in another thread than the
    rest, which write to the store.
    """

    def __init__(self, store: Store, name: str, budget: float) -> None:
        self.store = store
        self.name = name
        self.budget = budget
        self.lock = threading.Lock()  # of the three sums
        self.free = 0.0  # dollars set aside and promised to no call
        self.promised = 0.0
        self.calls = 0  # that dollars are promised to
        self.number: int | None = None  # of the reservation, in the store

    def take(self, dollars: float) -> bool:
        """Promise a call the most that it can cost; False if there is not so much at hand."""
        with self.lock:
            if self.free < dollars:
                return False
            self.free -= dollars
            self.promised += dollars
            self.calls += 1
            return True

    def fill(self, dollars: float, calls: int = 1) -> bool:
        """Set aside for `calls` of so many dollars and a block more; False if the budget does not hold even
        one.
        """
        if self.number is None:
            self.number = self.store.reserve(self.name, 0.0, None)
            assert self.number is not None, "nothing is always held"
        if (least := dollars - self.free) <= 0:
            return True
        block = least + (calls - 1 + BLOCK) * dollars
        more = self.store.raise_reservation(self.number, self.name, block, least, self.budget)
        with self.lock:
            self.free += more
        return more > 0

    def write(self, calls: list[tuple[float, float | None]]) -> float:
        """Write down what calls cost, of (promised dollars, cost); None: nobody knows, so all that was
        promised. Returns the dollars that have left the purse: two blocks at most stay free, or as
        much as is promised now: for the calls that take the place of those.
        """
        assert self.number is not None, "what is promised was set aside"
        known = sum(cost for _, cost in calls if cost is not None)
        unknown = sum(most for most, cost in calls if cost is None)
        free = self.free + sum(most for most, _ in calls) - known - unknown
        kept = max(2 * BLOCK * max(most for most, _ in calls), self.promised)
        back = max(0.0, free - kept)
        self.store.spend(self.number, self.name, known, unknown, back)
        return known + unknown + back

    def settle(self, calls: list[tuple[float, float | None]], gone: float) -> None:
        """When that is on the disk: what the calls did not need is free for others."""
        promised = sum(most for most, _ in calls)
        with self.lock:
            self.free += promised - gone
            self.promised -= promised
            self.calls -= len(calls)

    def close(self) -> None:
        """Give back what is free. Of what is still promised nobody will know any more."""
        if self.number is not None:
            with self.store.transaction():
                self.store.spend(self.number, self.name, 0.0, self.promised if self.calls else 0.0, 0.0)
                self.store.settle([(self.number, 0.0)])
