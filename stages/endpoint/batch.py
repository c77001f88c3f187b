"""Batch: ask through the OpenAI Batch API, at half the price and within a day. Submit now, collect with a
later run.

Every step is in the store's journal before the next one is taken, and what a POST may have done is looked for
before it is repeated: a kill at any moment leaves neither a batch that nobody collects nor one that is paid
twice.
"""

import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256

from openai.types import Batch

from stages.asking.conversation import Failures, Wanted
from stages.asking.request import Request
from stages.asking.store import Store
from stages.config.endpoint import Endpoint, Price
from stages.endpoint import estimate as cost
from stages.endpoint import http as wire
from stages.endpoint import jobs, lines
from stages.endpoint.harvest import harvest
from stages.endpoint.jobs import Job, Left, Line
from stages.endpoint.lines import Sent
from stages.endpoint.live import narrow
from stages.endpoint.secret import hide
from stages.endpoint.server import Refused, Server

PAUSE = 30.0  # seconds between two looks at the batches
ENDED = ("completed", "expired", "cancelled", "failed")


class Waiting(ValueError):
    """Batches are under way: a later run collects them."""


def fulfil(
    wanted: list[Wanted], store: Store, name: str, endpoint: Endpoint, prices: Mapping[str, Price]
) -> Failures:
    """Collect what has been answered and submit what nobody has asked for; returns what did not come once
    nothing is under way any more.

    Raises Waiting while something is, after `endpoint.batch_wait` minutes; ValueError for what needs the
    user: a refused key, a batch that failed as a whole, a spent budget. Everything collected is kept.
    """
    run = Run(store, name, endpoint, prices)
    until = time.monotonic() + 60 * endpoint.batch_wait
    with store.reading(), run.server.client:  # jobs read their requests from the store
        while True:
            with jobs.alone(store):
                run.collect()
                if not (waiting := run.submit(wanted)):
                    return run.deliver(wanted)
            if run.too_large and not run.seen:
                continue  # in halves
            if (left := until - time.monotonic()) <= 0:
                raise Waiting(waiting)
            time.sleep(min(PAUSE, left))


