"""What the local API server's models say: the bodies of /chat/completions and /completions. No network, no
clock (see api_server.py).
"""

import hashlib
import random
import re
from collections import Counter
from typing import Any

WORDS = (
    "first then so there are we have take away left with each of them makes add two more half three groups"
    " total costs every day gives".split()
)
FIELDS = {"chat": "messages", "completions": "prompt"}


class Refused(Exception):
    """An error of the API: status, and the `error` object of its body."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        kind: str = "invalid_request_error",
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.error = status, {"message": message, "type": kind, "param": param, "code": code}


def tokens(text: str) -> list[str]:
    """A token is a word with the space before it."""
    return re.findall(r"\s*\S+|\s+$", text)


def digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def prompt_of(kind: str, body: dict[str, Any]) -> str:
    """The prompt as one text. Raises Refused for what the API does not take."""
    given = body.get(FIELDS[kind])
    if kind == "completions":
        if not isinstance(given, str):
            raise Refused(400, "This server takes one prompt, a string.", param="prompt")
        return given
    if not isinstance(given, list) or not given:
        raise Refused(
            400, "Missing required parameter: 'messages'.", "missing_required_parameter", param="messages"
        )
    for message in given:
        if not isinstance(message, dict) or message.get("role") not in (
            "system",
            "developer",
            "user",
            "assistant",
        ):
            raise Refused(
                400, f"Invalid value for 'messages': {message!r}.", "invalid_value", param="messages"
            )
        if not isinstance(message.get("content"), str):
            raise Refused(
                400,
                "Invalid type for 'messages[0].content': expected a string.",
                "invalid_type",
                param="messages",
            )
    return "\n".join(f"{message['role']}: {message['content']}" for message in given)


def check(body: dict[str, Any]) -> None:
    """Raises Refused for a value out of the API's range."""
    ranges = {
        "temperature": (0, 2),
        "top_p": (0, 1),
        "n": (1, 128),
        "max_tokens": (1, 1 << 20),
        "max_completion_tokens": (1, 1 << 20),
    }
    for name, (low, high) in ranges.items():
        value = body.get(name)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high
        ):
            raise Refused(
                400,
                f"Invalid '{name}': {value!r}, expected between {low} and {high}.",
                "invalid_value",
                param=name,
            )
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        raise Refused(
            400,
            f"Invalid 'stop': {len(stop)} stop sequences, at most 4.",
            "array_above_max_length",
            param="stop",
        )
    if body.get("stream"):
        raise Refused(400, "This server does not stream.", "unsupported_value", param="stream")


