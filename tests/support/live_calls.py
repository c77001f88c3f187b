"""Made-up questions to the local API server: how they are asked, and what was answered."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from api_server import Remote

from stages.asking.conversation import Asking, Failures, ask_all, completions
from stages.asking.request import Request
from stages.asking.store import Store
from stages.config.endpoint import Endpoint, Price
from stages.endpoint import live
from stages.methods import zero_shot
from stages.records.completion import Completion
from stages.records.example import Example

KEY = "sk-local-5f1c21ab"
# so dear that a budget of dollars is a few calls
PRICES = {"m": Price(listed="2026-01-01", input=1000.0, output=2000.0)}


def questions(count: int, start: int = 0) -> list[Example]:
    numbers = range(start, start + count)
    return [Example(f"math-{i}", "math", f"What is {i} + 1?", str(i + 1), "number") for i in numbers]


def asked_number(call: dict[str, Any]) -> str:
    """Which of the questions a call of the chat API asks."""
    return str(call["body"]["messages"][0]["content"].split()[3])


def asking(samples: int = 1, method: Any = zero_shot, **more: Any) -> Asking:
    fields = {"kind": "chat", "model": "m", "temperature": 0.7, "max_tokens": 40} | more
    return Asking(method, method.Settings(), "", samples, lambda prompt: Request(prompt=prompt, **fields))


def endpoint_at(server: Remote, **more: Any) -> Endpoint:
    fields = {"base_url": server.url, "key_env": "LOCAL_KEY", "concurrency": 4, "attempts": 4, "timeout": 5.0}
    return Endpoint(**fields | more)


def ask(
    server: Remote, store: Store, examples: list[Example], how: Asking, prices: Any = PRICES, **more: Any
) -> Failures:
    endpoint = endpoint_at(server, **more)
    return ask_all(
        examples, how, store.answers, lambda wanted: live.fulfil(wanted, store, "here", endpoint, prices)
    )


def stored_texts(store: Store, examples: list[Example], how: Asking) -> list[str]:
    """All texts of the completions there are."""
    return [text for row in completions(examples, how, store.answers) for text in row.texts]


def written(server: Remote) -> list[str]:
    """All samples that the server wrote completely."""
    return [text for call in server.calls() if call["delivered"] for text in call["texts"]]


def failures_in(store: Store) -> Counter[str]:
    return Counter(kind for (kind,) in store.db.execute("SELECT kind FROM failure"))


def dollars_of(row: Completion) -> float:
    """What a completion cost by PRICES."""
    used = row.usage or {}
    return (PRICES["m"].input * used["in"] + PRICES["m"].output * used["out"]) / 1e6


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it did not come to pass within a minute"
        time.sleep(0.005)
