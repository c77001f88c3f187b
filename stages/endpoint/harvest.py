"""Harvest: what the output and error files of an ended batch hold, into the store. Half of it done is
harmless: it is done again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

from openai.types import Batch

from stages.asking.request import Answer
from stages.asking.store import Store
from stages.config.endpoint import Price
from stages.endpoint import estimate as cost
from stages.endpoint import jobs, lines
from stages.endpoint.calls import Outcome
from stages.endpoint.jobs import Job, Left, Line
from stages.endpoint.secret import hide
from stages.endpoint.server import Server

CHUNK = 1000  # lines stored in one transaction

Failed = tuple[str, int, str, str]  # key, sample, kind, message


def harvest(
    store: Store, server: Server, job: Job, batch: Batch, prices: Mapping[str, Price]
) -> list[Failed]:
    """Store the answers, note in the job what they cost and what is left to be asked again; returns what did
    not come.
    """
    price = cost.price_of(prices, job.model)
    ends: dict[str, Outcome] = {}
    spent = 0.0
    for line, end in arrive(store, server, job, batch):
        name = lines.custom_id(line)
        if name in ends and (ends[name].answers or not end.answers):
            continue  # a line that is there twice
        ends[name] = replace(end, answers=dict.fromkeys(end.answers, Answer("", "")))  # the texts are stored
        spent += dollars(store, job, line, end, price)
    done = batch.status == "completed"
    silent = Outcome(
        kind="missing" if done else batch.status, message="no line of output", again=True, billed=done
    )
    failed: list[Failed] = []
    for line in job.lines:
        end = ends.get(lines.custom_id(line), silent)
        spent += dollars(store, job, line, end, price) if end is silent else 0.0
        missing = [sample for sample in line.samples if sample not in end.answers]
        missing = [sample for sample in missing if sample not in store.answers(line.key)] if missing else []
        tries = 0 if end.answers else line.tries + 1  # fewer samples than asked for are progress
        job.left += [Left(line.key, sample, tries, end.kind, end.again) for sample in missing]
        failed += [(line.key, sample, end.kind, hide(end.message, server.endpoint)) for sample in missing]
    job.answers, job.dollars = sum(len(end.answers) for end in ends.values()), spent if price else None
    return failed


def arrive(store: Store, server: Server, job: Job, batch: Batch) -> Iterator[tuple[Line, Outcome]]:
    """The lines of both files, their answers stored."""
    by_id = {lines.custom_id(line): line for line in job.lines}
    for number in (batch.output_file_id, batch.error_file_id):
        arrived = (
            lines.read(server.content(number), by_id, lambda line: stop(store, job, line))
            if number
            else iter(())
        )
        while chunk := list(islice(arrived, CHUNK)):
            store.put([(line.key, end.answers) for line, end in chunk if end.answers])
            yield from chunk


def stop(store: Store, job: Job, line: Line) -> tuple[str, ...]:
    """The stop marks of a line's request; none, where the store has lost it."""
    request = jobs.request(store, job, line.key)
    return request.stop if request else ()


def dollars(store: Store, job: Job, line: Line, end: Outcome, price: Price | None) -> float:
    """What a line cost; the most that it can have cost, where the server does not tell."""
    if not end.billed or price is None:
        return 0.0
    if (
        end.answers
        and (known := cost.dollars(price, *cost.usage(end.answers.values()), batch=True)) is not None
    ):
        return known
    request = jobs.request(store, job, line.key)
    most = cost.worst(request, len(line.samples), price, batch=True) if request else None
    return (job.worst or 0.0) / len(job.lines) if most is None else most
