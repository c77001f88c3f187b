"""Lines of a batch: the file that is uploaded, and what the lines of the output and error files say."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from stages.asking.conversation import Wanted
from stages.asking.request import Answer, Request
from stages.endpoint import http as wire
from stages.endpoint.calls import Outcome, classify, error_text
from stages.endpoint.jobs import Line

Sent = tuple[Line, Request]

REQUESTS, BYTES = 50_000, 200_000_000  # the API's limits of one file


def custom_id(line: Line) -> str:
    """Key and samples, short enough for every server (some allow 64 characters): 160 bits of the
    key name it.
    """
    return f"{line.key[:40]}/{line.samples[0]}-{line.samples[-1]}"


def encode(line: Line, request: Request) -> bytes:
    """A line of the file: the same bytes whenever it is made. ASCII, so that any text passes."""
    asked = {
        "custom_id": custom_id(line),
        "method": "POST",
        "url": "/v1" + wire.path(request),
        "body": wire.body(request, line.samples),
    }
    return json.dumps(asked, sort_keys=True).encode() + b"\n"


def cut(wanted: list[Wanted], size: int) -> Iterator[Sent]:
    """One line for each HTTP call that a live run would make; samples of a line are consecutive."""
    for parcel in wire.parcels(wanted, size):
        for _, run in groupby(enumerate(sorted(parcel.samples)), lambda place: place[1] - place[0]):
            yield Line(parcel.key, [sample for _, sample in run]), parcel.request


def groups(wanted: list[Wanted], size: int, tries: Mapping[tuple[str, int], int]) -> list[deque[Sent]]:
    """Lines that may share a file: the API takes one path and one model a batch."""
    found: dict[tuple[str, str, bool], deque[Sent]] = {}
    for line, request in cut(wanted, size):
        tried = line._replace(tries=max(tries.get((line.key, sample), 0) for sample in line.samples))
        found.setdefault((wire.path(request), request.model, request.logprobs), deque()).append(
            (tried, request)
        )
    return list(found.values())


def read(
    content: bytes, lines: dict[str, Line], stop_of: Callable[[Line], tuple[str, ...]]
) -> Iterator[tuple[Line, Outcome]]:
    """The lines of an output or error file, in any order; what is not of `lines` or cannot be read is passed
    over: it counts as missing.

    `stop_of` gives the stop marks of a line's request: a server may leave them in the text.
    """
    for text in content.split(b"\n"):
        try:
            entry = json.loads(text) if text.strip() else None
        except ValueError:
            continue
        if isinstance(entry, dict) and (line := lines.get(str(entry.get("custom_id")))) is not None:
            yield line, outcome(entry, line.samples, stop_of(line))


def outcome(entry: dict[str, Any], samples: list[int], stop: tuple[str, ...]) -> Outcome:
    """A line of an output or error file: status and body of the call, or why there was none."""
    response = given if isinstance(given := entry.get("response"), dict) else {}
    status = response.get("status_code")
    body = response.get("body")
    if status == 200:
        try:
            answers = {
                sample: replace(answer, source="batch")
                for sample, answer in wire.read(body, samples, stop).items()
            }
        except (
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
        ) as error:  # nonsense in one line must not hold up the others
            return Outcome(kind="malformed", message=str(error), again=True, billed=True)
        if len(answers) == len(samples):
            return Outcome(answers, billed=True)
        return Outcome(
            answers, "short", f"{len(answers)} of {len(samples)} samples came", again=True, billed=True
        )
    if isinstance(status, int):
        told = classify(status, {}, error_text(json.dumps(body)))
        if told.kind == "content_filter":  # the server's last word on this prompt
            return Outcome(
                {sample: Answer("", "content_filter", source="batch") for sample in samples}, billed=False
            )
        return told
    text = error_text(json.dumps(entry))
    code = entry["error"].get("code") if isinstance(entry.get("error"), dict) else None
    return Outcome(kind=str(code or "error").removeprefix("batch_"), message=text, again=True, billed=False)
