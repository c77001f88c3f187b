"""HTTP: a request as the path and the body of one call. Live and batch calls share it.

Chat and legacy completions as OpenAI, vLLM, SGLang, llama.cpp and `transformers serve` speak them; what they
answer is read in stages/endpoint/responses.py.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from stages.asking.conversation import Wanted
from stages.asking.request import Request


@dataclass(frozen=True)
class Parcel:
    """One HTTP call: samples of one request."""

    request: Request
    key: str
    samples: list[int]


def parcels(wanted: list[Wanted], size: int) -> list[Parcel]:
    """At most `size` samples a call; one where each has its own seed."""
    sizes = [1 if want.request.seed is not None else size for want in wanted]
    return [
        Parcel(want.request, want.key, want.samples[start : start + step])
        for want, step in zip(wanted, sizes, strict=True)
        for start in range(0, len(want.samples), step)
    ]


def narrow(wanted: list[Wanted], pairs: Container[tuple[str, int]]) -> list[Wanted]:
    """The part of what is wanted whose (key, sample) lies in `pairs`."""
    parts = [
        Wanted(want.request, want.key, [sample for sample in want.samples if (want.key, sample) in pairs])
        for want in wanted
    ]
    return [part for part in parts if part.samples]


def request_path(request: Request) -> str:
    return {"chat": "/chat/completions", "completions": "/completions"}[request.kind]


def request_body(request: Request, samples: list[int]) -> dict[str, Any]:
    """The JSON body of a call for these samples."""
    if request.kind == "chat":
        system = [{"role": "system", "content": request.system}] if request.system else []
        body: dict[str, Any] = {"messages": [*system, {"role": "user", "content": request.prompt}]}
    else:
        body = {"prompt": request.prompt}
    settings = {name: getattr(request, name) for name in ("temperature", "top_p", "max_tokens")}
    body["model"] = request.model
    body |= {name: value for name, value in settings.items() if value is not None}
    body |= request.extra
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed + samples[0]
    if request.logprobs:
        # completions: how many other tokens to tell as well
        body["logprobs"] = True if request.kind == "chat" else 0
    if len(samples) > 1:
        body["n"] = len(samples)
    return body