class Model:
    """Every model of the server: a text per (model, prompt, number of the sample), or per seed."""

    def __init__(self, words: int, seed: int) -> None:
        self.words, self.seed = words, seed
        self.said: Counter[tuple[str, str]] = Counter()

    def text(self, model: str, prompt: str, body: dict[str, Any], place: int) -> str:
        """A fresh sample; the same one for the same seed."""
        if body.get("seed") is None:
            draw: object = f"sample {self.said[model, prompt]}"
            self.said[model, prompt] += 1
        else:
            draw = f"seed {body['seed']} choice {place}"
        mark = digest(self.seed, model, prompt)[:8]
        rng = random.Random(f"{mark} {draw}")
        return (
            f" ({draw} of {mark}) {' '.join(rng.choices(WORDS, k=self.words))}. The answer is"
            f" {rng.randrange(100)}."
        )

    def answer(self, kind: str, body: dict[str, Any], created: int, fault: dict[str, Any]) -> dict[str, Any]:
        """The body of a response. Raises Refused for a request that the API does not take."""
        if not isinstance(body, dict) or not isinstance(body.get("model"), str):
            raise Refused(400, "you must provide a model parameter")
        prompt, model = prompt_of(kind, body), body["model"]
        check(body)
        seen = (model, prompt) in self.said
        self.said[model, prompt] += 0
        pieces = [self.piece(kind, body, prompt, place, fault) for place in range(body.get("n") or 1)]
        asked = len(tokens(prompt)) + (3 * len(body["messages"]) if kind == "chat" else 0)
        said = sum(spent for _, spent, _ in pieces)
        thought = sum(thought for _, _, thought in pieces)
        usage: dict[str, Any] = {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
        }
        usage["prompt_tokens_details"] = {
            "cached_tokens": asked // 128 * 128 if seen and asked >= 1024 else 0
        }
        usage["completion_tokens_details"] = {"reasoning_tokens": thought}
        name = digest(self.seed, model, prompt, self.said[model, prompt], body.get("seed"))[:24]
        return spoil(fault, {
            "id": f"{'chatcmpl' if kind == 'chat' else 'cmpl'}-{name}",
            "object": "chat.completion" if kind == "chat" else "text_completion",
            "created": created,
            "model": model,
            "system_fingerprint": f"fp_{digest(model)[:10]}",
            "choices": [choice for choice, _, _ in pieces],
            "usage": usage,
        })  # fmt: skip

    def piece(
        self, kind: str, body: dict[str, Any], prompt: str, place: int, fault: dict[str, Any]
    ) -> tuple[dict[str, Any], int, int]:
        """(choice, tokens, of these for reasoning) of one sample."""
        model, room = body["model"], body.get("max_completion_tokens") or body.get("max_tokens") or 1 << 20
        text = self.text(model, prompt, body, place)
        thought: list[str] = []
        if kind == "chat" and "reasoner" in model:
            thought = tokens(f"Let me think:{text} So I can answer.")[:room]
        text = str(fault["text"]) if fault.get("fault") == "say" else text
        stops = [body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop") or []
        ends = [end for stop in stops if (end := text.find(stop)) >= 0]
        said = tokens(text[: min(ends)] if ends else text)
        reason = "length" if len(thought) + len(said) > room else "stop"
        said = said[: room - len(thought)]
        # chat: a flag; completions: how many other tokens to tell, 0 is one more than none
        wanted = body.get("logprobs")
        shown = None if wanted is None or wanted is False else logprobs(kind, said)
        choice: dict[str, Any] = {"index": place, "finish_reason": reason, "logprobs": shown}
        if kind == "completions":
            choice["text"] = "".join(said)
        else:
            choice["message"] = {"role": "assistant", "content": "".join(said), "refusal": None}
            choice["message"] |= {"reasoning_content": "".join(thought)} if "reasoner" in model else {}
        return choice, len(thought) + len(said), len(thought)


def logprobs(kind: str, said: list[str]) -> dict[str, Any]:
    """Log-probabilities in the API's two forms."""
    values = [-(int(digest(place, token)[:4], 16) + 1) / 32768 for place, token in enumerate(said)]
    if kind == "chat":
        pairs = zip(said, values, strict=True)
        return {
            "content": [
                {"token": token, "logprob": value, "bytes": list(token.encode()), "top_logprobs": []}
                for token, value in pairs
            ]
        }
    offsets = [len("".join(said[:place])) for place in range(len(said))]
    tops = [{token: value} for token, value in zip(said, values, strict=True)]
    return {"tokens": said, "token_logprobs": values, "top_logprobs": tops, "text_offset": offsets}


def spoil(fault: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    """A good response with what the fault changes in it."""
    name, choices = fault.get("fault"), payload["choices"]
    if name == "short":
        payload["choices"] = choices[: fault.get("choices", len(choices) - 1)]
    elif name == "empty":
        payload["choices"] = []
    elif name == "bad_choice":
        choices[-1].pop("message", None)
        choices[-1].pop("text", None)
    elif name == "logprobs":
        for choice in choices:
            choice["logprobs"] = fault["logprobs"]
    elif name == "filtered":
        for choice in choices:
            choice["finish_reason"] = "content_filter"
            if "message" in choice:
                choice["message"]["content"] = None
            else:
                choice["text"] = choice["text"][:10]
    elif name == "usage":
        usage = payload.pop("usage")
        counts = {key: value for key, value in usage.items() if isinstance(value, int)}
        wrong = {
            "negative": {key: -value for key, value in counts.items()},
            "strings": {key: f"{value} tokens" for key, value in counts.items()},
        }
        if fault["usage"] != "missing":
            payload["usage"] = (
                wrong.get(fault["usage"], fault["usage"])
                if isinstance(fault["usage"], str)
                else fault["usage"]
            )
    return payload


def texts(payload: dict[str, Any]) -> list[str | None]:
    """Of the choices in a response."""
    return [
        choice["text"] if "text" in choice else choice.get("message", {}).get("content")
        for choice in payload.get("choices", [])
    ]
