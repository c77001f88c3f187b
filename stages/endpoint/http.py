"""Wire: a request as the body of one HTTP call, and the answers in what comes back. Live and batch calls
share it.

Chat and legacy completions as OpenAI, vLLM, SGLang, llama.cpp and `transformers serve` speak them.
"""

from dataclasses import dataclass
from typing import Any

from stages.asking.conversation import Wanted
from stages.asking.request import Answer, Request


class Malformed(ValueError):
    """A response without the fields that the API promises."""


@dataclass(frozen=True)
class Parcel:
    """One HTTP call: samples of one request."""

    request: Request
    key: str
    samples: list[int]


def parcels(wanted: list[Wanted], size: int) -> list[Parcel]:
    """At most `size` samples a call; one where each has its own seed."""
    cut = [(want, 1 if want.request.seed is not None else size) for want in wanted]
    return [
        Parcel(want.request, want.key, want.samples[start : start + step])
        for want, step in cut
        for start in range(0, len(want.samples), step)
    ]


def path(request: Request) -> str:
    return {"chat": "/chat/completions", "completions": "/completions"}[request.kind]


def body(request: Request, samples: list[int]) -> dict[str, Any]:
    """The JSON body of a call for these samples."""
    if request.kind == "chat":
        system = [{"role": "system", "content": request.system}] if request.system else []
        asked: dict[str, Any] = {"messages": [*system, {"role": "user", "content": request.prompt}]}
    else:
        asked = {"prompt": request.prompt}
    settings = {name: getattr(request, name) for name in ("temperature", "top_p", "max_tokens")}
    asked |= (
        {"model": request.model}
        | {name: value for name, value in settings.items() if value is not None}
        | request.extra
    )
    if request.stop:
        asked["stop"] = list(request.stop)
    if request.seed is not None:
        asked["seed"] = request.seed + samples[0]
    if request.logprobs:
        # completions: how many other tokens to tell as well
        asked["logprobs"] = True if request.kind == "chat" else 0
    if len(samples) > 1:
        asked["n"] = len(samples)
    return asked


def read(payload: Any, samples: list[int], stop: tuple[str, ...] = ()) -> dict[int, Answer]:
    """Sample -> answer, in the order of the choices. A response may hold fewer choices than were asked for,
    never other ones.

    Texts end before the first of the `stop` marks: `transformers serve` leaves the mark in. Raises Malformed
    for a response in which no choice has a text; beside others that have one, a choice without is left out.
    """
    choices = payload.get("choices") if isinstance(payload, dict) else None
    if not isinstance(choices, list) or not choices:
        raise Malformed(f"no choices in the response {str(payload)[:200]!r}")
    read_ones = []
    for choice in choices[: len(samples)]:
        try:
            read_ones.append(read_choice(choice))
        except Malformed:
            if len(choices) == 1:
                raise
    if not read_ones:
        raise Malformed(f"no text in any choice of {str(choices)[:200]!r}")
    usage = payload.get("usage") or {}
    tokens_in = count(usage, "prompt_tokens")
    tokens_out = count(usage, "completion_tokens")
    cached = (
        count(usage.get("prompt_tokens_details") or {}, "cached_tokens") if isinstance(usage, dict) else None
    )
    shares = share(tokens_out, [len(text) + len(reasoning) for text, reasoning, _, _ in read_ones])
    return {
        sample: Answer(
            text=cut(text, stop),
            finish_reason="stop" if cut(text, stop) != text else reason,
            reasoning=reasoning,
            tokens_in=tokens_in if place == 0 or tokens_in is None else 0,
            tokens_out=shares[place],
            tokens_cached=cached if place == 0 or cached is None else 0,
            logprobs=logprobs,
            model=str(payload.get("model") or ""),
            fingerprint=str(payload.get("system_fingerprint") or ""),
        )
        for place, (sample, (text, reasoning, reason, logprobs)) in enumerate(
            zip(samples, read_ones, strict=False)
        )
    }


def cut(text: str, stop: tuple[str, ...]) -> str:
    """The text before the first stop mark."""
    return text[: min((text.index(mark) for mark in stop if mark in text), default=len(text))]


def read_choice(choice: Any) -> tuple[str, str, str, list[tuple[str, float]] | None]:
    """(text, reasoning, finish reason, token log-probabilities) of a chat or completions choice."""
    if not isinstance(choice, dict):
        raise Malformed(f"a choice is {choice!r}")
    reason = str(choice.get("finish_reason") or "unknown")
    message = choice.get("message")
    text, reasoning = (message.get("content"), message.get("reasoning_content") or message.get("reasoning")) if isinstance(message, dict) else (
        choice.get("text"), None)  # fmt: skip
    if text is None and (reasoning or reason in ("length", "content_filter")):
        text = ""  # all tokens went into the reasoning, or the filter took what there was
    if text is None and isinstance(message, dict) and isinstance(message.get("refusal"), str):
        text = message["refusal"]
        reason = "refusal"
    if not isinstance(text, str):
        raise Malformed(f"no text in the choice {str(choice)[:200]!r}")
    return (
        text,
        reasoning if isinstance(reasoning, str) else "",
        reason,
        read_logprobs(choice.get("logprobs")),
    )


def read_logprobs(given: Any) -> list[tuple[str, float]] | None:
    """Tokens of the answer with their log-probabilities: chat has a list under `content`, completions two
    lists. None for any other form.
    """
    if not isinstance(given, dict):
        return None
    try:
        if given.get("content") is not None:
            return [(str(token["token"]), float(token["logprob"])) for token in given["content"]]
        pairs = zip(given["tokens"], given["token_logprobs"], strict=True)
        return [(str(token), float(value)) for token, value in pairs if value is not None]
    except (KeyError, TypeError, ValueError):  # an answer that was paid is not lost over them
        return None


def count(usage: Any, name: str) -> int | None:
    """A token count, None where the server tells none or nonsense: an unknown cost is not a cost of zero.

    So is a number that SQLite cannot hold, which would keep out all answers in its transaction.
    """
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def share(total: int | None, lengths: list[int]) -> list[int | None]:
    """`total` tokens over samples in proportion to their lengths: whole numbers that add up to it."""
    if total is None:
        return [None] * len(lengths)
    whole = sum(lengths) or len(lengths)
    shares = []
    before = 0
    for place in range(len(lengths)):
        through = total * (sum(lengths[: place + 1]) if sum(lengths) else place + 1) // whole
        shares.append(through - before)
        before = through
    return list(shares)
