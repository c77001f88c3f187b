"""Teacher `transformers`: a local model of the Hugging Face hub or of a folder, asked with the code that
students answer with (stages/students/decode.py).

It continues the method's prompt as it stands, without a chat template: a chat model is better served (`vllm
serve`, `transformers serve`) and asked by the teacher `openai`. GPU hours are paid once too: every answer
goes into the store, and the completions are read from there.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from stages.asking.conversation import (
    Asking,
    Failures,
    Fulfil,
    MethodName,
    Wanted,
    ask_all,
    asking_method,
    completions,
    walk,
)
from stages.asking.request import Answer, Request
from stages.asking.store import Store
from stages.config.base import Base
from stages.config.decoding import Decoding
from stages.config.load import Block
from stages.records.completion import Completion
from stages.records.example import Example

CHUNK = 256  # answers kept at once: what a kill may lose; decode batches them by length
PATIENCE = 1.0  # seconds between two looks at what another process is decoding

Pair = tuple[Request, int]  # a request and a sample's number


class Settings(Block):
    backend: Literal["transformers"]
    base: Base  # hub and revision, or path and sha256
    # a file of stages/methods, for its prompts, and a block under `methods`
    method: MethodName = "zero_shot_cot"
    samples: int = Field(1, ge=1)  # D, completions a question; nested: the first 8 of 16 are those of 8
    temperature: float = Field(0.0, ge=0)
    max_tokens: int = Field(128, ge=1)  # L_r, tokens a step
    seed: int = 0

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
    method, how = asking_method(settings.method)
    stops = tuple(method.stops(how))

    def request(prompt: str) -> Request:
        return Request(
            kind="transformers", model=model_name(settings.base), prompt=prompt, temperature=settings.temperature, max_tokens=settings.max_tokens,
            # a greedy answer depends on no seed
            stop=stops, seed=settings.seed if settings.temperature else None,
        )  # fmt: skip

    return Asking(method, how, demonstrations, settings.samples, request)


def stream(pairs: list[Pair]) -> int:
    """The seed of answers that are decoded together: another one for other samples, and the same whenever the
    same are missing.
    """
    return int.from_bytes(
        hashlib.sha256(" ".join(f"{request.key}/{sample}" for request, sample in pairs).encode()).digest()[
            :7
        ],
        "big",
    )


def decode(loaded: Any, pairs: list[Pair], what: str) -> list[Answer]:
    """One answer per pair. All requests are of one teacher: they differ by their prompts only."""
    from stages.students import decode as decoder  # needs torch: not where all is in the store

    first = pairs[0][0]
    decoding = Decoding(
        max_new_tokens=first.max_tokens or 0,
        temperature=first.temperature or 0.0,
        samples=1,
        seed=stream(pairs),
    )
    said = decoder.decode(loaded, [request.prompt for request, _ in pairs], list(first.stop), decoding, what)
    fingerprint = f"torch {version('torch')} {loaded.device.type}"
    return [
        Answer(answer.text, answer.finish_reason, tokens_in=answer.tokens_in, tokens_out=answer.tokens_out, model=first.model,
               fingerprint=fingerprint, source="local")
        for (answer,) in said
    ]  # fmt: skip


def fulfil_from(store: Store, settings: Settings) -> Fulfil:
    """What puts missing answers into the store, a chunk at a time; chunks that another process has claimed
    are left to it.
    """

    @cache  # loaded when something is missing, and once
    def loaded() -> Any:
        from stages.students.load import load_base

        return load_base(settings.base)

    def fulfil(wanted: list[Wanted]) -> Failures:
        open_ones = [(want.request, sample) for want in wanted for sample in want.samples]
        while open_ones:
            others: list[Pair] = []
            for start in range(0, len(open_ones), CHUNK):
                chunk = open_ones[start : start + CHUNK]
                owners = store.claim((request.key, sample) for request, sample in chunk)
                mine = [pair for pair in chunk if owners.get((pair[0].key, pair[1])) == store.owner]
                others += [
                    pair for pair in chunk if owners.get((pair[0].key, pair[1])) not in (store.owner, None)
                ]
                if mine:
                    answers = decode(
                        loaded(), mine, f"answers {start + 1} to {start + len(chunk)} of {len(open_ones)}"
                    )
                    store.put(
                        (request, {sample: answer})
                        for (request, sample), answer in zip(mine, answers, strict=True)
                    )
            open_ones = others
            if others:
                time.sleep(PATIENCE)
        return {}  # a prompt that is too long is answered by its finish reason, as a student's is

    return fulfil


def finished(example: Example, asked: Asking, store: Store) -> int:
    """How many samples of a question are answered to the end, counted up to the first that is not."""
    done = {completion.sample for completion in walk(example, asked, store.answers)[0]}
    return next(sample for sample in range(asked.samples + 1) if sample not in done)


def complete(
    examples: list[Example], settings: Settings, raw: Path, demonstrations: str
) -> Iterator[Completion]:
    """Decode what the store does not have, then read everything from it. The raw folder is not read.

    One sample of all questions after the other: what is decoded together, and so every draw, is the same
    however many samples are wanted. Raises ValueError under COT_MODE=replay if something is missing.
    """
    store = Store()
    asked = asking(settings, demonstrations)
    have = [finished(example, asked, store) for example in examples]
    if (missing := sum(settings.samples - count for count in have)) and os.environ.get(
        "COT_MODE"
    ) == "replay":
        raise ValueError(
            f"replay: answers of {model_name(settings.base)} to {missing} of"
            f" {len(examples) * settings.samples} completions are not in {store.path}; bring a store along"
            " ($COT_STORE), or unset $COT_MODE to decode them"
        )
    fulfil = fulfil_from(store, settings)
    try:
        for samples in range(min(have, default=0) + 1, settings.samples + 1):
            ask_all(examples, replace(asked, samples=samples), store.answers, fulfil)
    finally:
        store.release()
    yield from completions(examples, asked, store.answers)
