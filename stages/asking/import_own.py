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
from stages.records.completion import Completion, Step
from stages.records.demonstrations import by_subtask
from stages.records.jsonl import read_rows, record
from stages.records.types import shortened

BATCH = 1000  # requests a transaction: others wait for it
KEY = re.compile("[0-9a-f]{64}")
PACKED_STEP = re.compile(rf"(?P<key>{KEY.pattern})/(?P<sample>\d+)(?:\?(?P<told>\S*))?")
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


def keep_answers(store: Store, answered: Iterable[tuple[Request | str, dict[int, Answer]]]) -> Counter[str]:
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
            elif steps := (row := with_steps(row)).get("steps"):
                whole = {"steps": tuple(Step(**step) for step in steps)}
                read_completion(Completion(**row | whole), found, asking)
            else:
                found.mark("rows without steps: no answers of a store", f"row {number}")
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} row {number}: {error}") from error
    return found


def read_export(row: dict[str, Any], found: Found) -> None:
    """One row of `cot store export` into `found`. Raises ValueError for a request whose key is not the row's,
    and for values of another kind.
    """
    if not isinstance(row["key"], str) or not KEY.fullmatch(row["key"]):
        raise ValueError(f"key is {shortened(row['key'])}, wanted 64 hexadecimal digits")
    request = None if row["request"] is None else read_request(json.dumps(row["request"]))
    if request and request.key != row["key"]:
        raise ValueError(f"the request's key is {request.key[:12]}..., the row says {row['key'][:12]}...")
    if request:
        found.requests[request.key] = request
    if type(row["sample"]) is not int or row["sample"] < 0:
        raise ValueError(f"sample is {shortened(row['sample'])}, wanted a number from 0 on")
    answer = record(Answer, row["answer"], "answer")
    pairs = None if answer.logprobs is None else [(token, value) for token, value in answer.logprobs]
    found.add(row["key"], row["sample"], replace(answer, logprobs=pairs))


def read_completion(row: Completion, found: Found, asking: Asking | None) -> None:
    """The answers of a finished conversation, one a step (stages/asking/conversation.py, `completion`)."""
    if not len(row.steps) == len(row.prompts) == len(row.texts) == len(row.finish_reasons):
        raise ValueError(
            f"{len(row.texts)} texts, {len(row.prompts)} prompts and {len(row.steps)} steps, wanted as many"
            " of each"
        )
    thoughts = row.reasoning or ("",) * len(row.texts)
    columns = (row.steps, row.prompts, row.texts, row.finish_reasons, thoughts)
    for step, prompt, text, reason, thought in zip(*columns, strict=True):
        used = step.usage or {}
        answer = Answer(
            text=text[step.reasoning + 1 :] if step.reasoning else text,
            finish_reason=reason,
            reasoning=text[: step.reasoning] or thought,
            tokens_in=used.get("in"),
            tokens_out=used.get("out"),
            tokens_cached=used.get("cached"),
            # their sum is all that a row has
            logprobs=None if step.logprob is None else [("", step.logprob)],
            model=step.model,
            source=step.source,
        )
        found.add(step.key, step.sample, answer)
        if asking and (request := recognised_request(step.key, prompt, asking)):
            found.requests[step.key] = request


def with_steps(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is written today. One of before packed its steps into `key`, as KEY/SAMPLE?NAME=VALUE&...
    with what the row does not tell of a step; the last one used the tokens that the others leave of the
    row's.
    """
    if "key" not in row:
        return row
    steps: list[dict[str, Any]] = []
    left = row.get("usage") or {}
    for part in row["key"].split():
        if not (found := PACKED_STEP.fullmatch(part)):
            raise ValueError(f"the key {row['key']!r} of an older row, wanted KEY/SAMPLE for each step")
        told = dict(parse_qsl(found["told"] or "", keep_blank_values=True))
        used = {name: int(told[name]) for name in ("in", "out", "cached") if name in told}
        left = {name: count - used.get(name, 0) for name, count in left.items()}
        steps.append(
            {
                "key": found["key"],
                "sample": int(found["sample"]),
                "model": told.get("model", row["model"]),
                "source": told.get("source", row.get("origin", "")),
                "reasoning": int(told.get("reasoning", 0)),
                "usage": used or None,
                "logprob": float(told["logprob"]) if "logprob" in told else None,
            }
        )
    if steps:
        steps[-1]["usage"] = left or None
    if len(steps) == 1:
        steps[0]["logprob"] = row.get("logprob")
    return {name: value for name, value in row.items() if name != "key"} | {"steps": steps}


def recognised_request(key: str, prompt: str, asking: Asking) -> Request | None:
    """The teacher's request with this key; a row's prompt stands without its demonstrations."""
    headers = by_subtask(asking.demonstrations).values() or [asking.demonstrations]
    asked = (
        asking.request(text) for text in (prompt, *(f"{header.rstrip()}\n\n{prompt}" for header in headers))
    )
    return next((request for request in asked if request.key == key), None)
