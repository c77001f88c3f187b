"""Live: ask an OpenAI-compatible server for what is wanted, many calls at once.

Every answer is committed when it arrives.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing

from stages.asking.conversation import Failures, Wanted
from stages.asking.store import Store
from stages.config.cli import progress_bar
from stages.config.endpoint import Endpoint, Price
from stages.endpoint.calls import Caller, Outcome
from stages.endpoint.estimate import paced_tokens
from stages.endpoint.http import Parcel, narrow, parcels
from stages.endpoint.keeping import Arrived, Keeper, NoDollars
from stages.endpoint.limits import LONG, Gate, pause
from stages.endpoint.progress import CallProgress
from stages.endpoint.signals import signals_cancel

LOADING_LONGEST = 1800.0  # seconds that a server may load its model before a try counts as one
DEAD = 16  # requests in a row, at least, that are given up before a server counts as gone


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
    with signals_cancel(asking), closing(live.keeper), runner:
        return runner.get_loop().run_until_complete(asking)


class Live:
    """One round of calls: what arrived, what failed, what it cost."""

    def __init__(self, store: Store, name: str, endpoint: Endpoint, prices: Mapping[str, Price]) -> None:
        self.store = store
        self.name = name
        self.endpoint = endpoint
        self.keeper = Keeper(store, name, endpoint, prices)
        self.failed: Failures = {}
        self.stop: str | None = None  # why no further call is made
        self.unanswered = 0  # requests in a row that were given up
        self.refused = 0  # calls in a row that met an error of which nobody knows whether it is about all
        self.loading_since: float | None = None  # seconds of the loop's clock

    async def ask(self, wanted: list[Wanted]) -> Failures:
        """Ask for all that is wanted; returns what did not come. Raises ValueError with what stopped it."""
        endpoint = self.endpoint
        self.gate = Gate(endpoint.concurrency, endpoint.requests_per_minute, endpoint.tokens_per_minute)
        self.caller = Caller(self.name, endpoint)
        async with self.caller:
            with progress_bar(telling=False) as bar:
                self.progress = CallProgress(self.name, bar, sum(len(want.samples) for want in wanted))
                self.keeper.progress = self.progress
                telling = asyncio.create_task(self.progress.tell_each_minute())
                try:
                    await self.take_turns(wanted)
                finally:
                    telling.cancel()
                self.progress.tell(self.progress.summary())
        if self.stop:
            raise ValueError(f"{self.stop} ({self.progress.answers} answers came in this run and are kept)")
        return self.failed

    async def take_turns(self, wanted: list[Wanted]) -> None:
        """Ask for what nobody else asks for, then look whether the others got the rest.

        Their answers are ours too, their failures are not.
        """
        while wanted and not self.stop:
            pairs = [(want.key, sample) for want in wanted for sample in want.samples]
            owners = await self.keeper.in_thread(self.store.claim, pairs)
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
                await self.keeper.in_thread(
                    self.store.fail, parcel.key, missing, outcome.kind, outcome.message
                )
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
        await self.keeper.let_commits_pass()
        paced = self.endpoint.tokens_per_minute is not None
        await self.gate.enter(paced_tokens(parcel.request, len(parcel.samples)) if paced else 0)
        try:
            promised = await self.keeper.reserve(parcel, lambda: self.stop)
            if promised is None and self.stop:
                return Outcome()
            outcome = await self.caller.call(parcel)
        except NoDollars as error:
            self.stop = str(error)
            return Outcome()
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
            await self.keeper.keep(call)
        return call.outcome

    def goes_on(self, outcome: Outcome) -> bool:
        """Whether to go on after an error that may be about its prompt alone: until so many in a row have met
        one that it is about everything.
        """
        self.refused += 1
        return outcome.unsure and self.refused < max(DEAD, self.endpoint.concurrency)
