"""Live calls against the local API server (tests/support/api_server.py): every fault, what is asked again and
what is not, kill -9, two at once.
"""

import asyncio
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest
from api_server import Remote, serve
from conftest import ROOT
from ruamel.yaml import YAML

from stages import teach
from stages.asking.conversation import Asking, Failures, Wanted, ask_all, completions
from stages.asking.request import Request, read_request
from stages.asking.store import Store
from stages.config.endpoint import Endpoint, Price
from stages.endpoint import limits, live, progress
from stages.endpoint.calls import error_outcome
from stages.endpoint.estimate import most_dollars
from stages.endpoint.limits import Gate
from stages.endpoint.server import make_once
from stages.methods import zero_shot, zero_shot_cot
from stages.records.completion import Completion, read_completions
from stages.records.example import Example, write_examples

KEY = "sk-local-5f1c21ab"
# so dear that a budget of dollars is a few calls
PRICES = {"m": Price(listed="2026-01-01", input=1000.0, output=2000.0)}


@pytest.fixture(scope="module")
def running() -> Iterator[Remote]:
    with serve(key=KEY, latency=0.01, words=8) as server:
        yield server


@pytest.fixture
def server(running: Remote, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """Fresh; the client's own pauses are shortened, what the server asks for is not."""
    running.reset()
    running.script([])
    monkeypatch.setenv("LOCAL_KEY", KEY)
    monkeypatch.delenv("COT_MODE", raising=False)
    monkeypatch.setattr(live, "pause", lambda attempt: 0.01)
    return running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.sqlite")


def questions(count: int, start: int = 0) -> list[Example]:
    return [
        Example(f"math-{i}", "math", f"What is {i} + 1?", str(i + 1), "number")
        for i in range(start, start + count)
    ]


def asking(samples: int = 1, method: Any = zero_shot, **more: Any) -> Asking:
    fields = {"kind": "chat", "model": "m", "temperature": 0.7, "max_tokens": 40} | more
    return Asking(method, method.Settings(), "", samples, lambda prompt: Request(prompt=prompt, **fields))


def at(server: Remote, **more: Any) -> Endpoint:
    return Endpoint(
        **{"base_url": server.url, "key_env": "LOCAL_KEY", "concurrency": 4, "attempts": 4, "timeout": 5.0}
        | more
    )


def ask(
    server: Remote, store: Store, examples: list[Example], how: Asking, prices: Any = PRICES, **more: Any
) -> Failures:
    return ask_all(
        examples,
        how,
        store.answers,
        lambda wanted: live.fulfil(wanted, store, "here", at(server, **more), prices),
    )


def texts(rows: Iterator[Completion]) -> list[str]:
    return [text for row in rows for text in row.texts]


def written(server: Remote) -> list[str]:
    """All samples that the server wrote completely."""
    return [text for call in server.calls() if call["delivered"] for text in call["texts"]]


def failures_in(store: Store) -> Counter[str]:
    return Counter(kind for (kind,) in store.db.execute("SELECT kind FROM failure"))


# ---- faults


RETRIED: list[dict[str, Any]] = [
    *({"fault": status} for status in (408, 409, 429, 500, 502, 503)),
    *({"fault": name} for name in ("drop", "cut", "cut_body", "garbage", "malformed", "empty")),
]


@pytest.mark.parametrize("fault", RETRIED, ids=lambda fault: str(fault["fault"]))
def test_a_fault_that_passes_is_retried(server: Remote, store: Store, fault: dict[str, Any]) -> None:
    server.script([fault | {"calls": [1, 2, 5]}])
    assert ask(server, store, questions(6), asking()) == {}
    assert server.count() == 6 + 3
    assert len(texts(completions(questions(6), asking(), store.answers))) == 6
    assert failures_in(store) == {}


@pytest.mark.parametrize("fault", RETRIED, ids=lambda fault: str(fault["fault"]))
def test_a_fault_that_stays_is_bounded_and_recorded(
    server: Remote, store: Store, fault: dict[str, Any]
) -> None:
    server.script([fault | {"match": "What is 1 + 1?"}])
    failed = ask(server, store, questions(3), asking(), attempts=3)
    kind = {
        **dict.fromkeys(["drop", "cut", "cut_body", "garbage"], "connection"),
        "malformed": "malformed",
        "empty": "malformed",
    }
    assert list(failed.values()) == [kind.get(fault["fault"], f"http_{fault['fault']}")]
    assert Counter(call["body"]["messages"][0]["content"].split()[3] for call in server.calls()) == {
        "0": 1,
        "1": 3,
        "2": 1,
    }
    assert failures_in(store) == Counter(failed.values())
    assert len(texts(completions(questions(3), asking(), store.answers))) == 2
    server.script([])  # the next run asks for what did not come, and for nothing else
    assert ask(server, store, questions(3), asking()) == {}
    assert server.count() == 5 + 1


STOPS = [(400, "400"), (401, "LOCAL_KEY|key"), (403, "may not"), (404, "base_url"), ("quota", "quota")]


@pytest.mark.parametrize(("fault", "says"), STOPS)
def test_what_no_further_try_can_mend_stops_at_once(
    server: Remote, store: Store, fault: int | str, says: str
) -> None:
    server.script([{"fault": fault, "calls": list(range(6, 1000))}])
    with pytest.raises(ValueError, match=says) as caught:
        ask(server, store, questions(40), asking())
    assert "here" in str(caught.value)
    assert 7 <= server.count() <= 6 + 4  # only what was under way already
    assert sorted(texts(completions(questions(40), asking(), store.answers))) == sorted(written(server))
    assert len(written(server)) == 6


def test_a_prompt_that_is_too_long_fails_alone_and_at_once(server: Remote, store: Store) -> None:
    server.script([{"fault": "context_length", "match": "What is 2 + 1?"}])
    failed = ask(server, store, questions(5), asking(samples=2))
    assert set(failed.values()) == {"context_length"}
    assert len(texts(completions(questions(5), asking(samples=2), store.answers))) == 8
    assert len([call for call in server.calls() if call["status"] == 400]) == 2


@pytest.mark.parametrize("fault", ["content_policy", "filtered"])
def test_a_filtered_prompt_is_an_answer_and_is_not_asked_again(
    server: Remote, store: Store, fault: str
) -> None:
    """The error form and the finish reason; neither stops the others."""
    server.script([{"fault": fault, "match": "What is 2 + 1?"}])
    assert ask(server, store, questions(5), asking()) == {}
    rows = list(completions(questions(5), asking(), store.answers))
    assert [row.finish_reasons for row in rows] == [
        ["content_filter"] if i == 2 else ["stop"] for i in range(5)
    ]
    assert ask(server, store, questions(5), asking()) == {}
    assert server.count() == 5


@pytest.mark.parametrize("usage", ["missing", "negative", "strings", [1, 2], {"prompt_tokens": True}, {"prompt_tokens": 10**30},
                                   {"prompt_tokens_details": [3]}, 7], ids=str)  # fmt: skip
def test_wrong_usage_is_an_unknown_cost_and_costs_no_answer(server: Remote, store: Store, usage: Any) -> None:
    server.script([{"fault": "usage", "usage": usage}])
    assert ask(server, store, questions(3), asking(), budget=1000.0) == {}
    rows = list(completions(questions(3), asking(), store.answers))
    assert [row.usage for row in rows] == [None] * 3
    assert server.count() == 3
    assert store.spent("here") > 0  # what was set aside stays: nobody knows what it cost


def test_no_answer_in_time_is_retried(server: Remote, store: Store) -> None:
    server.script([{"fault": "slow", "delay": 20, "match": "What is 1 + 1?"}])
    failed = ask(server, store, questions(3), asking(), attempts=2, timeout=0.3)
    assert list(failed.values()) == ["timeout"]
    assert server.count() == 2 + 2


@pytest.mark.parametrize(
    "fault", [{"retry_after": 1}, {"retry_after": 1.25}, {"retry_after": 2.5, "date": True}], ids=str
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_by_all(
    server: Remote, store: Store, fault: dict[str, Any], status: int
) -> None:
    server.script([{"fault": status, **fault, "calls": [5]}])
    assert ask(server, store, questions(24), asking(), requests_per_minute=1200) == {}  # 0.9 s from call 5 on
    calls = server.calls()
    (refused,) = [call for call in calls if call["status"] == status]
    least = 1.4 if fault.get("date") else fault["retry_after"]  # a date has whole seconds
    # before that: not heard of it yet
    later = [call["begun"] - refused["ended"] for call in calls if call["begun"] > refused["ended"] + 0.5]
    assert min(later) >= least - 0.01
    assert len(calls) == 25


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_holds_every_call_back(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of its own: what the one call hears is when the next ones begin."""
    clock, begun = [100.0], []

    async def sleep(seconds: float) -> None:
        clock[0] += seconds

    async def calls() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock[0])
        gate = Gate(4, None, None)
        for wait in ("", "7", "3"):
            await gate.enter(1)
            begun.append(clock[0])
            outcome = error_outcome(status, {"retry-after": wait}, "")
            assert outcome.busy
            gate.overloaded(outcome.wait)
            gate.leave()
        await gate.enter(1)
        begun.append(clock[0])

    monkeypatch.setattr(
        limits, "asyncio", SimpleNamespace(sleep=sleep, get_running_loop=asyncio.get_running_loop)
    )
    asyncio.run(calls())
    assert begun == [100.0, 100.0, 107.0, 110.0]


def test_answers_that_come_one_by_one_use_up_no_tries(server: Remote, store: Store) -> None:
    server.script([{"fault": "short", "choices": 1}])
    assert ask(server, store, questions(1), asking(samples=8), samples_per_request=8, attempts=2) == {}
    assert [call["body"].get("n", 1) for call in server.calls()] == [8, 7, 6, 5, 4, 3, 2, 1]


def test_prompts_that_are_refused_are_no_sign_of_a_dead_server(server: Remote, store: Store) -> None:
    count = 2 * live.DEAD
    server.script([{"fault": "context_length"}])
    failed = ask(server, store, questions(count), asking())
    assert list(failed.values()) == ["context_length"] * count


def test_fewer_samples_than_asked_are_completed(server: Remote, store: Store) -> None:
    server.script([{"fault": "short", "choices": 3}])
    assert ask(server, store, questions(2), asking(samples=8), samples_per_request=8) == {}
    assert [call["body"].get("n", 1) for call in server.calls() if "0 + 1" in str(call["body"])] == [8, 5, 2]
    rows = texts(completions(questions(2), asking(samples=8), store.answers))
    assert (len(rows), sorted(rows)) == (16, sorted(written(server)))


def test_one_bad_choice_does_not_lose_the_others(server: Remote, store: Store) -> None:
    """A paid answer that came stays, whatever stands beside it."""
    server.script([{"fault": "bad_choice", "first": 1}])
    assert ask(server, store, questions(1), asking(samples=4), samples_per_request=4) == {}
    assert [call["body"].get("n", 1) for call in server.calls()] == [4, 1]


def test_log_probabilities_of_an_unknown_form_lose_no_answer(server: Remote, store: Store) -> None:
    odd = [{"token": "a"}, None, {"token": "a", "logprob": "x"}]
    forms = [*({"content": [token]} for token in odd), {"tokens": ["a"], "token_logprobs": []}, [1]]
    server.script(
        [{"fault": "logprobs", "logprobs": form, "calls": [place]} for place, form in enumerate(forms)]
    )
    assert ask(server, store, questions(5), asking(logprobs=True)) == {}
    assert server.count() == 5
    assert [row.logprob for row in completions(questions(5), asking(logprobs=True), store.answers)] == [
        None
    ] * 5


def test_many_faults_at_once_lose_and_repeat_nothing(server: Remote, store: Store) -> None:
    """A third of all calls go wrong in some way; what was written and arrived is what is stored, once."""
    faults = [fault | {"share": 0.05, "seed": place} for place, fault in enumerate(RETRIED)]
    server.script(faults)
    how = asking(samples=4, method=zero_shot_cot)
    assert ask(server, store, questions(25), how, samples_per_request=2, attempts=12, concurrency=8) == {}
    rows = list(completions(questions(25), how, store.answers))
    assert len(rows) == 100
    good = [
        text
        for call in server.calls()
        if call["delivered"] and call["fault"] is None
        for text in call["texts"]
    ]
    assert sorted(texts(iter(rows))) == sorted(good)
    assert server.most_in_flight() <= 8


def test_an_overloaded_server_is_answered_by_all_in_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "pause", lambda attempt: 0.05)
    with serve(latency=0.02, limit=4) as server:
        assert ask(server, store, questions(120), asking(), key_env=None, concurrency=32, attempts=40) == {}
        calls = server.calls()
        assert sum(call["status"] == 200 for call in calls) == 120
        assert any(call["status"] == 429 for call in calls)


def test_the_gate_narrows_when_the_server_is_overloaded_and_opens_again() -> None:
    async def through() -> None:
        gate, inside, most = Gate(12, None, None), 0, 0

        async def one(seconds: float) -> None:
            nonlocal inside, most
            await gate.enter(1)
            inside, most = inside + 1, max(most, inside + 1)
            await asyncio.sleep(seconds)
            inside -= 1
            gate.leave()

        async def many() -> int:
            nonlocal most
            most = 0
            await asyncio.gather(*(one(0.001) for _ in range(40)))
            return most

        assert await many() == 12
        for _ in range(5):
            gate.overloaded(None)  # a burst of refusals is one message
        assert await many() == 8
        for _ in range(12):
            gate.lowered = 0.0
            gate.overloaded(None)
        assert await many() == 1
        for _ in range(200):
            gate.went_well()
        assert await many() == 12

    asyncio.run(through())


def test_limits_a_minute_are_kept(server: Remote, store: Store) -> None:
    assert ask(server, store, questions(9), asking(), requests_per_minute=1200) == {}
    begun = [call["begun"] for call in server.calls()]
    assert begun[-1] - begun[0] >= 8 * 0.05 - 0.01
    server.reset()
    assert ask(server, store, questions(9, start=9), asking(), tokens_per_minute=60000) == {}
    begun = [call["begun"] for call in server.calls()]
    assert begun[-1] - begun[0] >= 8 * 0.04 - 0.01  # 40 tokens a call, and the prompt's


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": None, "extra": {"max_completion_tokens": 40}},
        {"max_tokens": 1, "system": "x " * 60},
        {"extra": {"n": 1}},
    ],
    ids=str,
)
def test_the_limit_of_tokens_counts_system_and_cap_wherever_they_stand(
    server: Remote, store: Store, change: dict[str, Any]
) -> None:
    """40 tokens a call, and the prompt's: 120 bytes of system are so many too."""
    assert ask(server, store, questions(9), asking(**change), tokens_per_minute=60000) == {}
    begun = [call["begun"] for call in server.calls()]
    assert begun[-1] - begun[0] >= 8 * 0.04 - 0.01


# ---- what is told

TOLD = [
    (
        (1200, 3, 36000, 60.0, 0.5, 0.25),
        "1,200 answers, 3 failed, 600 tokens/s, 0.5000 dollars of about 2.0000 for this step",
    ),
    ((1200, 0, 36000, 60.0, 0.5, 1.0), "1,200 answers, 0 failed, 600 tokens/s, 0.5000 dollars"),
    ((0, 0, 0, 0.0, 0.0, 0.0), "0 answers, 0 failed, 0 tokens/s, 0.0000 dollars"),
    ((5, 0, 10, 1.0, None, 0.5), "5 answers, 0 failed, 10 tokens/s, cost unknown: no price"),
]


@pytest.mark.parametrize(("figures", "told"), TOLD)
def test_summary(figures: tuple[Any, ...], told: str) -> None:
    assert progress.summary_line(*figures) == told


def test_without_a_terminal_there_is_a_line_now_and_then(
    server: Remote, store: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "MINUTE", 0.05)
    server.script([{"fault": "slow", "delay": 0.5, "match": "What is 2 + 1?"}])
    assert ask(server, store, questions(3), asking()) == {}
    *during, last = capfd.readouterr().err.splitlines()
    assert during
    assert all(
        re.fullmatch(r"here: [0-3] of 3 done: [0-3] answers, 0 failed, .* tokens/s, .* dollars.*", line)
        for line in during
    )
    assert last.startswith("here: 3 answers, 0 failed, ")


def test_a_long_wait_is_told_once(folder: "Run") -> None:
    folder.server.script([{"fault": 429, "retry_after": 3600, "first": 6}])
    process = folder.start()
    try:
        wait_for(lambda: folder.server.count() >= 8)
        time.sleep(1.5)  # all six have heard of it
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (
        len(re.findall(r"here: the server asks to wait 3,600 s\n", said)) == said.count("asks to wait") == 1
    )


def test_a_long_wait_before_an_upload_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    answers = [openai.RateLimitError("busy", response=httpx.Response(429, headers={"retry-after": wait}, request=httpx.Request("POST", "http://h")),
                                     body=None) for wait in ("31", "20")]  # fmt: skip

    def make() -> str:
        if answers:
            raise answers.pop(0)
        return "made"

    assert make_once(3, lambda: None, make) == "made"
    assert slept == [31.0, 20.0]
    assert capfd.readouterr().err == "the server asks to wait 31 s\n"


# ---- what is asked


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("method", [zero_shot, zero_shot_cot])
def test_a_larger_d_asks_the_difference_and_a_smaller_one_nothing(
    server: Remote, store: Store, size: int, method: Any
) -> None:
    steps = 1 if method is zero_shot else 2

    def ask_for(samples: int) -> list[Completion]:
        assert ask(server, store, questions(3), asking(samples, method), samples_per_request=size) == {}
        return list(completions(questions(3), asking(samples, method), store.answers))

    eight = ask_for(8)
    assert len(written(server)) == 3 * 8 * steps
    sixteen = ask_for(16)
    assert len(written(server)) == 3 * 16 * steps
    before = server.count()
    assert ask_for(8) == eight == [row for row in sixteen if row.sample < 8]
    assert ask_for(16) == sixteen
    assert server.count() == before


def test_added_rows_are_asked_alone(server: Remote, store: Store) -> None:
    ask(server, store, questions(5), asking(method=zero_shot_cot))
    before = server.count()
    ask(server, store, [*questions(3, start=5), *questions(5)], asking(method=zero_shot_cot))
    new = server.calls()[before:]
    assert Counter(call["body"]["messages"][0]["content"].split()[3] for call in new) == {
        "5": 2,
        "6": 2,
        "7": 2,
    }


def test_another_salt_or_model_asks_anew_and_another_address_does_not(server: Remote, store: Store) -> None:
    ask(server, store, questions(2), asking())
    ask(server, store, questions(2), asking(), concurrency=1, samples_per_request=4, timeout=9.0)
    assert server.count() == 2
    ask(server, store, questions(2), asking(salt="again"))
    assert server.count() == 4
    assert "salt" not in json.dumps(server.calls())


def test_seeds_are_one_a_sample(server: Remote, store: Store) -> None:
    ask(server, store, questions(1), asking(samples=3, seed=10), samples_per_request=8)
    assert sorted(call["body"]["seed"] for call in server.calls()) == [10, 11, 12]


def test_legacy_completions_and_reasoners(server: Remote, store: Store) -> None:
    ask(server, store, questions(2), asking(kind="completions", logprobs=True))
    ask(server, store, questions(2), asking(model="reasoner", max_tokens=400), prices={})
    assert [call["path"] for call in server.calls()] == ["/completions"] * 2 + ["/chat/completions"] * 2
    legacy = list(completions(questions(2), asking(kind="completions", logprobs=True), store.answers))
    assert all(row.logprob is not None and row.logprob < 0 for row in legacy)
    (key,) = {
        row.steps[0].key
        for row in completions(questions(1), asking(model="reasoner", max_tokens=400), store.answers)
    }
    answer = store.answers(key)[0]
    assert answer.reasoning.startswith("Let me think")
    assert answer.text in written(server)
    assert answer.fingerprint.startswith("fp_")


# ---- money


def test_a_budget_stops_cleanly_with_everything_paid_kept(server: Remote, store: Store) -> None:
    how = asking(samples=2)
    with pytest.raises(ValueError, match="budget") as caught:
        ask(server, store, questions(60), how, budget=3.0)
    assert "here" in str(caught.value)
    kept = texts(completions(questions(60), how, store.answers))
    assert 0 < len(kept) < 120
    assert sorted(kept) == sorted(written(server))
    paid = sum(PRICES["m"].input * (row.usage or {})["in"] + PRICES["m"].output * (row.usage or {})["out"]
               for row in completions(questions(60), how, store.answers)) / 1e6  # fmt: skip
    assert store.spent("here") == pytest.approx(paid)
    assert paid <= 3.0
    before = server.count()
    with pytest.raises(ValueError, match="budget"):
        ask(server, store, questions(60), how, budget=3.0)
    assert server.count() == before
    assert ask(server, store, questions(60), how, budget=1000.0) == {}
    assert len(written(server)) == 120


def test_a_budget_without_a_price_asks_nothing(server: Remote, store: Store) -> None:
    with pytest.raises(ValueError, match="price"):
        ask(server, store, questions(3), asking(), prices={}, budget=5.0)
    assert server.count() == 0


def test_a_budget_that_holds_no_call_asks_nothing(server: Remote, store: Store) -> None:
    with pytest.raises(ValueError, match="budget"):
        ask(server, store, questions(50), asking(), budget=0.0001, concurrency=16)
    assert server.count() == 0


def test_a_lost_response_stays_counted_as_spent(server: Remote, store: Store) -> None:
    """It may have been billed; a refusal was not."""
    server.script([{"fault": "cut", "calls": [0]}, {"fault": 500, "calls": [1]}])
    assert ask(server, store, questions(1), asking(), budget=100.0) == {}
    (row,) = completions(questions(1), asking(), store.answers)
    paid = (PRICES["m"].input * (row.usage or {})["in"] + PRICES["m"].output * (row.usage or {})["out"]) / 1e6
    lost = most_dollars(asking().request("Q: What is 0 + 1?"), 1, PRICES["m"])
    assert server.count() == 3
    assert store.spent("here") == pytest.approx(paid + (lost or 0.0))


# ---- others


def test_what_an_open_batch_holds_is_not_asked_live(server: Remote, store: Store) -> None:
    how = asking()
    store.claim([(how.request("Q: What is 2 + 1?").key, 0)], "job b1")
    with pytest.raises(ValueError, match="job b1"):
        ask(server, store, questions(4), how)
    assert server.count() == 0
    store.release("job b1")
    assert ask(server, store, questions(4), how) == {}


def test_a_store_that_cannot_be_written_ends_the_run(
    server: Remote, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: an error at once instead of paying for answers that go nowhere, and what was committed
    before stays.
    """
    put, puts = store.put, []

    def full(answered: Any) -> int:
        puts.append(1)
        if len(puts) > 3:
            raise sqlite3.OperationalError("database or disk is full")
        return put(answered)

    monkeypatch.setattr(store, "put", full)
    with pytest.raises((sqlite3.OperationalError, ValueError, OSError), match="full"):
        ask(server, store, questions(200), asking())
    assert server.count() < 50
    monkeypatch.undo()
    kept = texts(completions(questions(200), asking(), store.answers))
    assert 3 <= len(kept) < 50
    assert set(kept) <= set(written(server))
    assert store.db.execute("SELECT count(*) FROM claim").fetchone() == (0,)


# ---- the stage as a process


class Run:
    """A folder with params.yaml, as `python -m stages.teach` finds it."""

    def __init__(self, folder: Path, server: Remote, **endpoint: Any) -> None:
        self.folder, self.server, self.store = folder, server, folder / "store" / "answers.sqlite"
        teacher = {"backend": "openai", "endpoint": "here", "model": "m", "method": "zero_shot_cot", "samples": 2, "temperature": 0.7,
                   "max_tokens": 40, "seed": 100}  # fmt: skip
        price = {"listed": "2026-01-01", "input": 1000.0, "output": 2000.0}
        self.params = {
            "teachers": {"t": teacher},
            "methods": {"zero_shot_cot": {}},
            "prices": {"m": price},
            "endpoints": {
                "here": {"base_url": server.url, "key_env": "LOCAL_KEY", "concurrency": 8, **endpoint}
            },
        }
        folder.mkdir(exist_ok=True)
        (folder / "demonstrations.txt").write_text("")
        self.write(questions(10))

    def write(self, examples: list[Example]) -> None:
        self.examples = examples
        write_examples(self.folder / "examples.jsonl", examples)
        YAML(typ="safe").dump(self.params, self.folder / "params.yaml")

    def start(
        self, out: str = "out.jsonl", *flags: str, program: Any = ("-m", "stages.teach"), **environment: str
    ) -> subprocess.Popen[str]:
        env = (
            os.environ
            | {
                "PYTHONPATH": str(ROOT),
                "COT_STORE": str(self.store),
                "LOCAL_KEY": KEY,
                "OMP_NUM_THREADS": "1",
            }
            | environment
        )
        command = [
            sys.executable,
            *program,
            "t",
            "raw",
            "examples.jsonl",
            "demonstrations.txt",
            out,
            f"{out}.counts",
            *flags,
        ]
        # ignored in a shell's background, by children too
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            return subprocess.Popen(
                command, cwd=self.folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        finally:
            signal.signal(signal.SIGINT, before)

    def finish(self, out: str = "out.jsonl", *flags: str, **environment: str) -> tuple[int, str]:
        process = self.start(out, *flags, **environment)
        said, _ = process.communicate(timeout=120)
        return process.returncode, said

    def stored(self) -> set[tuple[str, int]]:
        """(prompt, sample) of every answer on disk."""
        if not self.store.exists():
            return set()
        store = Store(self.store)
        rows = store.db.execute(
            "SELECT r.key, a.sample FROM answer a JOIN request r ON r.id = a.request"
        ).fetchall()
        prompts = {key: request.prompt for key, request in requests_of(store.db).items()}
        return {(prompts[key], sample) for key, sample in rows}

    def calls(self, since: int = 0) -> list[tuple[str, int]]:
        """(prompt, sample) of every call: the seed tells the sample."""
        return [
            (call["body"]["messages"][0]["content"], call["body"]["seed"] - 100)
            for call in self.server.calls()[since:]
        ]


def requests_of(db: sqlite3.Connection) -> dict[bytes, Request]:
    return {
        key: read_request(zlib.decompress(body).decode())
        for key, body in db.execute("SELECT key, body FROM request")
    }


@pytest.fixture
def folder(tmp_path: Path, server: Remote) -> Run:
    return Run(tmp_path / "run", server)


def test_the_stage_asks_once_and_replays_without_a_network(folder: Run) -> None:
    code, said = folder.finish()
    assert code == 0, said
    assert len(folder.calls()) == len(set(folder.calls())) == 10 * 2 * 2
    before = folder.server.count()
    code, said = folder.finish("replayed.jsonl", COT_MODE="replay", LOCAL_KEY="")
    assert (code, folder.server.count()) == (0, before), said
    assert (folder.folder / "replayed.jsonl").read_bytes() == (folder.folder / "out.jsonl").read_bytes()
    folder.write(questions(14))
    code, said = folder.finish("missed.jsonl", COT_MODE="replay", LOCAL_KEY="")
    assert (code, folder.server.count()) == (1, before)
    how = asking(samples=2, method=zero_shot_cot, seed=100, stop=("\nQ:",))
    first = [
        how.request(zero_shot_cot.ask(example, [], how.settings, "") or "").key
        for example in questions(4, start=10)
    ]
    assert "8 answers to 4 requests" in said
    assert all(key[:12] in said for key in first)
    assert "dollars" in said
    assert not (folder.folder / "missed.jsonl").exists()


def test_a_plan_asks_nothing(folder: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.folder)
    monkeypatch.setenv("COT_STORE", str(folder.store))
    monkeypatch.delenv("LOCAL_KEY", raising=False)
    assert "40 samples" in teach.plan("t", folder.examples, "")
    assert folder.server.count() == 0


def test_two_processes_at_once_ask_each_sample_once_in_total(folder: Run) -> None:
    folder.write(questions(60))
    both = [folder.start("one.jsonl"), folder.start("two.jsonl")]
    for process in both:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
    calls = folder.calls()
    assert len(calls) == len(set(calls)) == 60 * 2 * 2
    assert (folder.folder / "one.jsonl").read_bytes() == (folder.folder / "two.jsonl").read_bytes()


def test_two_processes_at_once_stay_within_one_budget(folder: Run) -> None:
    folder.params["endpoints"]["here"]["budget"] = 4.0
    folder.write(questions(60))
    both = [folder.start("one.jsonl"), folder.start("two.jsonl")]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [1, 1]
    assert all("budget" in one for one in said), said
    store = Store(folder.store)
    assert 0 < store.spent("here") <= 4.0
    calls = folder.calls()
    assert len(calls) == len(set(calls)) == len(folder.stored())


def test_a_killed_process_leaves_its_part_to_the_living(folder: Run) -> None:
    """Two at once, one of them is killed: the other finishes everything, also what the dead
    one had claimed.
    """
    folder.write(questions(60))
    first = folder.start("one.jsonl")
    wait_for(lambda: folder.server.count() >= 8)
    second = folder.start("two.jsonl")
    wait_for(lambda: folder.server.count() >= 60)
    first.kill()
    first.communicate()
    said, _ = second.communicate(timeout=120)
    assert second.returncode == 0, said
    again = Counter(folder.calls())
    assert len(again) == 60 * 2 * 2
    assert sum(count - 1 for count in again.values()) <= 2 * 8
    assert len(read_completions(folder.folder / "two.jsonl")) == 120


def wait_for(condition: Any) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to pass within a minute")


def test_kill_9_again_and_again_loses_and_repeats_nothing_that_was_kept(folder: Run) -> None:
    """Fifteen kills at random moments; the server's calls are the proof."""
    rng, concurrency = random.Random(0), 8
    folder.write(questions(400))
    kept: set[tuple[str, int]] = set()
    repeated = Counter[tuple[str, int]]()
    for kill in range(15):
        before = folder.server.count()
        process = folder.start()
        if kill % 5:  # else while it imports, reads, opens the store
            enough = before + rng.randrange(1, 60)
            wait_for(lambda enough=enough: folder.server.count() >= enough)
            time.sleep(rng.uniform(0, 0.02))
        else:
            time.sleep(rng.uniform(0, 0.8))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        calls, now = folder.calls(before), folder.stored()
        assert not kept & set(calls), "what was in the store is asked again"
        assert kept <= now, "what was in the store is gone"
        assert len(calls) == len(set(calls)), "one process asks twice for the same"
        lost = set(calls) - now
        assert len(lost) <= 2 * concurrency, "more is lost than was under way, or waited for its commit"
        repeated.update(lost)
        kept = now
    assert 0 < len(kept) < 1600
    code, said = folder.finish()
    assert code == 0, said
    total = Counter(folder.calls())
    assert set(total) == folder.stored()
    assert len(total) == 400 * 2 * 2
    assert {pair: count - 1 for pair, count in total.items() if count > 1} == dict(repeated)
    rows = read_completions(folder.folder / "out.jsonl")
    assert [(row.example_id, row.sample) for row in rows] == [
        (f"math-{i}", sample) for i in range(400) for sample in (0, 1)
    ]
    assert {text for row in rows for text in row.texts} <= set(written(folder.server))


def test_ctrl_c_keeps_what_came(folder: Run) -> None:
    folder.write(questions(200))
    process = folder.start()
    wait_for(lambda: folder.server.count() >= 100)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    calls = folder.calls()
    assert len(set(calls) - folder.stored()) <= 8, "more than the calls that were under way"
    assert folder.finish()[0] == 0
    assert len(Counter(folder.calls())) == 800


FAULTY = """
import itertools, json, os, runpy, time
from stages.endpoint.live import Live
from stages.endpoint.progress import CallProgress
from stages.asking.store import Store

log = os.open(os.environ["LOG"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
put, keep = Store.put, Live.keep

def slow(store, answered):
    time.sleep(float(os.environ["SLOW"]))
    return put(store, answered)

async def logged(live, item):
    for sample, answer in item[1].answers.items():
        os.write(log, (json.dumps([item[0].key, sample, answer.text]) + "\\n").encode())
    await keep(live, item)

def fails_once(owner, name, place):
    real, calls = getattr(owner, name), itertools.count()
    def function(*values):
        if next(calls) == place:
            raise RuntimeError(f"{name} fails")
        return real(*values)
    setattr(owner, name, function)

Store.put, Live.keep = slow, logged
if place := os.environ["PLACE"]:
    name = os.environ["WAY"]
    owner = {"put": Store, "advance": CallProgress}.get(name, Live)
    fails_once(owner, name, int(place))
runpy.run_module("stages.teach", run_name="__main__", alter_sys=True)
"""
WAYS: dict[str, list[int]] = {
    "Ctrl-C": [signal.SIGINT],
    "Ctrl-C twice, then others": [signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
    "SIGTERM": [signal.SIGTERM],
    **{fault: [] for fault in ("look_for_life", "advance", "put")},
}


def stop_somewhere(folder: Run, way: str, seed: int) -> None:
    """Stop the stage by signals or by a fault, at any moment: what `keep` was handed is stored, and paid."""
    rng, log = random.Random(seed), folder.folder / "handed.jsonl"
    slow, place = rng.uniform(0.05, 0.5), rng.randrange(1, {"put": 4, "advance": 6}.get(way, 40))
    folder.write(questions(200))
    fault = {"LOG": str(log), "SLOW": str(slow), "WAY": way, "PLACE": "" if WAYS[way] else str(place)}
    process = folder.start(program=("-c", FAULTY), **fault)
    if WAYS[way]:
        wait_for(lambda: log.exists() and log.read_bytes().count(b"\n") >= place)
    for number in WAYS[way]:
        time.sleep(rng.uniform(0, slow))
        process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    if len(WAYS[way]) == 1:  # one of several may come when all is done
        assert process.returncode == {"Ctrl-C": 130, "SIGTERM": -signal.SIGTERM}[way], said
    assert WAYS[way] or f"RuntimeError: {way} fails" in said
    handed = {(key, sample): text for key, sample, text in map(json.loads, log.read_text().splitlines())}
    store = Store(folder.store)
    query = "SELECT hex(r.key), a.sample, a.text FROM answer a JOIN request r ON r.id = a.request"
    stored = {(key.lower(), sample): text for key, sample, text in store.db.execute(query)}
    assert stored == handed
    assert handed
    (dollars,) = store.db.execute("SELECT total(tokens_in * 1e-3 + tokens_out * 2e-3) FROM answer").fetchone()
    assert store.spent("here") == pytest.approx(dollars)
    assert store.db.execute("SELECT count(*) FROM claim").fetchone() == (0,)


@pytest.mark.parametrize("way", WAYS)
def test_what_came_is_kept_whatever_stops_the_run(folder: Run, way: str) -> None:
    stop_somewhere(folder, way, random.randrange(1000))  # the seed stands in the traceback


def test_the_key_is_nowhere(folder: Run) -> None:
    """Not in the store's folder, not in the outs, not in what is printed; also not when the server's error
    repeats it.
    """
    outputs = [folder.finish()[1]]
    wrong = "sk-wrong-99887766"
    folder.write(questions(12))
    code, said = folder.finish(LOCAL_KEY=wrong)
    assert code == 1
    assert "401" in said
    assert "LOCAL_KEY" in said
    folder.server.script([{"fault": 500}])
    folder.params["endpoints"]["here"]["attempts"] = 1
    folder.write(questions(12))
    outputs += [said, folder.finish()[1], folder.finish(LOCAL_KEY="")[1]]
    assert "LOCAL_KEY" in outputs[-1]
    folder.server.script([])
    outputs.append(folder.finish(COT_MODE="replay", LOCAL_KEY=KEY)[1])
    files = [path for path in folder.folder.rglob("*") if path.is_file()]
    assert folder.store in files
    for secret in (KEY, wrong):
        for path in files:
            assert secret.encode() not in path.read_bytes(), path
        assert not [output for output in outputs if secret in output]
        assert secret.encode() not in b"\n".join(
            row[0].encode() for row in Store(folder.store).db.execute("SELECT message FROM failure")
        )


def test_a_shortfall_is_said_and_can_be_allowed(folder: Run) -> None:
    folder.params["endpoints"]["here"]["attempts"] = 1
    folder.write(questions(10))
    folder.server.script([{"fault": "malformed", "match": "What is 3 + 1?"}])
    code, said = folder.finish()
    assert code == 1
    (why,) = {message for (message,) in Store(folder.store).db.execute("SELECT message FROM failure")}
    assert f"\n  2 malformed, the last one: {why}\n" in said
    assert not (folder.folder / "out.jsonl").exists()
    folder.params["teachers"]["t"]["max_missing"] = 0.1
    folder.write(questions(10))
    code, said = folder.finish()
    assert code == 0, said
    counts = json.loads((folder.folder / "out.jsonl.counts").read_text())
    assert (counts["completions"], counts["questions_without_completion"]) == (18, 1)


def test_log_probabilities_that_were_not_asked_for_in_time_are_told(folder: Run) -> None:
    """Nothing is asked anew for them, another salt does."""
    assert folder.finish()[0] == 0
    before = folder.server.count()
    folder.params["teachers"]["t"] |= {"logprobs": True, "samples": 3}
    folder.write(questions(10))
    code, said = folder.finish()
    assert (code, folder.server.count()) == (0, before + 2 * 10)
    assert (
        "answers of 20 of 30 completions have no log-probabilities: `logprobs: true` does not ask again"
        in said
    )
    folder.params["teachers"]["t"]["salt"] = "scored"
    folder.write(questions(10))
    code, said = folder.finish()
    assert (code, folder.server.count()) == (0, before + 2 * 10 + 2 * 30)
    assert "log-probabilities" not in said
    assert all(row.logprob is not None for row in read_completions(folder.folder / "out.jsonl"))


def test_a_server_that_is_gone_is_not_tried_for_every_request(tmp_path: Path) -> None:
    store, endpoint = (
        Store(tmp_path / "store.sqlite"),
        Endpoint(base_url="http://127.0.0.1:9/v1", concurrency=4, attempts=1),
    )
    many = [Request("chat", "m", f"question {i}") for i in range(500)]
    with pytest.raises(
        ValueError,
        match=(
            r"16 requests in a row got no answer in 1 tries, the last one connection: .*is the server there\?"
        ),
    ):
        live.fulfil([Wanted(request, request.key, [0]) for request in many], store, "here", endpoint, {})
    assert store.db.execute("SELECT count(*) FROM failure").fetchone()[0] < 40
    assert store.db.execute("SELECT count(*) FROM claim").fetchone()[0] == 0
