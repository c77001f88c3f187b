"""The Batch API: killed at every step, each line is still sent and paid once; what the API can do to a batch
ends in answers or in a plain reason.
"""

import json
import multiprocessing
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from api_server import Remote, serve

from stages.asking import store_contents as contents
from stages.asking.conversation import Asking, Wanted
from stages.asking.request import Request
from stages.asking.store import Store
from stages.config.endpoint import Endpoint, Price
from stages.endpoint import batch, batch_files, jobs, live, server, transport
from stages.endpoint.estimate import most_dollars
from stages.methods import bare

KEY = "sk-a-key-that-must-stay-secret"
PRICES = {"gpt-4o-mini": Price(listed="2024-07-18", input=0.15, output=0.6, batch=0.5)}
FORK = multiprocessing.get_context("fork")
LINES = "batch:/chat/completions"


@pytest.fixture(scope="module")
def api():
    with serve(polls=0, key=KEY) as running:
        yield running


@pytest.fixture(autouse=True)
def clean(api: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    api.reset()
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setattr("stages.endpoint.server.pause", lambda attempt: 0.0)
    monkeypatch.setattr(batch, "PAUSE", 0.02)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.sqlite")


def endpoint(api: Remote, **values: Any) -> Endpoint:
    return Endpoint(base_url=api.url, key_env="TEST_KEY", mode="batch", **{"attempts": 3, **values})


def request(question: str, **values: Any) -> Request:
    return Request(
        **{"kind": "chat", "model": "gpt-4o-mini", "prompt": f"Q: <{question}>", "max_tokens": 64, **values}
    )


def want(questions: int | list[str], samples: int = 2, **values: Any) -> list[Wanted]:
    asked = [
        request(str(q), **values) for q in (range(questions) if isinstance(questions, int) else questions)
    ]
    return [Wanted(each, each.key, list(range(samples))) for each in asked]


def fulfil(
    api: Remote, store: Store, wanted: list[Wanted], prices: dict[str, Price] = PRICES, **values: Any
) -> dict[tuple[str, int], str]:
    return batch.fulfil(wanted, store, "remote", endpoint(api, **values), prices)


def waits(api: Remote, store: Store, wanted: list[Wanted], **values: Any) -> str:
    with pytest.raises(batch.Waiting) as waiting:
        fulfil(api, store, wanted, **values)
    return str(waiting.value)


def posts(api: Remote, path: str) -> int:
    return sum(call["method"] == "POST" and call["path"] == path for call in api.calls(path))


def under_way(store: Store) -> list[str]:
    return [job.batch for job in jobs.all_jobs(store) if job.state == "submitted"]


def finish_all(api: Remote, store: Store, to: str = "completed", **values: Any) -> None:
    for name in under_way(store):
        api.advance(name, to=to, **values)


def collect(api: Remote, store: Store, wanted: list[Wanted], **values: Any) -> dict[tuple[str, int], str]:
    """Run and let the server finish, until a run says that it is done."""
    for _ in range(12):
        try:
            return fulfil(api, store, wanted, **values)
        except batch.Waiting:
            finish_all(api, store)
    raise AssertionError("never done")


def stored(store: Store, wanted: list[Wanted]) -> set[tuple[str, int]]:
    return {
        (each.key, sample) for each in wanted for sample in each.samples if sample in store.answers(each.key)
    }


def pairs(wanted: list[Wanted]) -> set[tuple[str, int]]:
    return {(each.key, sample) for each in wanted for sample in each.samples}


def count(store: Store, table: str, condition: str = "1") -> int:
    return int(store.db.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()[0])


def paid(store: Store) -> float:
    """What the stored answers cost by the price list: half of 0.15 and 0.6 dollars a million tokens."""
    rows = store.db.execute("SELECT total(tokens_in), total(tokens_out) FROM answer").fetchone()
    return 0.5 * (0.15 * rows[0] + 0.6 * rows[1]) / 1e6


def settled(api: Remote, store: Store, wanted: list[Wanted]) -> None:
    """All is there, each line ran once, each dollar is counted once, nobody holds anything any more."""
    assert stored(store, wanted) == pairs(wanted)
    ran = [line["custom_id"] for line in api.lines()]
    assert len(ran) == len(set(ran)), "a line was paid twice"
    assert store.spent("remote") == pytest.approx(paid(store), rel=1e-9)
    assert count(store, "claim") == 0
    assert count(store, "payment", "owner IS NOT NULL") == 0
    assert {job.state for job in jobs.all_jobs(store)} <= {"closed"}


# ---- the plain way


def test_submit_and_collect(api: Remote, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    wanted = want(3)
    said = waits(api, store, wanted)
    (name,) = under_way(store)
    for part in ("'remote'", "6 requests in 1 batches", name, "validating", "nothing is lost", "dvc repro"):
        assert part in said
    assert store.spent("remote") > 0, "the most that it can cost is set aside"
    assert "6 requests" in waits(api, store, wanted)
    assert (posts(api, "/files"), posts(api, "/batches")) == (1, 1)
    api.advance(name, to="completed")
    assert fulfil(api, store, wanted) == {}
    settled(api, store, wanted)
    assert {answer.source for each in wanted for answer in store.answers(each.key).values()} == {"batch"}
    before = len(api.calls())
    assert fulfil(api, store, wanted) == {}
    assert len(api.calls()) == before, "nothing is wanted, nothing is asked"
    assert f"{name} completed: 6 answers, 0 did not come" in capfd.readouterr().err


def test_waiting_collects_by_itself(store: Store) -> None:
    with serve(polls=1, key=KEY) as api:
        assert fulfil(api, store, want(3), batch_wait=1.0) == {}
        settled(api, store, want(3))


def test_file_holds_what_a_live_run_would_send(api: Remote, store: Store) -> None:
    """Body for body the calls of a live run; keys cannot differ, for they come from the same requests."""
    wanted = (
        want(2, samples=3)
        + want(["s"], samples=2, seed=7)
        + want(["c"], kind="completions", model="babbage-002")
        + want(["l"], logprobs=True)
    )
    assert collect(api, store, wanted, samples_per_request=3) == {}
    assert stored(store, wanted) == pairs(wanted)
    fresh = Store(store.path.with_name("live.sqlite"))
    asked = len(api.lines())
    live.fulfil(wanted, fresh, "remote", endpoint(api, samples_per_request=3), PRICES)
    sent = sorted(
        json.dumps(call["body"], sort_keys=True)
        for call in api.calls()
        if call["path"] in ("/chat/completions", "/completions")
    )
    assert sent == sorted(json.dumps(line["body"], sort_keys=True) for line in api.lines())
    assert asked == len(sent)
    assert {len(line["custom_id"]) <= 64 for line in api.lines()} == {True}
    ids = {line["custom_id"] for line in api.lines()}
    assert {f"{wanted[0].key[:40]}/0-2", f"{wanted[2].key[:40]}/0-0", f"{wanted[2].key[:40]}/1-1"} <= ids
    assert all(answer.logprobs for answer in store.answers(wanted[4].key).values())


def test_answers_find_their_requests(api: Remote, store: Store) -> None:
    """The output comes in another order than the input (the server shuffles it)."""
    wanted = want(20, samples=1)
    waits(api, store, wanted)
    api.script(
        [
            {"fault": "say", "path": LINES, "match": f"<{number}>", "text": f"the answer to {number}"}
            for number in range(20)
        ]
    )
    finish_all(api, store)
    fulfil(api, store, wanted)
    assert [store.answers(each.key)[0].text for each in wanted] == [
        f"the answer to {number}" for number in range(20)
    ]


@pytest.mark.parametrize(
    ("limit", "value", "files"), [("MOST_REQUESTS", 4, 3), ("MOST_BYTES", 1000, 3), ("MOST_BYTES", 1, 10)]
)
def test_files_within_the_limits(
    api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, files: int
) -> None:
    monkeypatch.setattr(batch_files, limit, value)
    waits(api, store, want(5))
    uploads = [call["body"] for call in api.calls("/files") if call["method"] == "POST"]
    assert len(uploads) == files
    if limit == "MOST_BYTES" and value > 1:
        assert max(upload["bytes"] for upload in uploads) <= value
    assert collect(api, store, want(5)) == {}
    settled(api, store, want(5))


def test_more_samples_and_rows_ask_only_for_these(api: Remote, store: Store) -> None:
    collect(api, store, want(2, samples=2))
    assert collect(api, store, want(3, samples=4)) == {}
    assert len(api.lines()) == 12
    settled(api, store, want(3, samples=4))
    collect(api, store, want(1, samples=1))
    assert len(api.lines()) == 12


# ---- killed


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str) -> Callable[[], None]:
    return lambda: setattr(owner, name, die)


def after(owner: Any, name: str, times: int = 1) -> Callable[[], None]:
    """Die when the function has returned for the n-th time."""
    real, left = getattr(owner, name), [times]

    def last(*values: Any, **named: Any) -> Any:
        result = real(*values, **named)
        left[0] -= 1
        return result if left[0] else die()

    return lambda: setattr(owner, name, last)


def killed(api: Remote, path: Path, wanted: list[Wanted], arm: Callable[[], None], **values: Any) -> None:
    """A run in a process of its own that is killed with -9 at the armed place."""

    def child() -> None:
        arm()
        fulfil(api, Store(path), wanted, **values)

    process = FORK.Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


SUBMITTING = {
    "before the intent": before(jobs, "begin"),
    "after the intent": after(jobs, "begin"),
    "before the money is set aside": before(batch.Run, "reserve"),
    "after the money is set aside": after(batch.Run, "reserve"),
    "before the upload": before(server.Server, "upload"),
    "after the upload, before it is recorded": after(server.Server, "upload"),
    "after the upload is recorded": after(jobs, "save"),
    "before the batch": before(server.Server, "create"),
    "after the batch, before it is recorded": after(server.Server, "create"),
    "after the batch is recorded": after(jobs, "save", 2),
    "while waiting": before(time, "sleep"),
}
COLLECTING = {
    "while it runs": before(server.Server, "batch"),
    "before collecting": before(server.Server, "content"),
    "after download": after(server.Server, "content"),
    "half-collected": after(Store, "put", 2),
    "collected, before the job is closed": before(jobs, "finish"),
    "after the job is closed": after(jobs, "finish"),
    "before it is told": before(batch.Run, "deliver"),
    "after it is told": after(batch.Run, "deliver"),
}


def once_each(api: Remote, store: Store, wanted: list[Wanted]) -> None:
    uploads = [call["body"]["sha256"] for call in api.calls("/files") if call["method"] == "POST"]
    assert len(uploads) == len(set(uploads)) == 1
    assert posts(api, "/batches") == 1
    assert len(jobs.all_jobs(store)) == 1
    settled(api, store, wanted)


@pytest.mark.parametrize("place", SUBMITTING)
def test_killed_while_submitting(api: Remote, store: Store, place: str) -> None:
    wanted = want(4)
    killed(api, store.path, wanted, SUBMITTING[place], batch_wait=1.0)
    assert collect(api, store, wanted) == {}
    once_each(api, store, wanted)


@pytest.mark.parametrize("place", COLLECTING)
def test_killed_while_collecting(
    api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(batch_files, "CHUNK", 3)
    wanted = want(4)
    waits(api, store, wanted)
    finish_all(api, store)
    killed(api, store.path, wanted, COLLECTING[place])
    assert fulfil(api, store, wanted) == {}
    once_each(api, store, wanted)


def test_killed_in_the_middle_of_several_batches(
    api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_files, "MOST_REQUESTS", 3)
    wanted = want(4)
    killed(api, store.path, wanted, after(server.Server, "create", 2))
    assert collect(api, store, wanted) == {}
    assert (posts(api, "/files"), posts(api, "/batches")) == (3, 3)
    settled(api, store, wanted)


MOMENTS = ("intent", "uploaded", "submitted", "running", "collecting")


def moments(api: Remote, store: Store, running: set[str]) -> set[str]:
    """Which of them journal, answers and server show: `running` are the batches that were taken to
    in_progress.
    """
    met, good = set(), Counter(line["batch"] for line in api.lines() if line["status"] == 200)
    for job in jobs.all_jobs(store):
        met |= {job.state} & set(MOMENTS)
        if job.state == "submitted":
            arrived = sum(sample in store.answers(line.key) for line in job.lines for sample in line.samples)
            met |= (
                {"running"}
                if job.batch in running
                else {"collecting"}
                if 0 < arrived < good[job.batch]
                else set()
            )
    return met


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it did not come to pass within a minute"
        time.sleep(0.005)


def all_sent(store: Store, wanted: list[Wanted]) -> bool:
    open_jobs = [job for job in jobs.all_jobs(store) if job.state in jobs.OPEN]
    held = {(line.key, sample) for job in open_jobs for line in job.lines for sample in line.samples}
    return {job.state for job in open_jobs} == {"submitted"} and held | stored(store, wanted) >= pairs(wanted)


def kill_in(moment: str, api: Remote, path: Path, wanted: list[Wanted], delay: float) -> set[str]:
    """Start a run, take the server as far as the moment wants it, and kill the run there; returns the moments
    that were met.
    """
    process = FORK.Process(target=lambda: fulfil(api, Store(path), wanted, batch_wait=1.0, attempts=20))
    process.start()
    store, running = Store(path), set[str]()
    if moment in ("running", "collecting"):
        wait_for(lambda: all_sent(store, wanted))
        looks = api.count("/batches/")
        if moment == "running":
            running.update(under_way(store))
            finish_all(api, store, to="in_progress", lines=2)
        else:
            finish_all(api, store)
        wait_for(lambda: api.count("/batches/") > looks)
    wait_for(lambda: moment in moments(api, store, running))
    time.sleep(delay)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    met = moments(api, store, running)
    store.db.close()  # no connection is open when the next process is forked
    return met


def test_killed_in_every_state_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_round: int
) -> None:
    """15 kills, each where journal and server say that it hits; rows are added meanwhile, lines fail. No line
    that ended well is run again.
    """
    monkeypatch.setattr(batch_files, "MOST_REQUESTS", 4)
    rng, path, met = random.Random(3 + kill_round), tmp_path / "store.sqlite", Counter[str]()
    faults: list[dict[str, Any]] = [{"fault": 500, "path": LINES, "share": 0.2, "seed": 1}]
    slow = [
        {"fault": "slow", "delay": 0.15, **which}
        for which in ({"path": "/files"}, {"path": "/batches", "method": "POST"})
    ]
    with serve(polls=0, key=KEY) as api:
        with monkeypatch.context() as patch:  # no state passes faster than it can be seen
            api.script(faults + slow)
            put = Store.put
            patch.setattr(Store, "put", lambda self, answered: (put(self, answered), time.sleep(0.05))[0])
            patch.setattr(batch_files, "CHUNK", 1)
            for kill in range(15):
                wanted = want(6 * (kill // 5 + 1))
                met.update(kill_in(MOMENTS[kill % 5], api, path, wanted, rng.uniform(0, 0.02)))
        assert met.keys() == set(MOMENTS), met
        api.script(faults)
        store = Store(path)
        assert collect(api, store, wanted, attempts=20) == {}
        assert stored(store, wanted) == pairs(wanted)
        good = [line["custom_id"] for line in api.lines() if line["status"] == 200]
        assert sorted(good) == sorted(f"{key[:40]}/{sample}-{sample}" for key, sample in pairs(wanted))
        assert count(store, "failure") == len(api.lines()) - len(good) > 0, (
            "each line that failed is recorded once"
        )
        assert (
            posts(api, "/files")
            == posts(api, "/batches")
            == len(jobs.all_jobs(store))
            >= len(pairs(wanted)) / 4
        )
        assert store.spent("remote") == pytest.approx(paid(store), rel=1e-9)
        assert {job.state for job in jobs.all_jobs(store)} == {"closed"}
        assert (count(store, "claim"), count(store, "payment", "owner IS NOT NULL")) == (0, 0)
    print(
        f"batch, round {kill_round}: 15 kills, every restart worked; of {len(good)} answers 0 lost, 0 lines"
        f" that ended well run again; kills by state: {dict(met)}"
    )


# ---- responses that get lost


@pytest.mark.parametrize("path", ["/files", "/batches"])
@pytest.mark.parametrize(
    ("fault", "sent"),
    [({"fault": "cut"}, 1), ({"fault": "cut_body"}, 1), ({"fault": "malformed"}, 1), ({"fault": "no_id"}, 1),
     ({"fault": "raw", "text": "[]"}, 1), ({"fault": "raw", "text": "null"}, 1),
     ({"fault": 500, "done": True}, 1),
     ({"fault": "drop"}, 2), ({"fault": 503}, 2),
     ({"fault": 429, "retry_after": 0}, 2), ({"fault": 409}, 2)],
    ids=lambda value: f"{value.get('fault')}{value.get('done', '')}" if isinstance(value, dict) else None,
)  # fmt: skip
def test_what_a_post_did_is_looked_for_before_it_is_repeated(
    api: Remote, store: Store, path: str, fault: dict[str, Any], sent: int
) -> None:
    api.script([{**fault, "path": path, "method": "POST", "first": 1}])
    waits(api, store, want(2))
    assert posts(api, path) == sent
    made = {call["body"]["sha256"] for call in api.calls("/files") if call["method"] == "POST"}
    assert len(made) == 1
    assert collect(api, store, want(2)) == {}
    settled(api, store, want(2))


@pytest.mark.parametrize(("field", "path"), [("file", "/files"), ("batch", "/batches")])
@pytest.mark.parametrize("number", [None, ""])
def test_a_job_without_its_number_looks_for_it(
    api: Remote, store: Store, field: str, path: str, number: str | None
) -> None:
    """As older versions have left it in the journal, where every later run met it."""
    waits(api, store, want(2))
    (job,) = jobs.all_jobs(store)
    job.state = "uploaded" if field == "file" else "submitted"
    job.batch = ""
    setattr(job, field, number)
    jobs.save(store, job)
    assert collect(api, store, want(2)) == {}
    once_each(api, store, want(2))


@pytest.mark.parametrize(
    "odd",
    [
        {"request_counts": {"completed": None, "failed": "x", "total": 4}},
        {"request_counts": [1], "metadata": [1]},
        {"status": None},
    ],
    ids=str,
)
def test_an_odd_batch_is_waited_for(api: Remote, store: Store, odd: dict[str, Any]) -> None:
    waits(api, store, want(2))
    (name,) = under_way(store)
    shown = {"id": name, "object": "batch", "status": "in_progress", **odd}
    api.script([{"fault": "raw", "text": json.dumps(shown), "path": f"/batches/{name}"}])
    assert name in waits(api, store, want(2))
    api.script([])
    assert collect(api, store, want(2)) == {}
    settled(api, store, want(2))


def test_a_server_that_stays_away(api: Remote, store: Store) -> None:
    api.script([{"fault": "drop", "path": "/batches", "method": "POST"}])
    with pytest.raises(ValueError, match="nothing is lost"):
        fulfil(api, store, want(2))
    assert posts(api, "/batches") == 3
    api.script([])
    assert collect(api, store, want(2)) == {}
    assert posts(api, "/files") == 1
    settled(api, store, want(2))


@pytest.mark.parametrize("fault", [400, 401, 403, 404, "quota"])
@pytest.mark.parametrize("path", ["/files", "/batches"])
def test_a_refused_post_leaves_nothing_behind(api: Remote, store: Store, path: str, fault: Any) -> None:
    api.script([{"fault": fault, "path": path, "method": "POST"}])
    with pytest.raises(ValueError, match=r"endpoint 'remote', http://127"):
        fulfil(api, store, want(2))
    assert posts(api, path) == 1, "not asked again"
    assert (store.spent("remote"), count(store, "claim"), {job.state for job in jobs.all_jobs(store)}) == (
        0.0,
        0,
        {"closed"},
    )
    assert (list(contents.faults(store)), contents.unanswered(store)) == (
        [],
        2,
    ), "requests that nobody answers are no fault of the store"
    api.script([])
    assert collect(api, store, want(2)) == {}
    settled(api, store, want(2))


@pytest.mark.parametrize("fault", [401, 404])
def test_a_wrong_key_does_not_lose_a_batch(api: Remote, store: Store, fault: int) -> None:
    """An earlier run's batch may be there: what the search for it meets is no proof that nothing was done."""
    wanted = want(2)
    killed(api, store.path, wanted, after(server.Server, "create"))
    api.script([{"fault": fault}])
    with pytest.raises(ValueError, match="nothing is lost"):
        fulfil(api, store, wanted)
    api.script([])
    assert collect(api, store, wanted) == {}
    once_each(api, store, wanted)


def test_a_server_without_batches_gets_no_job(api: Remote, store: Store) -> None:
    api.script([{"fault": 404, "path": "/batches"}])
    with pytest.raises(ValueError, match=r"Batch API \(`mode: live` needs none\)"):
        fulfil(api, store, want(2))
    assert (posts(api, "/files"), len(jobs.all_jobs(store)), count(store, "claim")) == (0, 0, 0)


def test_a_download_that_breaks_is_repeated(api: Remote, store: Store) -> None:
    waits(api, store, want(4))
    finish_all(api, store)
    api.script([{"fault": "cut_body", "path": "/files/", "method": "GET", "first": 2}])
    assert fulfil(api, store, want(4)) == {}
    settled(api, store, want(4))


# ---- batches that do not go well


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_partial_output(api: Remote, store: Store, end: str) -> None:
    wanted = want(5)
    waits(api, store, wanted)
    finish_all(api, store, to=end, lines=3)
    said = waits(api, store, wanted)
    assert len(stored(store, wanted)) == 3
    assert "7 requests in 1 batches" in said
    assert collect(api, store, wanted) == {}
    assert count(store, "failure", f"kind = '{end}'") == 7
    settled(api, store, wanted)


def test_batches_that_expire_for_ever(api: Remote, store: Store) -> None:
    wanted = want(2)
    for _ in range(3):
        waits(api, store, wanted)
        finish_all(api, store, to="expired", lines=0)
    assert fulfil(api, store, wanted) == dict.fromkeys(pairs(wanted), "expired")
    assert posts(api, "/batches") == 3
    assert (store.spent("remote"), count(store, "claim")) == (0.0, 0)
    assert collect(api, store, wanted) == {}, "a later run asks anew"
    settled(api, store, wanted)


@pytest.mark.parametrize(
    ("fault", "kind", "sent"),
    [
        (400, "http_400", 1),
        ("context_length", "too_long", 1),
        (500, "http_500", 3),
        (429, "http_429", 3),
    ],
)
def test_lines_with_errors(api: Remote, store: Store, fault: Any, kind: str, sent: int) -> None:
    wanted = want(4)
    api.script([{"fault": fault, "path": LINES, "match": "<2>"}])
    assert collect(api, store, wanted) == dict.fromkeys(pairs(wanted[2:3]), kind)
    assert stored(store, wanted) == pairs(wanted) - pairs(wanted[2:3])
    assert posts(api, "/batches") == sent
    ran = [line["custom_id"] for line in api.lines() if line["status"] == 200]
    assert len(ran) == len(set(ran)) == 6
    assert store.spent("remote") == pytest.approx(paid(store), rel=1e-9)
    assert count(store, "failure") == 2 * sent


def test_a_line_that_fails_once(api: Remote, store: Store) -> None:
    api.script([{"fault": 500, "path": LINES, "calls": [1, 4]}])
    wanted = want(4)
    assert collect(api, store, wanted) == {}
    assert (posts(api, "/batches"), len(api.lines())) == (2, 10)
    assert stored(store, wanted) == pairs(wanted)


def test_a_prompt_that_is_filtered_is_answered(api: Remote, store: Store) -> None:
    api.script([{"fault": "content_policy", "path": LINES, "match": "<1>"}])
    wanted = want(2, samples=1)
    assert collect(api, store, wanted) == {}
    assert store.answers(wanted[1].key)[0].finish_reason == "content_filter"
    assert store.spent("remote") == pytest.approx(paid(store), rel=1e-9)


def test_failures_survive_the_wait_for_other_batches(
    api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that only collects one of two batches must not make the next one ask again for
    what was refused.
    """
    monkeypatch.setattr(batch_files, "MOST_REQUESTS", 4)
    wanted = want(4)
    api.script([{"fault": 400, "path": LINES, "match": "<0>"}])
    waits(api, store, wanted)
    first, second = under_way(store)
    api.advance(first, to="completed")
    waits(api, store, wanted)
    api.advance(second, to="completed")
    killed(api, store.path, wanted, before(batch.Run, "deliver"))
    assert fulfil(api, store, wanted) == dict.fromkeys(pairs(wanted[:1]), "http_400")
    assert posts(api, "/batches") == 2


@pytest.mark.parametrize("fault", [{"fault": "malformed_line"}, {"fault": "empty"}])
def test_useless_lines_are_asked_again_and_counted_as_paid(
    api: Remote, store: Store, fault: dict[str, Any]
) -> None:
    wanted = want(2, samples=1)
    if fault["fault"] == "empty":
        api.script([{"fault": "empty", "path": LINES, "first": 1}])
        assert collect(api, store, wanted) == {}
    else:
        waits(api, store, wanted)
        finish_all(api, store)
        real = server.Server.content

        def torn(self: server.Server, number: str) -> bytes:
            return (
                b'{"custom_id": \n[]\nnull\n{"custom_id": "of another"}\n'
                + real(self, number).split(b"\n")[0]
            )

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server.Server, "content", torn)
            waits(api, store, wanted)
        assert len(stored(store, wanted)) == 1
        assert collect(api, store, wanted) == {}
    assert stored(store, wanted) == pairs(wanted)
    assert len(api.lines()) == 3
    assert store.spent("remote") > paid(store), (
        "nobody knows what the useless line cost: the most it can have"
    )


def test_a_line_that_is_there_twice_is_paid_once(
    api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits(api, store, want(2))
    finish_all(api, store)
    real = server.Server.content
    first = (
        f'{{"custom_id": "{want(2)[0].key[:40]}/0-0", "response": null, "error": {{"code":'
        ' "batch_expired"}}\n'.encode()
    )
    monkeypatch.setattr(server.Server, "content", lambda self, number: first + real(self, number) * 2 + first)
    assert fulfil(api, store, want(2)) == {}
    settled(api, store, want(2))


def test_what_cannot_be_written_in_one_line_does_not_hold_up_the_batch(
    api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a character in answers and in an error, a count of 10**30: the store would refuse all of them."""
    api.script([{"fault": "usage", "usage": {"prompt_tokens": 10**30}, "path": LINES}])
    waits(api, store, want(2))
    finish_all(api, store)
    real, half, name = server.Server.content, rb"\ud83d", f"{want(2)[0].key[:40]}/0-0".encode()
    failed = b'{"custom_id": "%s", "error": {"code": "%s", "message": "%s"}}' % (name, half, half)

    def content(self: server.Server, number: str) -> bytes:
        spoilt = real(self, number).replace(b'"stop"', b'"%s"' % half).replace(b"fp_", half)
        return b"\n".join(failed if name in line else line for line in spoilt.split(b"\n"))

    monkeypatch.setattr(server.Server, "content", content)
    waits(api, store, want(2))
    assert len(stored(store, want(2))) == 3
    assert store.db.execute("SELECT kind, message FROM failure").fetchone() == ("\ufffd", "\ufffd, \ufffd")


DEEP = b"[" * 100_000
ODD_LINES = {
    "nested too deep": DEEP,
    "a body nested too deep": b'{"custom_id": "%s", "response": {"status_code": 200, "body": ' + DEEP,
    "an error nested deep": b'{"custom_id": "%s", "error": ' + b"[" * 900 + b"]" * 900 + b"}",
    "a status of 5,000 digits": b'{"custom_id": "%s", "response": {"status_code": "' + b"9" * 5000 + b'"}}',
    "a number of 5,000 digits": b'{"custom_id": "%s", "response": {"status_code": ' + b"9" * 5000 + b"}}",
}


@pytest.mark.parametrize("odd", ODD_LINES)
def test_an_odd_line_holds_up_no_other(
    api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    wanted = want(2)
    waits(api, store, wanted)
    finish_all(api, store)
    name = f"{wanted[0].key[:40]}/0-0".encode()
    line = ODD_LINES[odd].replace(b"%s", name)
    real = server.Server.content

    def content(self: server.Server, number: str) -> bytes:
        return b"\n".join([line, *(one for one in real(self, number).split(b"\n") if name not in one)])

    with monkeypatch.context() as patch:
        patch.setattr(server.Server, "content", content)
        waits(api, store, wanted)
    assert len(stored(store, wanted)) == 3
    assert count(store, "failure") == 1
    assert collect(api, store, wanted) == {}


def test_usage_that_is_not_told_counts_as_the_most(api: Remote, store: Store) -> None:
    api.script([{"fault": "usage", "usage": "missing", "path": LINES}])
    wanted = want(2, samples=1)
    waits(api, store, wanted)
    aside = store.spent("remote")
    assert collect(api, store, wanted) == {}
    assert aside > 0
    assert store.spent("remote") == pytest.approx(aside)


def test_fewer_samples_than_asked(api: Remote, store: Store) -> None:
    api.script([{"fault": "short", "choices": 1, "path": LINES}])
    wanted = want(2, samples=5)
    assert collect(api, store, wanted, samples_per_request=5) == {}
    assert stored(store, wanted) == pairs(wanted)
    assert len(api.lines()) == 10, (
        "one sample a line, more lines than `attempts`: fewer than asked is still progress"
    )


def test_a_batch_that_fails_as_a_whole(api: Remote, store: Store) -> None:
    waits(api, store, want(2))
    finish_all(api, store, to="failed", code="model_not_found")
    with pytest.raises(ValueError, match=r"batch_\w+, 4 requests to 'gpt-4o-mini': model_not_found") as error:
        fulfil(api, store, want(2))
    assert not isinstance(error.value, batch.Waiting)
    assert (store.spent("remote"), count(store, "claim")) == (0.0, 0)
    assert collect(api, store, want(2)) == {}
    assert posts(api, "/batches") == 2
    settled(api, store, want(2))


def test_a_batch_too_large_for_the_queue_is_halved(api: Remote, store: Store) -> None:
    wanted = want(4)
    waits(api, store, wanted)
    finish_all(api, store, to="failed", code="token_limit_exceeded")
    assert "8 requests in 2 batches" in waits(api, store, wanted)
    assert collect(api, store, wanted) == {}
    settled(api, store, wanted)


def test_a_queue_that_holds_little(api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server refuses what is too large at once: the same run halves until it fits."""
    wanted, real, tried = want(4), server.Server.batch, list[int]()

    def strict(self: server.Server, number: str) -> Any:
        (size,) = [len(job.lines) for job in jobs.all_jobs(store) if job.batch == number]
        if number not in asked:
            tried.append(size)
            asked.add(number)
        if size > 2:
            api.advance(number, to="failed", code="token_limit_exceeded")
        return real(self, number)

    asked: set[str] = set()
    monkeypatch.setattr(server.Server, "batch", strict)
    assert "8 requests in 4 batches" in waits(api, store, wanted)
    assert tried == [8, 4, 4, 2, 2, 2, 2]
    assert collect(api, store, wanted) == {}
    settled(api, store, wanted)


def test_a_batch_that_is_gone_does_not_hold_up_the_others(
    api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_files, "MOST_REQUESTS", 4)
    wanted = want(4)
    waits(api, store, wanted)
    first, second = under_way(store)
    api.advance(second, to="completed")
    api.script([{"fault": 404, "path": f"/batches/{first}"}])
    with pytest.raises(ValueError, match=f"batch {first}: .* the key of the account that submitted"):
        fulfil(api, store, wanted)
    assert len(stored(store, wanted)) == 4
    api.script([])
    assert collect(api, store, wanted) == {}
    settled(api, store, wanted)


# ---- money


def test_budget_sends_what_it_holds(api: Remote, store: Store) -> None:
    wanted = want(6, samples=1)
    line = most_dollars(wanted[0].request, 1, PRICES["gpt-4o-mini"], batch=True)
    budget = {"budget": 3.5 * line}
    said = waits(api, store, wanted, **budget)
    assert "3 requests in 1 batches" in said
    assert "`endpoints.remote.budget`" in said
    assert store.spent("remote") == pytest.approx(3 * line)
    finish_all(api, store)
    waits(api, store, wanted, **budget)
    assert len(stored(store, wanted)) == 3
    assert store.spent("remote") <= 3.5 * line
    collect(api, store, wanted, **budget)
    settled(api, store, wanted)


def test_a_spent_budget_keeps_what_was_paid(api: Remote, store: Store) -> None:
    wanted = want(3, samples=1)
    line = most_dollars(wanted[0].request, 1, PRICES["gpt-4o-mini"], batch=True)
    waits(api, store, wanted, budget=1.01 * line)
    finish_all(api, store)
    with pytest.raises(
        ValueError, match=r"budget of 0.00 dollars .* is used up.*`endpoints.remote.budget`"
    ) as error:
        fulfil(api, store, wanted, budget=0.5 * line)
    assert not isinstance(error.value, batch.Waiting)
    assert len(stored(store, wanted)) == 1
    assert store.spent("remote") == pytest.approx(paid(store))
    assert count(store, "claim") == 0
    assert collect(api, store, wanted) == {}
    settled(api, store, wanted)


def test_no_budget_at_all_sends_nothing(api: Remote, store: Store) -> None:
    with pytest.raises(ValueError, match=r"budget of 0.00 dollars"):
        fulfil(api, store, want(2), budget=0.0)
    with pytest.raises(ValueError, match=r"the price of 'gpt-4o-mini' is unknown"):
        fulfil(api, store, want(2), prices={}, budget=10.0)
    assert sum(call["method"] == "POST" for call in api.calls()) == 0
    assert (len(jobs.all_jobs(store)), count(store, "claim")) == (0, 0)


def test_unknown_price_without_budget(api: Remote, store: Store) -> None:
    assert collect(api, store, want(2), prices={}) == {}
    assert (store.spent("remote"), count(store, "payment")) == (0.0, 0)
    assert [job.dollars for job in jobs.all_jobs(store)] == [None]


def test_a_batch_that_was_sent_without_a_price_is_paid_when_there_is_one(api: Remote, store: Store) -> None:
    waits(api, store, want(2), prices={})
    assert store.spent("remote") == 0.0
    finish_all(api, store)
    assert fulfil(api, store, want(2)) == {}
    assert 0 < paid(store) == pytest.approx(store.spent("remote"), rel=1e-9)


# ---- others


def test_batch_then_live_never_asks_again(api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = want(3)
    waits(api, store, wanted)
    with pytest.raises(ValueError, match="job "):
        live.fulfil(wanted, store, "remote", endpoint(api), PRICES)
    assert count(store, "claim", "owner LIKE 'job %'") == 6, "a live run does not lift a job's claims"
    collect(api, store, wanted)
    monkeypatch.setenv("COT_STORE", str(store.path))
    assert live.fulfil(wanted, store, "remote", endpoint(api), PRICES) == {}
    assert api.count("/chat/completions") == 0
    settled(api, store, wanted)


def test_the_transport_takes_batch_mode(api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COT_STORE", str(store.path))
    monkeypatch.setenv("COT_MODE", "batch")
    settings = endpoint(api).model_copy(update={"mode": "live"})
    monkeypatch.setattr(transport, "endpoint_and_prices", lambda name: (settings, PRICES))
    asking = Asking(bare, bare.Settings(), "", 1, lambda prompt: Request("chat", "m", prompt))
    with pytest.raises(batch.Waiting):
        transport.connect("remote", [], asking).fulfil(want(1))


def test_what_a_living_process_asks_is_left_to_it(api: Remote, store: Store) -> None:
    wanted, other = want(3, samples=1), Store(store.path)
    other.claim([(wanted[0].key, 0)])
    assert "1 answers are asked for by process" in waits(api, store, wanted)
    finish_all(api, store)
    waits(api, store, wanted)
    assert len(stored(store, wanted)) == 2
    live.fulfil(wanted[:1], other, "remote", endpoint(api), PRICES)
    assert fulfil(api, store, wanted) == {}
    assert len(api.lines()) == 2


def test_several_runs_at_once_submit_once(api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four runs find the same half-submitted job; each takes its time between looking and sending."""
    wanted = want(5)
    killed(api, store.path, wanted, after(jobs, "begin"))
    for name in ("find_file", "find_batch"):
        real = getattr(server.Server, name)
        monkeypatch.setattr(
            server.Server, name, lambda self, job, real=real: (real(self, job), time.sleep(0.3))[0]
        )

    def child() -> None:
        with pytest.raises(batch.Waiting):
            fulfil(api, Store(store.path), wanted)

    runs = [FORK.Process(target=child) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    assert [run.exitcode for run in runs] == [0] * 4
    assert collect(api, store, wanted) == {}
    once_each(api, store, wanted)


def test_another_corpus_takes_what_a_first_one_submitted(api: Remote, store: Store) -> None:
    """Jobs are of the endpoint: what one run submitted and another one collects is there for both."""
    waits(api, store, want(4))
    finish_all(api, store)
    waits(api, store, want(["new"]))
    assert stored(store, want(4)) == pairs(want(4))
    assert collect(api, store, want(["new"])) == {}
    assert len(api.lines()) == 10


def test_a_lost_store_finds_its_batch_again(api: Remote, store: Store, tmp_path: Path) -> None:
    wanted = want(3)
    waits(api, store, wanted)
    finish_all(api, store)
    fresh = Store(tmp_path / "fresh.sqlite")
    assert collect(api, fresh, wanted) == {}
    assert (posts(api, "/files"), posts(api, "/batches"), len(api.lines())) == (1, 1, 6)
    assert fulfil(api, store, wanted) == {}
    texts = [
        [s.answers(each.key)[sample].text for each in wanted for sample in each.samples]
        for s in (store, fresh)
    ]
    assert texts[0] == texts[1]


def test_another_version_would_write_the_file_otherwise(
    api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the intent, then updated: nothing was sent, so the new version sends its own file; what
    was sent counts.
    """
    real = batch_files.encode_line
    for place, files in ((before(server.Server, "upload"), 1), (after(server.Server, "upload"), 1)):
        api.reset()
        wanted, path = want(2), store.path.with_name(f"{len(list(store.path.parent.iterdir()))}.sqlite")
        killed(api, path, wanted, place)
        with monkeypatch.context() as patch:
            patch.setattr(
                batch_files,
                "encode_line",
                lambda line, asked: real(line, asked).replace(b'"method"', b'"note": "new", "method"'),
            )
            assert collect(api, Store(path), wanted) == {}
        assert posts(api, "/files") == files
        settled(api, Store(path), wanted)


@pytest.mark.parametrize(
    "place", [before(server.Server, "upload"), after(server.Server, "upload"), after(server.Server, "create")]
)
def test_a_store_that_was_pruned_meanwhile(api: Remote, store: Store, place: Callable[[], None]) -> None:
    """`prune` drops requests that have no answers: the file cannot be made again, what was sent is collected
    all the same.
    """
    wanted = want(2)
    killed(api, store.path, wanted, place)
    store.db.execute("DELETE FROM request WHERE id NOT IN (SELECT request FROM answer)")
    api.script([{"fault": "usage", "usage": "missing", "path": LINES, "first": 1}])
    assert collect(api, store, wanted) == {}
    assert stored(store, wanted) == pairs(wanted)
    assert (posts(api, "/files"), posts(api, "/batches"), len(api.lines())) == (1, 1, 4)
    assert 0 < paid(store) < store.spent("remote")


def test_a_damaged_request_names_the_store(api: Remote, store: Store) -> None:
    killed(api, store.path, want(2), after(jobs, "begin"))
    store.db.execute("UPDATE request SET body = x'00'")
    with pytest.raises(ValueError, match=f"^{store.path}: .*`cot store verify`"):
        fulfil(api, store, want(2))
    assert posts(api, "/files") == 0


def test_another_address_is_no_place_to_look_for_a_batch(api: Remote, store: Store) -> None:
    waits(api, store, want(2))
    elsewhere = Endpoint(base_url="http://127.0.0.1:9/v1", key_env="TEST_KEY")
    with pytest.raises(ValueError, match=r"was submitted to http.* set it back"):
        batch.fulfil(want(2), store, "remote", elsewhere, PRICES)


def test_the_key_is_named_when_missing_and_kept_nowhere(
    api: Remote, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.script([{"fault": 401, "path": "/batches", "method": "POST", "first": 1}])
    with pytest.raises(ValueError, match="key is missing or wrong") as error:
        fulfil(api, store, want(1))
    assert KEY not in str(error.value)
    said = waits(api, store, want(1))
    assert KEY not in said
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for file in store.path.parent.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes()
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(ValueError, match=r"\$TEST_KEY is not set"):
        fulfil(api, store, want(1))


def test_a_job_and_its_claims_are_written_together(api: Remote, store: Store) -> None:
    """begin is one transaction: what fails in it leaves neither job nor claims of a job."""
    wanted = want(1, samples=1)
    store.put([(wanted[0].request, {})])
    store.claim([(wanted[0].key, 0)])
    job = jobs.Job(
        "x-0",
        "remote",
        "intent",
        api.url,
        "/chat/completions",
        "m",
        False,
        "0",
        None,
        [jobs.Line("not hexadecimal", [0])],
    )
    with pytest.raises((ValueError, sqlite3.Error)):
        jobs.begin(store, job)
    assert jobs.all_jobs(store) == []
    job.lines = [jobs.Line(wanted[0].key, [0])]
    jobs.begin(store, job)
    assert jobs.all_jobs(store) == [job]
    assert store.claim([(wanted[0].key, 0)]) == {(wanted[0].key, 0): "job x-0"}
