"""Batch files: the file that is uploaded, and what the output and error files of an ended batch hold."""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby, islice
from typing import Any

from openai.types import Batch

from stages.asking.conversation import Wanted
from stages.asking.prices import dollars, price_of
from stages.asking.request import Answer, Request
from stages.asking.store import Store
from stages.config.endpoint import Price
from stages.endpoint.calls import (
    Outcome,
    answer_outcome,
    error_outcome,
    error_text,
    filter_outcome,
)
from stages.endpoint.content import Malformed, name_of
from stages.endpoint.estimate import most_dollars, tokens_used
from stages.endpoint.http import parcels, request_body, request_path
from stages.endpoint.jobs import Job, Left, Line, stored_request
from stages.endpoint.keys import hide_secrets
from stages.endpoint.responses import parse_json, read_answers
from stages.endpoint.server import Server

MOST_REQUESTS = 50_000  # the API's limits of one file
MOST_BYTES = 200_000_000
CHUNK = 1000  # lines stored in one transaction

Sent = tuple[Line, Request]
Failed = tuple[str, int, str, str]  # key, sample, kind, message


# ---- the file that is uploaded


def custom_id(line: Line) -> str:
    """Key and samples, short enough for every server (64 characters): 160 bits of the key name it."""
    return f"{line.key[:40]}/{line.samples[0]}-{line.samples[-1]}"


def encode_line(line: Line, request: Request) -> bytes:
    """A line of the file: the same bytes whenever it is made. ASCII, so that any text passes."""
    entry = {
        "custom_id": custom_id(line),
        "method": "POST",
        "url": "/v1" + request_path(request),
        "body": request_body(request, line.samples),
    }
    return json.dumps(entry, sort_keys=True).encode() + b"\n"


def to_lines(wanted: list[Wanted], size: int) -> Iterator[Sent]:
    """One line for each HTTP call that a live run would make; samples of a line are consecutive."""
    for parcel in parcels(wanted, size):
        for _, run in groupby(enumerate(sorted(parcel.samples)), lambda place: place[1] - place[0]):
            yield Line(parcel.key, [sample for _, sample in run]), parcel.request


def group_lines(wanted: list[Wanted], size: int, tries: Mapping[tuple[str, int], int]) -> list[deque[Sent]]:
    """Lines that may share a file: the API takes one path and one model a batch."""
    groups: dict[tuple[str, str, bool], deque[Sent]] = {}
    for line, request in to_lines(wanted, size):
        line = line._replace(tries=max(tries.get((line.key, sample), 0) for sample in line.samples))
        group = (request_path(request), request.model, request.logprobs)
        groups.setdefault(group, deque()).append((line, request))
    return list(groups.values())


# ---- what comes back


def harvest(
    store: Store, server: Server, job: Job, batch: Batch, prices: Mapping[str, Price]
) -> list[Failed]:
    """Store the answers of an ended batch; returns what did not come.

    Notes in the job what the answers cost and what is left to be asked again. Half of it done is harmless: it
    is done again.
    """
    price = price_of(prices, job.model)
    outcomes: dict[str, Outcome] = {}
    spent = 0.0
    for line, outcome in store_arrived(store, server, job, batch):
        name = custom_id(line)
        if name in outcomes and (outcomes[name].answers or not outcome.answers):
            continue  # a line that is there twice
        spent += line_dollars(store, job, line, outcome, price)
        no_texts = dict.fromkeys(outcome.answers, Answer("", ""))  # they are stored
        outcomes[name] = replace(outcome, answers=no_texts)
    done = batch.status == "completed"
    kind = "missing" if done else batch.status
    silent = Outcome(kind=kind, message="no line of output", again=True, billed=done)
    failed: list[Failed] = []
    for line in job.lines:
        outcome = outcomes.get(custom_id(line), silent)
        if outcome is silent:
            spent += line_dollars(store, job, line, silent, price)
        missing = [sample for sample in line.samples if sample not in outcome.answers]
        missing = [sample for sample in missing if sample not in store.answers(line.key)]
        tries = 0 if outcome.answers else line.tries + 1  # fewer samples than asked for are progress
        message = hide_secrets(outcome.message, server.endpoint)
        job.left += [Left(line.key, sample, tries, outcome.kind, outcome.again) for sample in missing]
        failed += [(line.key, sample, outcome.kind, message) for sample in missing]
    job.answers = sum(len(outcome.answers) for outcome in outcomes.values())
    job.dollars = spent if price else None
    return failed


def store_arrived(store: Store, server: Server, job: Job, batch: Batch) -> Iterator[tuple[Line, Outcome]]:
    """The lines of both files, their answers stored."""
    for number in (batch.output_file_id, batch.error_file_id):
        if number:
            arrived = read_lines(server.content(number), store, job)
            while chunk := list(islice(arrived, CHUNK)):
                refused = store.put_each([(line.key, outcome.answers) for line, outcome in chunk])
                for place, (line, outcome) in enumerate(chunk):
                    why = refused.get(place)
                    yield line, Outcome(kind="unwritable", message=why, billed=True) if why else outcome


def read_lines(content: bytes, store: Store, job: Job) -> Iterator[tuple[Line, Outcome]]:
    """The lines of an output or error file, in any order.

    What is not of the job or cannot be read is passed over: it counts as missing.
    """
    lines = {custom_id(line): line for line in job.lines}
    for text in content.split(b"\n"):
        try:
            entry = parse_json(text) if text.strip() else None
        except Malformed:
            continue
        if isinstance(entry, dict) and (line := lines.get(str(entry.get("custom_id")))) is not None:
            # a server may leave the stop marks in the text; where the store has lost the request, they stay
            request = stored_request(store, job, line.key)
            yield line, line_outcome(entry, line.samples, request.stop if request else ())


def line_outcome(entry: dict[str, Any], samples: list[int], stop: tuple[str, ...]) -> Outcome:
    """A line of an output or error file: status and body of the call, or why there was none."""
    response = given if isinstance(given := entry.get("response"), dict) else {}
    status = response.get("status_code")
    status = int(status) if isinstance(status, str) and re.fullmatch("[0-9]{3}", status) else status
    body = response.get("body") or ({} if status == 200 else {"error": entry.get("error")})
    if status == 200:
        try:
            answers = read_answers(body, samples, stop)
        except Malformed as error:
            # nonsense in one line must not hold up the others
            return Outcome(kind="malformed", message=str(error), again=True, billed=True)
        batched = {sample: replace(answer, source="batch") for sample, answer in answers.items()}
        return answer_outcome(batched, samples)
    if isinstance(status, int):
        outcome = error_outcome(status, {}, error_text(body))
        return filter_outcome(samples, "batch") if outcome.kind == "content_filter" else outcome
    code = entry["error"].get("code") if isinstance(entry.get("error"), dict) else None
    kind = (name_of(code) or "error").removeprefix("batch_")
    return Outcome(kind=kind, message=error_text(entry), again=True, billed=False)


def line_dollars(store: Store, job: Job, line: Line, outcome: Outcome, price: Price | None) -> float:
    """What a line cost; the most that it can have cost, where the server does not tell."""
    if not outcome.billed or price is None:
        return 0.0
    if outcome.answers:
        known = dollars(price, *tokens_used(outcome.answers.values()), batch=True)
        if known is not None:
            return known
    request = stored_request(store, job, line.key)
    most = most_dollars(request, len(line.samples), price, batch=True) if request else None
    return (job.worst or 0.0) / len(job.lines) if most is None else most
