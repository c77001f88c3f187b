"""Collect: move the batches that are under way on, as far as each goes.

Every step is in the store's journal before the next one is taken, and what a POST may have done is looked for
before it is repeated: a kill at any moment leaves neither a batch that nobody collects nor one that is paid
twice.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256

from openai.types import Batch

from stages.asking.store import Store
from stages.config.endpoint import Endpoint, Price
from stages.config.visible import visible
from stages.endpoint import batch_files, jobs
from stages.endpoint.jobs import Job
from stages.endpoint.keys import hide_secrets
from stages.endpoint.server import Refused, Server

ENDED = ("completed", "expired", "cancelled", "failed")


class UnderWay:
    """The batches of one endpoint, as the journal has them."""

    def __init__(self, store: Store, name: str, endpoint: Endpoint, prices: Mapping[str, Price]) -> None:
        self.store = store
        self.name = name
        self.endpoint = endpoint
        self.prices = prices
        self.server = Server(name, endpoint)
        self.seen: dict[str, str] = {}  # state of each job under way, for people
        self.too_large: int | None = None  # lines of a batch that the server's queue did not hold

    def journal(self, *states: str) -> list[Job]:
        return [job for job in jobs.all_jobs(self.store) if job.endpoint == self.name and job.state in states]

    def collect(self) -> None:
        """Move every open job on. Raises ValueError for those that do not, when all others are collected."""
        self.seen = {}
        stuck = []
        failures = []
        for job in self.journal(*jobs.OPEN):
            if job.base_url != self.endpoint.base_url:
                raise ValueError(
                    f"{job.owner} of endpoint {self.name!r} was submitted to {job.base_url}, and"
                    f" `endpoints.{self.name}.base_url` is now {self.endpoint.base_url}: set it back until"
                    " its answers are collected"
                )
            try:
                failures += self.advance(job)
            except ValueError as error:
                stuck.append(str(error))
        if failures:
            advice = "batches failed, nothing of them was billed; mend this and run again:"
            stuck.append("\n  ".join([f"endpoint {self.name!r}: {advice}", *failures]))
        if stuck:
            raise ValueError("\n".join(stuck))

    def advance(self, job: Job) -> list[str]:
        """Continue a job from its state; returns why its batch failed, if it did."""
        # older versions took a response without an id for one: what it made is looked for
        if job.state != "intent" and not job.batch:
            job.state = "uploaded" if job.file else "intent"
        if job.state == "intent" and not self.upload(job):
            return []
        if job.state == "uploaded":
            self.create(job)
        batch = self.server.batch(job.batch)
        self.seen[job.id] = f"{job.batch} {batch.status}{progress_of(batch)}"
        if batch.status not in ENDED:
            return []
        del self.seen[job.id]
        job.status = batch.status
        if batch.status == "failed":
            return self.fail(job, batch)
        self.take(job, batch)
        return []

    def upload(self, job: Job) -> bool:
        """The file is on the server; False if there is nothing to send any more."""
        if not self.reserve(job):
            return self.give_up(job, "budget")
        asked = [(line, jobs.stored_request(self.store, job, line.key)) for line in job.lines]
        content = b"".join(batch_files.encode_line(line, request) for line, request in asked if request)
        if sha256(content).hexdigest() == job.sha256:
            with self.or_give_up(job):
                job.file = self.server.upload(job, content)
        # requests were pruned, or another version of this program writes them otherwise: only what is there
        # counts
        elif found := self.server.find_file(job):
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

    def reserve(self, job: Job) -> bool:
        """The most that a job can cost is set aside, once; False if the budget does not hold it."""
        if job.worst is None or jobs.has_reservation(self.store, job):
            return True
        return self.store.reserve(self.name, job.worst, self.endpoint.budget, job.owner) is not None

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

    def fail(self, job: Job, batch: Batch) -> list[str]:
        """Give up a batch that the server did not take; returns why.

        One too large for the server's queue is sent again in halves when there is room.
        """
        errors = (batch.errors.data if batch.errors else None) or []
        size = len(job.lines)
        self.give_up(job, "failed")
        if size > 1 and any("token_limit" in str(error.code) for error in errors):
            self.too_large = min(size, self.too_large or size)
            return []
        reasons = [
            f"{error.code}: {hide_secrets(str(error.message or ''), self.endpoint)}"
            + (f" (line {error.line})" if error.line else "")
            for error in errors[:5]
        ]
        why = "; ".join(reasons) or "the server does not say why"
        return [f"{job.batch}, {size} requests to {job.model!r}: {why}"]

    def take(self, job: Job, batch: Batch) -> None:
        """Put the answers of an ended batch into the store, and close its job with what did not come."""
        failed = batch_files.harvest(self.store, self.server, job, batch, self.prices)
        cost = "cost unknown: no price" if job.dollars is None else f"{job.dollars:.4f} dollars"
        ended = f"{visible(job.batch)} {batch.status}: {job.answers:,} answers"
        print(f"{self.name}: {ended}, {len(failed):,} did not come, {cost}", file=sys.stderr)
        jobs.finish(self.store, job, "collected", failed)


def progress_of(batch: Batch) -> str:
    """How many of a batch's requests are done, "" where the server does not tell."""
    counts = [getattr(batch.request_counts, name, None) for name in ("completed", "failed", "total")]
    told = [count for count in counts if isinstance(count, int)]
    return f" {told[0] + told[1]}/{told[2]}" if len(told) == 3 and told[2] else ""
