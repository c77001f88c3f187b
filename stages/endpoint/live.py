"""Live: ask an OpenAI-compatible server for what is wanted, many calls at once.

Every answer is committed when it arrives.
"""

import asyncio
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from stages.asking.conversation import Failures, Wanted
from stages.asking.prices import dollars, price_of
from stages.asking.store import Store
from stages.config.cli import progress_bar
from stages.config.endpoint import Endpoint, Price
from stages.endpoint.calls import Caller, Outcome
from stages.endpoint.estimate import budget_used_up, most_dollars, no_price, paced_tokens, tokens_used
from stages.endpoint.http import Parcel, narrow, parcels
from stages.endpoint.limits import LONG, Gate, pause
from stages.endpoint.progress import CallProgress
from stages.endpoint.purse import Purse

MOMENT = 0.01  # seconds between an answer's arrival and its commit
LATE = 0.1  # seconds after an answer's arrival from which on its commit goes before new calls
LOADING_LONGEST = 1800.0  # seconds that a server may load its model before a try counts as one
DEAD = 16  # requests in a row, at least, that are given up before a server counts as gone
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Result = TypeVar("Result")


def fulfil(
    wanted: list[Wanted], store: Store, name: str, endpoint: Endpoint, prices: Mapping[str, Price]
) -> Failures:
    """Put what is wanted into the store; returns what did not come.

    Raises ValueError for a fault that more tries cannot mend (a refused key, an unknown model, a spent
    budget), after everything under way has arrived and is kept. Whatever ends it, in this order: no task is
    left, what arrived is stored, a signal has its way.
    """
    live = Live(store, name, endpoint, prices)
    runner = asyncio.Runner()
    asking = runner.get_loop().create_task(live.ask(wanted))
    with signals_cancel(asking), closing(live), runner:
        return runner.get_loop().run_until_complete(asking)


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


@dataclass
class Arrived:
    """A call that has come back."""

    parcel: Parcel
    outcome: Outcome
    promised: float | None  # dollars; None: no budget


