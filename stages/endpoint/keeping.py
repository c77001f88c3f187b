"""Keeping: what has arrived goes into the store with what it cost, many answers in one transaction; dollars
are set aside before they are spent.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from stages.asking.prices import dollars, price_of
from stages.asking.store import Store
from stages.config.endpoint import Endpoint, Price
from stages.endpoint.calls import Outcome
from stages.endpoint.estimate import budget_used_up, most_dollars, no_price, tokens_used
from stages.endpoint.http import Parcel
from stages.endpoint.progress import CallProgress
from stages.endpoint.purse import Purse

MOMENT = 0.01  # seconds between an answer's arrival and its commit
LATE = 0.1  # seconds after an answer's arrival from which on its commit goes before new calls
Result = TypeVar("Result")


class NoDollars(Exception):
    """Why no further call can be paid."""


@dataclass
class Arrived:
    """A call that has come back."""

    parcel: Parcel
    outcome: Outcome
    promised: float | None  # dollars; None: no budget


@dataclass
class Commit:
    """One that is not done, and who waits for it."""

    since: float  # seconds of the loop's clock: when its first answer arrived
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def wait(self) -> asyncio.Future[None]:
        """A future for each who waits: whoever is cancelled takes nobody along."""
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]

    def tell(self, error: Exception | None) -> None:
        """It is done, or has failed."""
        for future in self.waiting:
            if future.done():  # cancelled
                continue
            if error:
                future.set_exception(error)
            else:
                future.set_result(None)


class Keeper:
    """The store's side of a round of calls. `progress` is set before the first call."""

    progress: CallProgress

    def __init__(self, store: Store, name: str, endpoint: Endpoint, prices: Mapping[str, Price]) -> None:
        self.store = store
        self.name = name
        self.prices = prices
        self.purse = None if endpoint.budget is None else Purse(store, name, endpoint.budget)
        self.filling = asyncio.Lock()
        self.poor = 0  # calls that wait for dollars
        self.arrived: list[Arrived] = []  # only a commit that succeeded takes anything out
        self.next: Commit | None = None  # the one that what arrives now will be in
        self.commits: deque[Commit] = deque()  # that are not done, the oldest first
        self.thread = ThreadPoolExecutor(1)  # the only one that writes: a commit does not hold up the calls

    async def in_thread(self, function: Callable[..., Result], *values: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self.thread, function, *values)

    def close(self) -> None:
        """When no task is left: store what arrived and is not stored, whatever became of its commit."""
        self.thread.shutdown()
        try:
            self.commit()
            if self.purse is not None:
                self.purse.close()
        finally:
            self.store.release()

    # ---- before a call

    async def reserve(self, parcel: Parcel, stopped: Callable[[], object]) -> float | None:
        """Set aside the most that a call can cost: so many dollars.

        None without a budget, or when the run has been `stopped`. Raises NoDollars if there are none left.
        """
        if self.purse is None or stopped():
            return None
        model = parcel.request.model
        most = most_dollars(parcel.request, len(parcel.samples), price_of(self.prices, model))
        if most is None:
            raise NoDollars(no_price(self.name, model))
        while not self.purse.take(most):
            if await self.fill(self.purse, most):
                continue
            if stopped():
                return None
            if not self.purse.calls:
                spent = self.store.spent(self.name)
                raise NoDollars(budget_used_up(self.name, self.purse.budget, spent, "the next call", most))
            await asyncio.sleep(0.02)  # what is under way may cost less than was set aside for it
        return most

    async def fill(self, purse: Purse, most: float) -> bool:
        """Set dollars aside for all calls that wait for some: one of them does it, once."""
        self.poor += 1
        try:
            async with self.filling:
                return purse.free >= most or await self.in_thread(purse.fill, most, self.poor)
        finally:
            self.poor -= 1

    async def let_commits_pass(self) -> None:
        """What has arrived goes before what could be asked: on a machine whose processors are busy calls
        would keep the thread that commits waiting, and a kill would lose the more.
        """
        now = asyncio.get_running_loop().time
        while self.commits and now() - self.commits[0].since > LATE:
            await self.commits[0].wait()

    # ---- after it

    async def keep(self, call: Arrived) -> None:
        """Commit what has arrived, this and whatever else comes within a moment, in one transaction.

        Each costs a write to the disk.
        """
        self.arrived.append(call)
        if self.next is None:
            loop = asyncio.get_running_loop()
            self.next = Commit(loop.time())
            self.commits.append(self.next)
            self.next.task = loop.create_task(self.commit_soon(self.next))
        await self.next.wait()

    async def commit_soon(self, commit: Commit) -> None:
        await asyncio.sleep(MOMENT)
        self.next = None  # what arrives from now on may miss this commit
        failed: Exception | None = None
        try:
            await self.in_thread(self.commit)
        except Exception as error:  # whatever it is, those who wait are told
            failed = error
        self.commits.remove(commit)
        commit.tell(failed)

    def commit(self) -> None:
        """Store answers and what they cost, all in one transaction."""
        if not (calls := self.arrived[:]):
            return
        costs = [self.cost_of(call.parcel, call.outcome) for call in calls]
        pairs = [(call.promised, cost) for call, cost in zip(calls, costs, strict=True)]
        promised = [(most, cost) for most, cost in pairs if most is not None]
        gone = 0.0
        with self.store.transaction():
            refused = self.store.put_each([(call.parcel.request, call.outcome.answers) for call in calls])
            if self.purse and promised:
                gone = self.purse.write(promised)
            elif paid := sum(cost or 0.0 for cost in costs):
                self.store.pay(self.name, paid)
        del self.arrived[: len(calls)]
        if self.purse:
            self.purse.settle(promised, gone)
        self.tell_kept(calls, costs)
        for place, why in refused.items():
            calls[place].outcome = Outcome(kind="unwritable", message=why)

    def tell_kept(self, calls: list[Arrived], costs: list[float | None]) -> None:
        for call, cost in zip(calls, costs, strict=True):
            if call.outcome.billed:
                self.progress.pay(cost, sum(a.tokens_out or 0 for a in call.outcome.answers.values()))
        answers = sum(len(call.outcome.answers) for call in calls)
        self.progress.answers += answers
        self.progress.advance(answers)

    def cost_of(self, parcel: Parcel, outcome: Outcome) -> float | None:
        """Dollars that a call was billed; None: nobody knows, so that what was set aside stays spent."""
        if not outcome.billed:
            return 0.0 if outcome.billed is False else None  # None: the response was lost on the way
        return dollars(price_of(self.prices, parcel.request.model), *tokens_used(outcome.answers.values()))
