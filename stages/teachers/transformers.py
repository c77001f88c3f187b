"""Teacher `transformers`: a local model of the Hugging Face hub or of a folder, asked with the code that
students answer with (stages/students/decode.py).

It continues the method's prompt as it stands, or is asked it through its own chat template where the method's
format is `chat`. GPU hours are paid once too: every answer goes into the store, and the completions are read
from there.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from stages.asking.conversation import (
    Answerer,
    Asking,
    Failures,
    Wanted,
    ask_all,
    completions,
    replay,
    with_wrong_answers,
)
from stages.asking.local import decode_requests
from stages.asking.request import Request
from stages.asking.store import Store
from stages.config.base import Base
from stages.config.decoding import Decoding
from stages.config.method import max_tokens_of, read_method
from stages.config.precision import Precision
from stages.config.samples import Fewer, Samples
from stages.records.completion import Completion
from stages.records.example import Example
from stages.text.formats import system_of

CHUNK = 256  # answers kept at once: what a kill may lose; decode batches them by length
PATIENCE = 1.0  # seconds between two looks at what another process is decoding

Pair = tuple[Request, int]  # a request and a sample's number


class Settings(Samples):
    backend: Literal["transformers"]
    base: Base  # as a student's
    # a block under `methods`, for its prompts
    method: str = "zero_shot_cot"
    temperature: float = Field(0.0, ge=0)
    # L_r, tokens a step; auto: as many as the method says, 128 or more
    max_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    seed: int = 0
    # auto: as its weights are saved, where the machine computes so; an answer that is stored stays
    precision: Precision = "auto"

    @model_validator(mode="after")
    def samples_differ(self) -> "Settings":
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("greedy samples are all the same: give a temperature with samples > 1")
        return self


def model_name(base: Base) -> str:
    """What the weights are, wherever they lie: part of every request's key."""
    return f"{base.hub}@{base.revision}" if base.hub else f"sha256:{str(base.sha256)[:16]}"


def asking(settings: Settings, demonstrations: str) -> Asking:
    """The method's asking side with this teacher's request."""
    method, how, reader = read_method(settings.method)
    stops = tuple(method.stops(how))
    system = system_of(how)

    def request(prompt: str) -> Request:
        return Request(
            kind="transformers" if system is None else "transformers_chat",
            model=model_name(settings.base),
            prompt=prompt,
            system=system or "",
            temperature=settings.temperature,
            max_tokens=max_tokens_of(method) if settings.max_tokens == "auto" else settings.max_tokens,
            stop=stops,
            # a greedy answer depends on no seed
            seed=settings.seed if settings.temperature else None,
        )

    return Asking(method, how, demonstrations, settings.samples, request, reader=reader)


def stream(pairs: list[Pair]) -> int:
    """The seed of answers that are decoded together: another one for other samples, and the same whenever the
    same are missing.
    """
    names = " ".join(f"{request.key}/{sample}" for request, sample in pairs)
    return int.from_bytes(hashlib.sha256(names.encode()).digest()[:7], "big")


def claimed(pairs: list[Pair], store: Store) -> tuple[list[Pair], list[Pair]]:
    """(those that are this process's to decode, those that another process decodes); the rest is stored."""
    owners = store.claim((request.key, sample) for request, sample in pairs)
    mine: list[Pair] = []
    others: list[Pair] = []
    for request, sample in pairs:
        if owner := owners.get((request.key, sample)):
            (mine if owner == store.owner else others).append((request, sample))
    return mine, others


def through(store: Store, settings: Settings) -> Answerer:
    """The model puts missing answers into the store, a chunk at a time; chunks that another process has
    claimed are left to it.
    """

    @cache  # loaded when something is missing, and once
    def loaded() -> Any:
        from stages.students.load import load_base

        base = settings.base
        if base.gguf:  # no stage's own: converted once, into the cache
            from stages.students.gguf import converted

            base = converted(base)
        return load_base(base, precision=settings.precision)

    def decode(pairs: list[Pair], what: str) -> None:
        decoding = Decoding(
            max_new_tokens=pairs[0][0].max_tokens or 1,  # all requests of a teacher have one
            temperature=settings.temperature,
            samples=1,
            seed=stream(pairs),
        )
        answers = decode_requests(loaded(), [request for request, _ in pairs], decoding, what)
        store.put(
            (request, {sample: answer}) for (request, sample), (answer,) in zip(pairs, answers, strict=True)
        )

    def fulfil(wanted: list[Wanted]) -> Failures:
        waiting = [(want.request, sample) for want in wanted for sample in want.samples]
        while waiting:
            others: list[Pair] = []
            for start in range(0, len(waiting), CHUNK):
                chunk = waiting[start : start + CHUNK]
                mine, theirs = claimed(chunk, store)
                others += theirs
                if mine:
                    decode(mine, f"answers {start + 1} to {start + len(chunk)} of {len(waiting)}")
            waiting = others
            if others:
                time.sleep(PATIENCE)
        return {}  # a prompt that is too long is answered by its finish reason, as a student's is

    return Answerer(store.answers, fulfil)


def finished(example: Example, asked: Asking, store: Store) -> int:
    """How many samples of a question are answered to the end, counted up to the first that is not."""
    done = {completion.sample for completion in replay(example, asked, store.answers)[0]}
    return next(sample for sample in range(asked.samples + 1) if sample not in done)


def complete(
    examples: list[Example], settings: Settings, raw: Path, demonstrations: str, fewer: Fewer | None = None
) -> Iterator[Completion]:
    """Decode what the store does not have, then read everything from it. The raw folder is not read.

    One sample of all questions after the other: what is decoded together, and so every draw, is the same
    however many samples are wanted. Raises ValueError under COT_MODE=replay if something is missing.
    """
    store = Store()
    asked = with_wrong_answers(replace(asking(settings, demonstrations), fewer=fewer or {}), examples)
    have = [finished(example, asked, store) for example in examples]
    total = sum(map(asked.samples_of, examples))
    missing = total - sum(have)
    if missing and os.environ.get("COT_MODE") == "replay":
        raise ValueError(
            f"replay: answers of {model_name(settings.base)} to {missing} of"
            f" {total} completions are not in {store.path}; bring a store along"
            " ($COT_STORE), or unset $COT_MODE to decode them"
        )
    who = through(store, settings)
    try:
        for samples in range(min(have, default=0) + 1, settings.samples + 1):
            ask_all(examples, replace(asked, samples=samples), who.stored, who.fulfil)
    finally:
        store.release()
    yield from completions(examples, asked, store.answers)


def verbatim(settings: Settings) -> Settings:
    """For texts that are whole prompts."""
    return settings.model_copy(update={"method": "bare"})