class Live:
    """One round of calls: what arrived, what failed, what it cost."""

    def __init__(self, store: Store, name: str, endpoint: Endpoint, prices: Mapping[str, Price]) -> None:
        self.store = store
        self.name = name
        self.endpoint = endpoint
        self.prices = prices
        self.failed: Failures = {}
        self.stop: str | None = None  # why no further call is made
        self.arrived: list[Arrived] = []  # only a commit that succeeded takes anything out
        self.committing: asyncio.Task[None] | None = None
        # commits that are not done, the oldest first, and when its first answer arrived
        self.commits: deque[tuple[float, asyncio.Task[None]]] = deque()
        self.purse = None if endpoint.budget is None else Purse(store, name, endpoint.budget)
        self.unanswered = 0  # requests in a row that were given up
        self.refused = 0  # calls in a row that met an error of which nobody knows whether it is about all
        self.loading_since: float | None = None  # seconds of the loop's clock
        self.thread = ThreadPoolExecutor(1)  # the only one that writes: a commit does not hold up the calls

    async def ask(self, wanted: list[Wanted]) -> Failures:
        """Ask for all that is wanted; returns what did not come. Raises ValueError with what stopped it."""
        endpoint = self.endpoint
        self.gate = Gate(endpoint.concurrency, endpoint.requests_per_minute, endpoint.tokens_per_minute)
        self.caller = Caller(self.name, endpoint)
        async with self.caller:
            with progress_bar(telling=False) as bar:
                self.progress = CallProgress(self.name, bar, sum(len(want.samples) for want in wanted))
                telling = asyncio.create_task(self.progress.tell_each_minute())
                try:
                    await self.take_turns(wanted)
                finally:
                    telling.cancel()
                self.progress.tell(self.progress.summary())
        if self.stop:
            raise ValueError(f"{self.stop} ({self.progress.answers} answers came in this run and are kept)")
        return self.failed

    def close(self) -> None:
        """When no task is left: store what arrived and is not stored, whatever became of its commit."""
        self.thread.shutdown()
        try:
            self.commit()
            if self.purse is not None:
                self.purse.close()
        finally:
            self.store.release()

    async def take_turns(self, wanted: list[Wanted]) -> None:
        """Ask for what nobody else asks for, then look whether the others got the rest.

        Their answers are ours too, their failures are not.
        """
        while wanted and not self.stop:
            pairs = [(want.key, sample) for want in wanted for sample in want.samples]
            owners = await self.in_thread(self.store.claim, pairs)
            if job := next((owner for owner in owners.values() if owner.startswith("job ")), None):
                raise ValueError(
                    f"endpoint {self.name!r}: answers wanted here are under way in a batch ({job}): collect"
                    " it with `mode: batch`"
                )
            self.progress.advance(len(pairs) - len(owners))
            mine = {pair for pair, owner in owners.items() if owner == self.store.owner}
            calls = iter(parcels(narrow(wanted, mine), self.endpoint.samples_per_request))
            # twice as many as calls at once: a worker that waits for a commit or for a second try holds up no
            # call
            await asyncio.gather(*(self.work(calls) for _ in range(2 * self.endpoint.concurrency)))
            wanted = narrow(wanted, owners.keys() - mine)
            if wanted:
                await asyncio.sleep(0.5)

    async def work(self, calls: Iterator[Parcel]) -> None:
        """One parcel after the other; what does not come is recorded with its reason."""
        for parcel in calls:
            missing, outcome = await self.try_again(parcel)
            if self.stop:
                return
            self.look_for_life(len(missing) < len(parcel.samples), outcome)
            if missing:
                self.failed |= {(parcel.key, sample): outcome.kind for sample in missing}
                await self.in_thread(self.store.fail, parcel.key, missing, outcome.kind, outcome.message)
                self.progress.failed = len(self.failed)
                self.progress.advance(len(missing))

    async def try_again(self, parcel: Parcel) -> tuple[list[int], Outcome]:
        """A parcel in as many calls as it takes; returns the samples that did not come, the last outcome."""
        missing = parcel.samples
        outcome = Outcome()
        attempt = 0
        while missing and attempt < self.endpoint.attempts and not self.stop:
            outcome = await self.call(Parcel(parcel.request, parcel.key, missing))
            missing = [sample for sample in missing if sample not in outcome.answers]
            # fewer samples than asked for are progress
            attempt = 0 if outcome.answers or self.is_loading(outcome) else attempt + 1
            if not outcome.again:
                break
            if not outcome.answers and attempt < self.endpoint.attempts:
                await asyncio.sleep(max(pause(attempt - 1), outcome.wait or 0.0))
        return missing, outcome

    def is_loading(self, outcome: Outcome) -> bool:
        """The server has still to load its model: it was started a moment ago, and no try counts yet."""
        if not outcome.loading:
            return False
        now = asyncio.get_running_loop().time()
        if self.loading_since is None:
            self.loading_since = now
            self.progress.tell("the server is loading its model: waiting for it")
        return now - self.loading_since < LOADING_LONGEST

    def look_for_life(self, answered: bool, outcome: Outcome) -> None:
        """Stop when nothing is answered any more.

        A server that is gone would otherwise be tried for every request there is.
        """
        self.unanswered = 0 if answered or not outcome.again else self.unanswered + 1
        if self.unanswered >= max(DEAD, self.endpoint.concurrency):
            self.stop = (
                f"endpoint {self.name!r} ({self.endpoint.base_url}): {self.unanswered} requests in a row got"
                f" no answer in {self.endpoint.attempts} tries, the last one {outcome.kind}:"
                f" {outcome.message}; is the server there?"
            )

    async def call(self, parcel: Parcel) -> Outcome:
        """One HTTP call within the limits and the budget; its answers are on disk when this returns."""
        await self.let_commits_pass()
        paced = self.endpoint.tokens_per_minute is not None
        await self.gate.enter(paced_tokens(parcel.request, len(parcel.samples)) if paced else 0)
        try:
            promised = await self.reserve(parcel)
            if promised is None and self.stop:
                return Outcome()
            outcome = await self.caller.call(parcel)
        finally:
            self.gate.leave()
        if outcome.wait and outcome.wait > LONG:
            self.progress.tell_wait(outcome.wait)
        if outcome.busy:
            self.gate.overloaded(outcome.wait)
        if outcome.stop and not self.goes_on(outcome):
            refused_key = self.endpoint.key_env and outcome.kind in ("http_401", "http_403")
            self.stop = (
                f"endpoint {self.name!r} ({self.endpoint.base_url}), model {parcel.request.model!r}:"
                f" {outcome.message}" + (f" (${self.endpoint.key_env})" if refused_key else "")
            )
        elif outcome.answers:
            self.refused = 0
            self.gate.went_well()
        call = Arrived(parcel, outcome, promised)
        if outcome.answers or promised is not None:
            await self.keep(call)
        return call.outcome

    def goes_on(self, outcome: Outcome) -> bool:
        """Whether to go on after an error that may be about its prompt alone: until so many in a row have met
        one that it is about everything.
        """
        self.refused += 1
        return outcome.unsure and self.refused < max(DEAD, self.endpoint.concurrency)

    # ---- the store: answers and dollars

    async def reserve(self, parcel: Parcel) -> float | None:
        """Set aside the most that a call can cost: so many dollars.

        None without a budget, or with `stop` if there is none left.
        """
        if self.purse is None or self.stop:
            return None
        model = parcel.request.model
        most = most_dollars(parcel.request, len(parcel.samples), price_of(self.prices, model))
        if most is None:
            self.stop = no_price(self.name, model)
            return None
        while not self.purse.take(most):
            if await self.in_thread(self.purse.fill, most):
                continue
            if self.stop:
                return None
            if not self.purse.calls:
                spent = self.store.spent(self.name)
                self.stop = budget_used_up(self.name, self.purse.budget, spent, "the next call", most)
                return None
            await asyncio.sleep(0.02)  # what is under way may cost less than was set aside for it
        return most

    async def keep(self, call: Arrived) -> None:
        """Commit what has arrived, this and whatever else comes within a moment, in one transaction.

        Each costs a write to the disk.
        """
        self.arrived.append(call)
        if self.committing is None:
            self.committing = asyncio.create_task(self.commit_soon())
            self.commits.append((asyncio.get_running_loop().time(), self.committing))
        await asyncio.shield(self.committing)

    async def commit_soon(self) -> None:
        await asyncio.sleep(MOMENT)
        self.committing = None  # what arrives from now on may miss this commit
        await self.in_thread(self.commit)
        self.commits.popleft()

    async def let_commits_pass(self) -> None:
        """What has arrived goes before what could be asked: on a machine whose processors are busy calls
        would keep the thread that commits waiting, and a kill would lose the more.
        """
        now = asyncio.get_running_loop().time
        while self.commits and now() - self.commits[0][0] > LATE:
            await asyncio.shield(self.commits[0][1])

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
                self.progress.pay(cost, tokens_used(call.outcome.answers.values())[2] or 0)
        answers = sum(len(call.outcome.answers) for call in calls)
        self.progress.answers += answers
        self.progress.advance(answers)

    def cost_of(self, parcel: Parcel, outcome: Outcome) -> float | None:
        """Dollars that a call was billed; None: nobody knows, so that what was set aside stays spent."""
        if not outcome.billed:
            return 0.0 if outcome.billed is False else None  # None: the response was lost on the way
        return dollars(price_of(self.prices, parcel.request.model), *tokens_used(outcome.answers.values()))

    async def in_thread(self, function: Callable[..., Result], *values: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self.thread, function, *values)
