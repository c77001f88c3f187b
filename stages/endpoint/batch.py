"""Batch: ask through the OpenAI Batch API, at half the price and within a day.

Submit now, collect with a later run (collect.py says what becomes of a batch under way).
"""

import time
from collections import deque
from collections.abc import Mapping
from hashlib import sha256

from stages.asking.conversation import Failures, Wanted
from stages.asking.prices import price_of
from stages.asking.request import Request
from stages.asking.store import Store
from stages.config.endpoint import Endpoint, Price
from stages.endpoint import batch_files, jobs
from stages.endpoint.batch_files import Sent
from stages.endpoint.collect import UnderWay
from stages.endpoint.estimate import budget_used_up, most_dollars, no_price
from stages.endpoint.http import narrow, request_path
from stages.endpoint.jobs import Job, Left, Line

PAUSE = 30.0  # seconds between two looks at the batches


class Waiting(ValueError):
    """Batches are under way: a later run collects them."""


def fulfil(
    wanted: list[Wanted], store: Store, name: str, endpoint: Endpoint, prices: Mapping[str, Price]
) -> Failures:
    """Collect what has been answered and submit what nobody has asked for.

    Returns what did not come, once nothing is under way any more. Raises Waiting while something is, after
    `endpoint.batch_wait` minutes; ValueError for what needs the user: a refused key, a batch that failed as a
    whole, a spent budget. Everything collected is kept.
    """
    run = Run(store, name, endpoint, prices)
    until = time.monotonic() + 60 * endpoint.batch_wait
    with store.reading(), run.server.client:  # jobs read their requests from the store
        while True:
            with jobs.alone(store, "batches"):
                run.collect()
                if not (waiting := run.submit(wanted)):
                    return run.deliver(wanted)
            if run.too_large and not run.seen:
                continue  # in halves
            if (left := until - time.monotonic()) <= 0:
                raise Waiting(waiting)
            time.sleep(min(PAUSE, left))


class Run(UnderWay):
    """What one run collects and sends; all that another run needs of it is in the journal."""

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

    def submit(self, wanted: list[Wanted]) -> str:
        """Send what is neither stored nor asked for by others; returns what is to come, "" if nothing is."""
        past = {(left.key, left.sample): left for job in self.journal("collected") for left in job.left}
        pairs = [(want.key, sample) for want in wanted for sample in want.samples]
        owners = self.store.claim(
            [pair for pair in pairs if pair not in past or not self.given_up(past[pair])]
        )
        try:
            mine = {pair for pair, owner in owners.items() if owner == self.store.owner}
            tries = {pair: left.tries for pair, left in past.items()}
            short = self.send(narrow(wanted, mine), tries) if mine else ""
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
        most = self.too_large // 2 if self.too_large else batch_files.MOST_REQUESTS
        self.too_large = None
        for group in batch_files.group_lines(wanted, self.endpoint.samples_per_request, tries):
            while group:
                taken, worst = self.fill(group, most)
                if not taken or not self.start(taken, worst):
                    return self.no_money(*(taken or group)[0])
        return ""

    def fill(self, group: deque[Sent], most: int) -> tuple[list[Sent], float | None]:
        """Take the lines of the next batch, as many as the API and the budget allow.

        Returns them, and the most that they cost.
        """
        model = group[0][1].model
        budget = self.endpoint.budget
        spent = self.store.spent(self.name)
        price = price_of(self.prices, model)
        if price is None and budget is not None:
            raise ValueError(no_price(self.name, model))
        taken: list[Sent] = []
        size = 0
        worst = 0.0
        while group and len(taken) < most:
            line, request = group[0]
            size += len(batch_files.encode_line(line, request))
            more = worst + (most_dollars(request, len(line.samples), price, batch=True) or 0.0)
            too_much = budget is not None and spent + more > budget
            if too_much or (taken and size > batch_files.MOST_BYTES):
                break
            worst = more
            taken.append(group.popleft())
        return taken, worst if price else None

    def start(self, taken: list[Sent], worst: float | None) -> bool:
        """Begin a job and take it to the server; False if others have spent the budget meanwhile."""
        request = taken[0][1]
        digest = sha256(b"".join(batch_files.encode_line(*each) for each in taken)).hexdigest()
        sent_before = sum(job.sha256 == digest for job in jobs.all_jobs(self.store))
        self.store.put([(request, {}) for _, request in taken])
        job = Job(
            id=f"{digest[:24]}-{sent_before}",
            endpoint=self.name,
            state="intent",
            base_url=self.endpoint.base_url,
            path=request_path(request),
            model=request.model,
            logprobs=request.logprobs,
            sha256=digest,
            worst=worst,
            lines=[line for line, _ in taken],
        )
        jobs.begin(self.store, job)
        if failures := self.advance(job):
            raise ValueError(f"endpoint {self.name!r}: {failures[0]}")
        return job.status != "budget"

    def no_money(self, line: Line, request: Request) -> str:
        price = price_of(self.prices, request.model)
        cost = most_dollars(request, len(line.samples), price, batch=True)
        spent = self.store.spent(self.name)
        return budget_used_up(self.name, self.endpoint.budget or 0.0, spent, "the next request", cost)

    def report(self, owners: dict[tuple[str, int], str], short: str) -> str:
        """What is under way, for people."""
        ours = self.journal(*jobs.OPEN)
        known = {job.owner for job in ours} | {self.store.owner}
        others = [owner for owner in owners.values() if owner not in known]
        requests = sum(len(job.lines) for job in ours)
        lines = [f"endpoint {self.name!r}: {requests} requests in {len(ours)} batches under way"]
        for job in ours:
            state = self.seen.get(job.id, job.state)
            lines.append(f"  {state} (job {job.id}, {len(job.lines)} requests)")
        if others:
            names = ", ".join(sorted(set(others)))[:200]
            lines.append(f"  {len(others)} answers are asked for by {names}")
        if short:
            lines.append(f"  not all could be sent: {short}")
        return "\n".join([*lines, "nothing is lost: run `dvc repro` again later to collect the answers"])
