"""Live: ask an OpenAI-compatible server for what is wanted, many calls at once, and commit every answer when
it arrives.
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, TypeVar

from stages.asking.conversation import Failures, Wanted
from stages.asking.store import Store
from stages.config.cli import progress_bar
from stages.config.endpoint import Endpoint, Price
from stages.endpoint import estimate as cost
from stages.endpoint import http as wire
from stages.endpoint.calls import Caller, Outcome
from stages.endpoint.limits import LONG, Gate, pause

MINUTE = 60.0  # seconds between two lines where no terminal shows the bar
MOMENT = 0.01  # seconds between an answer's arrival and its commit
DEAD = 16  # requests in a row, at least, that are given up before a server counts as gone
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Result = TypeVar("Result")
Arrived = tuple[wire.Parcel, Outcome, int | None]  # with the number of its payment


def fulfil(
    wanted: list[Wanted], store: Store, name: str, endpoint: Endpoint, prices: Mapping[str, Price]
) -> Failures:
    """Put what is wanted into the store; returns what did not come.

    Raises ValueError for a fault that more tries cannot mend (a refused key, an unknown model, a spent
    budget), after everything under way has arrived and is kept. Whatever ends it, in this order: no task is
    left, what arrived is stored, a signal has its way.
    """
    live, runner = Live(store, name, endpoint, prices), asyncio.Runner()
    asking = runner.get_loop().create_task(live.ask(wanted))
    with signals_cancel(asking), closing(live), runner:
        return runner.get_loop().run_until_complete(asking)


@contextmanager
def signals_cancel(task: asyncio.Task[Any]) -> Iterator[None]:
    """In this block Ctrl-C and its like only cancel `task`, however often they come. After it the first one does
    what it did before, unless the block fails otherwise: then that is told.
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
        self.reserved = self.answers = self.tokens = 0
        self.unanswered = 0  # requests in a row that were given up
        self.told = 0.0  # until when it is known that the server wants to be left alone
        self.dollars: float | None = 0.0
        self.thread = ThreadPoolExecutor(1)  # the only one that writes: a commit does not hold up the calls

    async def ask(self, wanted: list[Wanted]) -> Failures:
        """Ask for all that is wanted; returns what did not come. Raises ValueError with what stopped the run,
        if anything did.
        """
        self.caller = Caller(self.name, self.endpoint)
        self.gate = Gate(
            self.endpoint.concurrency, self.endpoint.requests_per_minute, self.endpoint.tokens_per_minute
        )
        async with self.caller:
            with progress_bar() as self.bar:
                self.task = self.bar.add_task(
                    f"ask {self.name}", total=sum(len(want.samples) for want in wanted), rate=""
                )
                telling = asyncio.create_task(self.tell())
                try:
                    await self.take_turns(wanted)
                finally:
                    telling.cancel()
                print(f"{self.name}: {self.summary()}", file=sys.stderr)
        if self.stop:
            raise ValueError(f"{self.stop} ({self.answers} answers came in this run and are kept)")
        return self.failed

    def close(self) -> None:
        """When no task is left: store what arrived and is not stored, whatever became of its commit."""
        self.thread.shutdown()
        try:
            self.commit()
        finally:
            self.store.release()

    async def take_turns(self, wanted: list[Wanted]) -> None:
        """Ask for what nobody else asks for, then look whether the others got the rest: their answers are
        ours too, their failures are not.
        """
        while wanted and not self.stop:
            pairs = [(want.key, sample) for want in wanted for sample in want.samples]
            owners = await self.in_thread(self.store.claim, pairs)
            if job := next((owner for owner in owners.values() if owner.startswith("job ")), None):
                raise ValueError(
                    f"endpoint {self.name!r}: answers wanted here are under way in a batch ({job}): collect"
                    " it with `mode: batch`"
                )
            self.advance(len(pairs) - len(owners))
            mine = {pair for pair, owner in owners.items() if owner == self.store.owner}
            calls = iter(wire.parcels(narrow(wanted, mine), self.endpoint.samples_per_request))
            # twice as many as calls at once: a worker that waits for a commit or for a second try holds up no
            # call
            await asyncio.gather(*(self.work(calls) for _ in range(2 * self.endpoint.concurrency)))
            wanted = narrow(wanted, owners.keys() - mine)
            if wanted:
                await asyncio.sleep(0.5)

    async def work(self, calls: Iterator[wire.Parcel]) -> None:
        """One parcel after the other, each in as many calls as it takes; what does not come is recorded with
        its reason.
        """
        for parcel in calls:
            missing = parcel.samples
            attempt = 0
            outcome = Outcome()
            while missing and attempt < self.endpoint.attempts and not self.stop:
                outcome = await self.call(wire.Parcel(parcel.request, parcel.key, missing))
                missing = [sample for sample in missing if sample not in outcome.answers]
                attempt = 0 if outcome.answers else attempt + 1  # fewer samples than asked for are progress
                if not outcome.again:
                    break
                if not outcome.answers and attempt < self.endpoint.attempts:
                    await asyncio.sleep(max(pause(attempt - 1), outcome.wait or 0.0))
            if self.stop:
                return
            self.look_for_life(len(missing) < len(parcel.samples), outcome)
            if missing:
                self.failed |= {(parcel.key, sample): outcome.kind for sample in missing}
                await self.in_thread(self.store.fail, parcel.key, missing, outcome.kind, outcome.message)
                self.advance(len(missing))

    def look_for_life(self, answered: bool, outcome: Outcome) -> None:
        """Stop when nothing is answered any more: a server that is gone would otherwise be tried for every
        request there is.
        """
        self.unanswered = 0 if answered or not outcome.again else self.unanswered + 1
        if self.unanswered >= max(DEAD, self.endpoint.concurrency):
            self.stop = (
                f"endpoint {self.name!r} ({self.endpoint.base_url}): {self.unanswered} requests in a row got"
                f" no answer in {self.endpoint.attempts} tries, the last one {outcome.kind}:"
                f" {outcome.message}; is the server there?"
            )

    async def call(self, parcel: wire.Parcel) -> Outcome:
        """One HTTP call within the limits and the budget; its answers are on disk when this returns."""
        await self.gate.enter(cost.load(parcel.request, len(parcel.samples)))
        try:
            if self.stop or ((payment := await self.reserve(parcel)) is None and self.stop):
                return Outcome()
            outcome = await self.caller.call(parcel)
        finally:
            self.gate.leave()
        if outcome.wait and outcome.wait > LONG:
            self.tell_wait(outcome.wait)
        if outcome.busy:
            self.gate.overloaded(outcome.wait)
        if outcome.stop:
            request = parcel.request
            key = (
                f" (${self.endpoint.key_env})"
                if outcome.kind in ("http_401", "http_403") and self.endpoint.key_env
                else ""
            )
            self.stop = (
                f"endpoint {self.name!r} ({self.endpoint.base_url}), model {request.model!r}:"
                f" {outcome.message}{key}"
            )
        elif outcome.answers:
            self.gate.went_well()
        if outcome.answers or payment:
            await self.keep((parcel, outcome, payment))
        return outcome

    async def reserve(self, parcel: wire.Parcel) -> int | None:
        """Set aside the most that a call can cost: the number of the payment. None without a budget, or with
        `stop` if there is none left.
        """
        model = parcel.request.model
        budget = self.endpoint.budget
        if budget is None:
            return None
        dollars = cost.worst(parcel.request, len(parcel.samples), cost.price_of(self.prices, model))
        if dollars is None:
            self.stop = (
                f"endpoint {self.name!r} has a budget, but the price of {model!r} is unknown: add it under"
                " `prices`, or drop the budget"
            )
            return None
        while (payment := await self.in_thread(self.store.reserve, self.name, dollars, budget)) is None:
            if not self.reserved or self.stop:
                spent = self.store.spent(self.name)
                self.stop = self.stop or (
                    f"the budget of {budget:.2f} dollars at endpoint {self.name!r} is used up: {spent:.4f}"
                    f" spent or set aside, the next call may cost {dollars:.4f}; raise"
                    f" `endpoints.{self.name}.budget` to go on"
                )
                return None
            await asyncio.sleep(0.02)  # what is under way may cost less than was set aside for it
        self.reserved += 1
        return int(payment)

    async def keep(self, item: Arrived) -> None:
        """Commit what has arrived, this and whatever else comes within a moment, in one transaction: each
        costs a write to the disk.
        """
        self.arrived.append(item)
        if self.committing is None:
            self.committing = asyncio.create_task(self.commit_soon())
        await asyncio.shield(self.committing)

    async def commit_soon(self) -> None:
        await asyncio.sleep(MOMENT)
        self.committing = None  # what arrives from now on may miss this commit
        await self.in_thread(self.commit)

    def commit(self) -> None:
        """Store the answers first, then what they cost: a kill in between leaves too much set aside, and loses
        no answer.
        """
        if not (items := self.arrived[:]):
            return
        self.store.put((parcel.request, outcome.answers) for parcel, outcome, _ in items)
        del self.arrived[: len(items)]
        settled = []
        paid = 0.0
        for parcel, outcome, payment in items:
            # lost on the way: what was set aside stays spent
            dollars: float | None = 0.0 if outcome.billed is False else None
            if outcome.billed:
                used = cost.usage(outcome.answers.values())
                dollars = cost.dollars(cost.price_of(self.prices, parcel.request.model), *used)
                self.dollars = None if dollars is None or self.dollars is None else self.dollars + dollars
                self.tokens += used[2] or 0
            self.answers += len(outcome.answers)
            if payment is None:
                paid += dollars or 0.0
            else:
                settled.append((payment, dollars))
                self.reserved -= 1
        if settled:
            self.store.settle(settled)
        if paid:
            self.store.pay(self.name, paid)
        self.advance(sum(len(outcome.answers) for _, outcome, _ in items))

    def advance(self, count: int) -> None:
        self.bar.update(self.task, advance=count, rate=self.summary())

    def summary(self) -> str:
        task = next(task for task in self.bar.tasks if task.id == self.task)
        share = task.completed / task.total if task.total else 1.0
        return summary(self.answers, len(self.failed), self.tokens, task.elapsed or 0.0, self.dollars, share)

    async def tell(self) -> None:
        """A line a minute where no terminal shows the bar."""
        while self.bar.disable:
            await asyncio.sleep(MINUTE)
            task = self.bar.tasks[0]
            print(
                f"{self.name}: {task.completed:,.0f} of {task.total:,.0f} done: {self.summary()}",
                file=sys.stderr,
                flush=True,
            )

    def tell_wait(self, seconds: float) -> None:
        """Once for all calls that hear of it."""
        now = asyncio.get_running_loop().time()
        if now >= self.told:
            self.told = now + seconds
            print(f"{self.name}: the server asks to wait {seconds:,.0f} s", file=sys.stderr, flush=True)

    async def in_thread(self, function: Callable[..., Result], *values: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self.thread, function, *values)


def summary(
    answers: int, failed: int, tokens: int, seconds: float, dollars: float | None, share: float
) -> str:
    """How far a round of calls is, on one line. Its dollars (None: unknown) are projected from the `share`
    that is done, without later steps.
    """
    text = f"{answers:,} answers, {failed:,} failed, {tokens / max(seconds, 0.001):,.0f} tokens/s"
    if dollars is None:
        return f"{text}, cost unknown: no price"
    return f"{text}, {dollars:.4f} dollars" + (
        f" of about {dollars / share:.4f} for this step" if 0 < share < 1 else ""
    )


def narrow(wanted: list[Wanted], pairs: Container[tuple[str, int]]) -> list[Wanted]:
    """The part of what is wanted whose (key, sample) lies in `pairs`."""
    cut = [
        Wanted(want.request, want.key, [sample for sample in want.samples if (want.key, sample) in pairs])
        for want in wanted
    ]
    return [want for want in cut if want.samples]
