"""Imports: this project's own files - completions as DVC keeps them, exports of another store - back into a
store.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from stages.asking.conversation import Asking
from stages.asking.request import Answer, Request, read_request
from stages.asking.store import Store
from stages.records.completion import Completion
from stages.records.demonstrations import by_subtask
from stages.records.jsonl import read_rows

BATCH = 1000  # requests a transaction: others wait for it
STEP = re.compile(r"(?P<key>[0-9a-f]{64})/(?P<sample>\d+)(?:\?(?P<aside>\S*))?")
Samples = dict[str, dict[int, Answer]]  # key -> sample -> answer


@dataclass
class Found:
    """What a file holds for the store, and what of it is odd: counted by reason, with the place
    of the first.
    """

    answers: Samples = field(default_factory=lambda: defaultdict(dict))
    requests: dict[str, Request] = field(default_factory=dict)  # where they are known
    odd: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def mark(self, why: str, place: str) -> None:
        self.odd[why] += 1
        self.first.setdefault(why, place)

    def add(self, key: str, sample: int, answer: Answer) -> None:
        """Raises ValueError if the file has another answer in that place."""
        there = self.answers[key].setdefault(sample, answer)
        if (there.text, there.finish_reason, there.reasoning) != (
            answer.text,
            answer.finish_reason,
            answer.reasoning,
        ):
            raise ValueError(
                f"another text for {key[:12]}.../{sample} than an earlier row has: one of them was edited"
            )


def keep(store: Store, answered: Iterable[tuple[Request | str, dict[int, Answer]]]) -> Counter[str]:
    """Put answers into the store. Counts those that are new, those that were there, and those whose place has
    another text (it stays).
    """
    counts = Counter(new=0, there=0, taken=0)
    todo = iter(answered)
    while batch := list(islice(todo, BATCH)):
        for request, samples in batch:
            stored = store.answers(request.key if isinstance(request, Request) else request)
            counts["there"] += sum(sample in stored for sample in samples)
            counts["taken"] += sum(
                sample in stored and stored[sample].text != answer.text for sample, answer in samples.items()
            )
        counts["new"] += store.put(batch)
    return counts


# ---- this project's own files


def read_own(path: Path, asking: Asking | None) -> Found:
    """Rows of data/completions/*.jsonl, or of `cot store export`. With `asking`, requests are recognised by
    their prompts.
    """
    found = Found()
    for number, row in enumerate(read_rows(path), 1):
        try:
            if "request" in row:
                read_export(row, found)
            elif row.get("key"):
                read_completion(Completion(**row), found, asking)
            else:
                found.mark("rows without a key: no answers of an endpoint", f"row {number}")
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} row {number}: {error}") from error
    return found


def read_export(row: dict[str, Any], found: Found) -> None:
    """One row of `cot store export` into `found`. Raises ValueError for a request whose key is not the
    row's.
    """
    request = None if row["request"] is None else read_request(json.dumps(row["request"]))
    if request and request.key != row["key"]:
        raise ValueError(f"the request's key is {request.key[:12]}..., the row says {row['key'][:12]}...")
    if request:
        found.requests[request.key] = request
    answer = Answer(**row["answer"])
    pairs = None if answer.logprobs is None else [(token, value) for token, value in answer.logprobs]
    found.add(row["key"], row["sample"], replace(answer, logprobs=pairs))


def read_completion(row: Completion, found: Found, asking: Asking | None) -> None:
    """The answers of a finished talk, one a step (stages/asking/conversation.py, `completion`, wrote it)."""
    steps = [STEP.fullmatch(step) for step in row.key.split(" ")]
    if None in steps or not len(steps) == len(row.prompts) == len(row.texts) == len(row.finish_reasons):
        raise ValueError(
            f"{len(row.texts)} texts, {len(row.prompts)} prompts and the key {row.key!r}, wanted KEY/SAMPLE"
            " for each step"
        )
    asides = [dict(parse_qsl(step["aside"] or "", keep_blank_values=True)) for step in steps if step]
    used = usages(row, asides)
    for step, aside, usage, prompt, text, reason in zip(
        steps, asides, used, row.prompts, row.texts, row.finish_reasons, strict=True
    ):
        assert step
        cut = int(aside["reasoning"]) if "reasoning" in aside else None
        logprob = aside.get("logprob", row.logprob if len(steps) == 1 else None)
        answer = Answer(
            text=text if cut is None else text[cut + 1 :],
            finish_reason=reason,
            reasoning="" if cut is None else text[:cut],
            tokens_in=usage.get("in"),
            tokens_out=usage.get("out"),
            tokens_cached=usage.get("cached"),
            logprobs=None if logprob is None else [("", float(logprob))],  # their sum is all that a row has
            model=aside.get("model", row.model),
            source=aside.get("source", row.origin),
        )
        found.add(step["key"], int(step["sample"]), answer)
        if asking and (request := recognise(step["key"], prompt, asking)):
            found.requests[step["key"]] = request


def usages(row: Completion, asides: list[dict[str, str]]) -> list[dict[str, int]]:
    """Tokens of each step: the last has what the others leave of the row's; {} where they were not told."""
    earlier: list[dict[str, int]] = [
        {name: int(aside[name]) for name in ("in", "out", "cached") if name in aside} for aside in asides[:-1]
    ]
    if row.usage is None:
        return [*earlier, {}]
    if any(len(used) < 3 for used in earlier):
        raise ValueError(
            f"the usage of {len(asides)} steps together, and the key does not divide it: {row.key!r}"
        )
    return [
        *earlier,
        {name: total - sum(used[name] for used in earlier) for name, total in row.usage.items()},
    ]


def recognise(key: str, prompt: str, asking: Asking) -> Request | None:
    """The teacher's request with this key; a row's prompt stands without its demonstrations."""
    headers = by_subtask(asking.demonstrations).values() or [asking.demonstrations]
    asked = (
        asking.request(text) for text in (prompt, *(f"{header.rstrip()}\n\n{prompt}" for header in headers))
    )
    return next((request for request in asked if request.key == key), None)