class Run:
    """What one run knows; all else is in the journal."""

    def __init__(self, store: Store, name: str, endpoint: Endpoint, prices: Mapping[str, Price]) -> None:
        self.store = store
        self.name = name
        self.endpoint = endpoint
        self.prices = prices
        self.server = Server(name, endpoint)
        self.seen: dict[str, str] = {}  # state of each job under way, for people
        self.too_large: int | None = None  # lines of a batch that the server's queue did not hold

    def journal(self, *states: str) -> list[Job]:
        return [job for job in jobs.read(self.store) if job.endpoint == self.name and job.state in states]

    # ---- what is under way

    def collect(self) -> None:
        """Move every open job on as far as it goes. Raises ValueError for those that do not, when all others
        are collected.
        """
        self.seen = {}
        stuck = []
        refused = []
        for job in self.journal(*jobs.OPEN):
            if job.base_url != self.endpoint.base_url:
                raise ValueError(
                    f"{job.owner} of endpoint {self.name!r} was submitted to {job.base_url}, and"
                    f" `endpoints.{self.name}.base_url` is now {self.endpoint.base_url}: set it back until"
                    " its answers are collected"
                )
            try:
                refused += self.advance(job)
            except ValueError as error:
                stuck.append(str(error))
        if refused:
            stuck.append(
                "\n  ".join(
                    [
                        (
                            f"endpoint {self.name!r}: batches failed, nothing of them was billed; mend this"
                            " and run again:"
                        ),
                        *refused,
                    ]
                )
            )
        if stuck:
            raise ValueError("\n".join(stuck))

    def advance(self, job: Job) -> list[str]:
        """Continue a job from its state; returns why its batch failed, if it did."""
        if job.state == "intent" and not self.upload(job):
            return []
        if job.state == "uploaded":
            self.create(job)
        batch = self.server.batch(job.batch)
        counts = batch.request_counts
        self.seen[job.id] = f"{batch.id} {batch.status}" + (
            f" {counts.completed + counts.failed}/{counts.total}" if counts and counts.total else ""
        )
        if batch.status not in ENDED:
            return []
        del self.seen[job.id]
        job.status = batch.status
        if batch.status == "failed":
            return self.failed(job, batch)
        self.take(job, batch)
        return []

    def upload(self, job: Job) -> bool:
        """The file is on the server; False if there is nothing to send any more."""
        if (
            job.worst is not None
            and not jobs.reserved(self.store, job)
            and not self.reserve(job.worst, job.owner)
        ):
            return self.give_up(job, "budget")
        asked = [(line, jobs.request(self.store, job, line.key)) for line in job.lines]
        content = b"".join(lines.encode(line, request) for line, request in asked if request)
        if sha256(content).hexdigest() == job.sha256:
            with self.or_give_up(job):
                job.file = self.server.upload(job, content)
        elif found := self.server.find_file(
            job
        ):  # pruned, or another version of this program writes it otherwise: only what is there counts
            job.file = found
        else:
            return self.give_up(job, "changed")
        job.state = "uploaded"
        jobs.save(self.store, job)
        return True

    def create(self, job: Job) -> None:
        """The batch is on the server."""
        with self.or_give_up(job):
            job.batch = self.server.create(job)
        job.state = "submitted"
        jobs.save(self.store, job)

    def reserve(self, dollars: float, owner: str) -> bool:
        return self.store.reserve(self.name, dollars, self.endpoint.budget, owner) is not None

    @contextmanager
    def or_give_up(self, job: Job) -> Iterator[None]:
        try:
            yield
        except Refused:
            self.give_up(job, "refused")
            raise

    def give_up(self, job: Job, why: str) -> bool:
        """Nothing was submitted: its answers are free to be asked for otherwise."""
        job.status = why
        job.dollars = 0.0
        jobs.finish(self.store, job, "closed")
        self.seen.pop(job.id, None)
        return False

    def failed(self, job: Job, batch: Batch) -> list[str]:
        """A batch that the server did not take, and why. One too large for its queue is sent again in halves
        when there is room.
        """
        errors = (batch.errors.data if batch.errors else None) or []
        size = len(job.lines)
        self.give_up(job, "failed")
        if size > 1 and any("token_limit" in (error.code or "") for error in errors):
            self.too_large = min(size, self.too_large or size)
            return []
        told = [
            f"{error.code}: {hide(error.message or '', self.endpoint)}"
            + (f" (line {error.line})" if error.line else "")
            for error in errors[:5]
        ]
        return [
            f"{batch.id}, {size} requests to {job.model!r}:"
            f" {'; '.join(told) or 'the server does not say why'}"
        ]

    # ---- what has arrived

    def take(self, job: Job, batch: Batch) -> None:
        """Put the answers of an ended batch into the store, and close its job with what did not come."""
        failed = harvest(self.store, self.server, job, batch, self.prices)
        cost_ = "cost unknown: no price" if job.dollars is None else f"{job.dollars:.4f} dollars"
        print(
            f"{self.name}: {batch.id} {batch.status}: {job.answers:,} answers, {len(failed):,} did not come,"
            f" {cost_}",
            file=sys.stderr,
        )
        jobs.finish(self.store, job, "collected", failed)

    def given_up(self, left: Left) -> bool:
        return not left.again or left.tries >= self.endpoint.attempts

    def deliver(self, wanted: list[Wanted]) -> Failures:
        """What did not come, told once: the next run asks for it anew."""
        pairs = {(want.key, sample) for want in wanted for sample in want.samples}
        failures: Failures = {}
        for job in self.journal("collected"):
            ours = [left for left in job.left if (left.key, left.sample) in pairs]
            failures |= {(left.key, left.sample): left.kind for left in ours if self.given_up(left)}
            job.left = [left for left in job.left if (left.key, left.sample) not in pairs]
            if ours or not job.left:
                job.state = "collected" if job.left else "closed"
                jobs.save(self.store, job)
        return failures

    # ---- what is to be sent

    def submit(self, wanted: list[Wanted]) -> str:
        """Send what is neither stored nor asked for by others; returns what is still to come, "" if nothing
        is.
        """
        past = {(left.key, left.sample): left for job in self.journal("collected") for left in job.left}
        pairs = [(want.key, sample) for want in wanted for sample in want.samples]
        owners = self.store.claim(
            [pair for pair in pairs if pair not in past or not self.given_up(past[pair])]
        )
        try:
            mine = {pair for pair, owner in owners.items() if owner == self.store.owner}
            short = (
                self.send(narrow(wanted, mine), {pair: left.tries for pair, left in past.items()})
                if mine
                else ""
            )
        finally:
            self.store.release()
        if short and not self.seen:
            raise ValueError(short)
        return self.report(owners, short) if owners else ""

    def send(self, wanted: list[Wanted], tries: dict[tuple[str, int], int]) -> str:
        """Submit batches until nothing is left; else returns why not all of it could be sent."""
        if self.too_large and self.seen:
            return f"endpoint {self.name!r} has no room for another batch"
        self.server.check()
        most = self.too_large // 2 if self.too_large else lines.REQUESTS
        self.too_large = None
        for group in lines.groups(wanted, self.endpoint.samples_per_request, tries):
            while group:
                taken, worst = self.fill(group, most)
                if not taken or not self.start(taken, worst):
                    return self.no_money(*(taken or group)[0])
        return ""

    def fill(self, group: deque[Sent], most: int) -> tuple[list[Sent], float | None]:
        """Take the lines of the next batch, as many as the API and the budget allow, and the most that they
        cost.
        """
        model = group[0][1].model
        budget = self.endpoint.budget
        spent = self.store.spent(self.name)
        if (price := cost.price_of(self.prices, model)) is None and budget is not None:
            raise ValueError(
                f"endpoint {self.name!r} has a budget, but the price of {model!r} is unknown: add it under"
                " `prices`, or drop the budget"
            )
        taken: list[Sent] = []
        size = 0
        worst = 0.0
        while group and len(taken) < most:
            line, request = group[0]
            size += len(lines.encode(line, request))
            more = worst + (cost.worst(request, len(line.samples), price, batch=True) or 0.0)
            if (size > lines.BYTES and taken) or (budget is not None and spent + more > budget):
                break
            worst = more
            taken.append(group.popleft())
        return taken, worst if price else None

    def start(self, taken: list[Sent], worst: float | None) -> bool:
        """Begin a job and take it to the server; False if others have spent the budget meanwhile."""
        request = taken[0][1]
        digest = sha256(b"".join(lines.encode(*each) for each in taken)).hexdigest()
        number = f"{digest[:24]}-{sum(job.sha256 == digest for job in jobs.read(self.store))}"
        self.store.put([(request, {}) for _, request in taken])
        job = Job(
            number,
            self.name,
            "intent",
            self.endpoint.base_url,
            wire.path(request),
            request.model,
            request.logprobs,
            digest,
            worst,
        )
        job.lines = [line for line, _ in taken]
        jobs.begin(self.store, job)
        if refused := self.advance(job):
            raise ValueError(f"endpoint {self.name!r}: {refused[0]}")
        return job.status != "budget"

    def no_money(self, line: Line, request: Request) -> str:
        dollars = cost.worst(
            request, len(line.samples), cost.price_of(self.prices, request.model), batch=True
        )
        return (
            f"the budget of {self.endpoint.budget:.2f} dollars at endpoint {self.name!r} is used up:"
            f" {self.store.spent(self.name):.4f} spent or set aside, the next request may cost {dollars:.4f};"
            f" raise `endpoints.{self.name}.budget` to go on"
        )

    def report(self, owners: dict[tuple[str, int], str], short: str) -> str:
        """What is under way, for people."""
        ours = self.journal(*jobs.OPEN)
        requests = sum(len(job.lines) for job in ours)
        owned = {job.owner for job in ours}
        states = "".join(
            f"\n  {self.seen.get(job.id, job.state)} (job {job.id}, {len(job.lines)} requests)"
            for job in ours
        )
        others = {owner for owner in owners.values() if owner not in owned and owner != self.store.owner}
        elsewhere = sum(owner in others for owner in owners.values())
        return (
            f"endpoint {self.name!r}: {requests} requests in {len(ours)} batches under way{states}"
            + (
                f"\n  {elsewhere} answers are asked for by {', '.join(sorted(others))[:200]}"
                if elsewhere
                else ""
            )
            + (f"\n  not all could be sent: {short}" if short else "")
            + "\nnothing is lost: run `dvc repro` again later to collect the answers"
        )
