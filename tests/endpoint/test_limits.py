"""How fast a server is asked: limits a minute, what an overloaded server wants, waits before another try."""

import asyncio
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest
from api_server import Remote, serve
from live_calls import KEY, ask, asking, questions

from stages.asking.store import Store
from stages.endpoint import limits, live
from stages.endpoint.calls import error_outcome
from stages.endpoint.limits import Gate, retry_after
from stages.endpoint.server import make_once


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
    monkeypatch.setattr(live, "pause", lambda attempt: 0.01)
    return running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.sqlite")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after": "9", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "9", "retry-after-ms": "soon"}, 9.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "Fri, 01 Jan 2021 00:00:00 GMT"}, 0.0),
    ],
)
def test_the_wait_that_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_wait_until_a_date() -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    wait = retry_after({"retry-after": format_datetime(until, usegmt=True)})
    assert 3500 < (wait or 0) <= 3600


@pytest.mark.parametrize(
    ("status", "fault"),
    [(429, {"retry_after": 1}), (503, {"retry_after": 1.25}), (429, {"retry_after": 2.5, "date": True})],
)
def test_retry_after_is_honoured_by_all(
    server: Remote, store: Store, status: int, fault: dict[str, Any]
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
    clock = [100.0]
    begun = []

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
        gate = Gate(12, None, None)
        inside = 0
        most = 0

        async def one(seconds: float) -> None:
            nonlocal inside, most
            await gate.enter(1)
            inside += 1
            most = max(most, inside)
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


def test_the_gate_stays_open_where_one_call_in_twenty_is_refused() -> None:
    """Which happens at any server; one in three is too many at once. A clock of its own: a call takes a
    second.
    """

    async def calls(share: float) -> float:
        clock = 0.0
        asyncio.get_running_loop().time = lambda: clock  # type: ignore[method-assign]
        gate, rng, limits_seen = Gate(64, None, None), random.Random(1), []
        for _ in range(200):
            clock += 1.0
            for _ in range(int(gate.limit)):
                if rng.random() < share:
                    gate.overloaded(None)
                else:
                    gate.went_well()
            limits_seen.append(gate.limit)
        return sum(limits_seen[100:]) / 100

    assert asyncio.run(calls(0.05)) > 48
    assert asyncio.run(calls(0.33)) < 16


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


def test_a_long_wait_before_an_upload_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    request = httpx.Request("POST", "http://h")
    busy = [httpx.Response(429, headers={"retry-after": wait}, request=request) for wait in ("31", "20")]

    def make() -> str:
        if busy:
            raise openai.RateLimitError("busy", response=busy.pop(0), body=None)
        return "made"

    assert make_once(3, lambda: None, make) == "made"
    assert slept == [31.0, 20.0]
    assert capfd.readouterr().err == "the server asks to wait 31 s\n"


def test_a_server_that_loads_its_model_is_waited_for(
    server: Remote, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However many tries that takes: `attempts` and the calls at once are for servers that are there."""
    monkeypatch.setattr("stages.endpoint.calls.LOADING_PAUSE", 0.01)
    server.script([{"fault": "loading", "first": 200}])
    assert ask(server, store, questions(60), asking(), attempts=1, concurrency=32) == {}
    statuses = [call["status"] for call in server.calls()]
    assert statuses.count(503) == 200
    assert statuses.count(200) == 60
    assert server.most_in_flight() > 4
    assert capsys.readouterr().err.count("here: the server is loading its model: waiting for it") == 1


def test_a_server_that_loads_for_ever_is_given_up(
    server: Remote, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.endpoint.calls.LOADING_PAUSE", 0.01)
    monkeypatch.setattr(live, "LOADING_LONGEST", 0.05)
    server.script([{"fault": "loading"}])
    with pytest.raises(ValueError, match=r"no answer in 2 tries, the last one loading: .*Loading model"):
        ask(server, store, questions(60), asking(), attempts=2)
