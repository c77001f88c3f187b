"""Request and answer: what is asked of a model, the key under which its answers are kept, and what a model
said.

The key is the sha256 of everything that can change an answer and of nothing that cannot: not of the address
or its credentials, of live or batch transport, of how many samples are wanted. Changing what goes into it
orphans paid answers: tests/asking/test_request.py freezes keys.
"""

import hashlib
import json
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

VERSION = 1  # of the key; a new one needs a migration of the store


@dataclass(frozen=True)
class Request:
    """One prompt with its sampling parameters. A field at its default stays out of the key, so that a new
    field changes no old key.
    """

    # "chat" | "completions": an OpenAI-compatible endpoint; "transformers" | "transformers_chat": a model in
    # this process, which continues the prompt, or is asked it through its own chat template
    kind: str
    model: str  # as the endpoint calls it; a local model's revision or sha256 is part of it
    prompt: str  # chat: the user's message
    system: str = ""  # chat: the system's message
    temperature: float | None = None  # None: the server's default
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None  # sample k is asked with seed + k
    # further fields of the body, such as reasoning_effort
    extra: dict[str, Any] = field(default_factory=dict)
    salt: str = ""  # another one asks everything anew
    # ask for token log-probabilities; they change no answer, so they are not part of the key
    logprobs: bool = False

    def __post_init__(self) -> None:
        """1 and 1.0 are one temperature, a list and a tuple of stops are one list: they must not make two
        keys.
        """
        for name in ("temperature", "top_p"):
            object.__setattr__(self, name, None if (value := getattr(self, name)) is None else float(value))
        object.__setattr__(self, "stop", tuple(self.stop))

    @property
    def body(self) -> str:
        """Canonical JSON: the text whose sha256 is the key."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "logprobs"}
        set_values = {name: value for name, value in given.items() if value not in (None, "", (), {})}
        return json.dumps({"version": VERSION, **set_values}, sort_keys=True, separators=(",", ":"))

    @cached_property
    def key(self) -> str:
        """64 hexadecimal digits."""
        return hashlib.sha256(self.body.encode()).hexdigest()


def read_request(body: str) -> Request:
    """The request whose `body` this is. Raises ValueError for another version and for what is no request."""
    try:
        values = json.loads(body)
        if (version := values.pop("version", None)) == VERSION:
            return Request(**{"kind": "", "model": "", "prompt": "", **values})
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"no request: {body[:80]!r} ({error})") from error
    raise ValueError(f"request of version {version}, wanted {VERSION}")


@dataclass(frozen=True)
class Answer:
    """One sample of a request."""

    text: str
    finish_reason: str  # "stop" | "length" | "content_filter" | whatever else the server calls it
    reasoning: str = ""  # what a reasoning model thought, where the server tells it apart
    # of the response's prompt: on the first sample of a response, 0 on its others; None: not told
    tokens_in: int | None = None
    tokens_out: int | None = None  # of a response with several samples: shared out by length of text
    tokens_cached: int | None = None  # part of tokens_in that the provider had cached
    logprobs: list[tuple[str, float]] | None = None  # token by token, where offered
    model: str = ""  # as the server names what answered
    fingerprint: str = ""  # the provider's system_fingerprint
    source: str = "live"  # "live" | "batch" | "local" | "import <file>"
    time: str = ""  # ISO 8601, UTC: when it was stored first
    prompt_cut: bool = False  # a student's, at its `max_prompt_tokens`; no store has such answers
