"""Live calls of whole stages: kill -9, Ctrl-C, two at once, what is told, and no key anywhere."""

import itertools
import json
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_server import Remote, serve
from live_calls import KEY, asking, questions, wait_for, written
from stage_run import StageRun

from stages import teach
from stages.asking.store import Store
from stages.endpoint import live
from stages.endpoint.keeping import Keeper
from stages.endpoint.live import Live
from stages.endpoint.progress import CallProgress
from stages.methods import zero_shot_cot
from stages.records.completion import read_completions


@pytest.fixture(scope="module")
def running() -> Iterator[Remote]:
    with serve(key=KEY, latency=0.01, words=8) as server:
        yield server


@pytest.fixture
def folder(running: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageRun:
    """The client's own pauses are shortened, what the server asks for is not."""
    running.reset()
    running.script([])
    monkeypatch.delenv("COT_MODE", raising=False)
    monkeypatch.setattr(live, "pause", lambda attempt: 0.01)
    return StageRun(tmp_path / "run", running)


def test_the_stage_asks_once_and_replays_without_a_network(folder: StageRun) -> None:
    code, said = folder.start(fresh=True).end()
    assert code == 0, said
    assert len(folder.calls()) == len(set(folder.calls())) == 10 * 2 * 2
    before = folder.server.count()
    code, said = folder.start("replayed.jsonl", fresh=True, COT_MODE="replay", LOCAL_KEY="").end()
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


def test_a_plan_asks_nothing(folder: StageRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.folder)
    monkeypatch.setenv("COT_STORE", str(folder.store))
    monkeypatch.delenv("LOCAL_KEY", raising=False)
    assert "40 samples" in teach.plan("t", questions(10), "")
    assert folder.server.count() == 0


# ---- two at once


def test_two_processes_at_once_ask_each_sample_once_in_total(folder: StageRun) -> None:
    folder.write(questions(60))
    for started in [folder.start("one.jsonl"), folder.start("two.jsonl")]:
        code, said = started.end()
        assert code == 0, said
    calls = folder.calls()
    assert len(calls) == len(set(calls)) == 60 * 2 * 2
    assert (folder.folder / "one.jsonl").read_bytes() == (folder.folder / "two.jsonl").read_bytes()


def test_two_processes_at_once_stay_within_one_budget(folder: StageRun) -> None:
    folder.endpoint["budget"] = 4.0
    folder.write(questions(60))
    for started in [folder.start("one.jsonl"), folder.start("two.jsonl")]:
        code, said = started.end()
        assert code == 1
        assert "budget" in said
    store = Store(folder.store)
    assert 0 < store.spent("here") <= 4.0
    calls = folder.calls()
    assert len(calls) == len(set(calls)) == len(folder.stored())


def test_a_killed_process_leaves_its_part_to_the_living(folder: StageRun) -> None:
    """The other one finishes everything, also what the dead one had claimed."""
    folder.write(questions(60))
    first = folder.start("one.jsonl")
    wait_for(lambda: folder.server.count() >= 8)
    second = folder.start("two.jsonl")
    wait_for(lambda: folder.server.count() >= 60)
    first.signal(signal.SIGKILL)
    first.end()
    code, said = second.end()
    assert code == 0, said
    again = Counter(folder.calls())
    assert len(again) == 60 * 2 * 2
    assert sum(count - 1 for count in again.values()) <= 2 * 8
    assert len(read_completions(folder.folder / "two.jsonl")) == 120


# ---- stopped


def test_kill_9_again_and_again_loses_and_repeats_nothing_that_was_kept(
    folder: StageRun, kill_round: int
) -> None:
    """Fifteen kills at random moments; the server's calls are the proof."""
    rng = random.Random(kill_round)
    folder.write(questions(400))
    kept: set[tuple[str, int]] = set()
    repeated = Counter[tuple[str, int]]()
    late: list[float] = []
    for kill in range(15):
        before = folder.server.count()
        started = folder.start()
        if kill % 5:
            enough = before + rng.randrange(1, 60)
            wait_for(lambda enough=enough: folder.server.count() >= enough)
            time.sleep(rng.uniform(0, 0.02))
        else:  # while it reads and opens the store
            time.sleep(rng.uniform(0, 0.2))
        started.signal(signal.SIGKILL)
        assert started.end()[0] == -signal.SIGKILL, started.said
        calls = folder.calls(before)
        now = folder.stored()
        assert not kept & set(calls), "what was in the store is asked again"
        assert kept <= now, "what was in the store is gone"
        assert len(calls) == len(set(calls)), "one process asks twice for the same"
        lost = set(calls) - now
        assert len(lost) <= 2 * 8, "more is lost than was under way, or waited for its commit"
        repeated.update(lost)
        late += too_late(folder.server.calls()[before:], calls, lost)
        kept = now
    assert 0 < len(kept) < 1600
    code, said = folder.finish()
    assert code == 0, said
    total = Counter(folder.calls())
    assert set(total) == folder.stored()
    assert len(total) == 400 * 2 * 2
    assert {pair: count - 1 for pair, count in total.items() if count > 1} == dict(repeated)
    rows = read_completions(folder.folder / "out.jsonl")
    wanted = [(f"math-{i}", sample) for i in range(400) for sample in (0, 1)]
    assert [(row.example_id, row.sample) for row in rows] == wanted
    assert {text for row in rows for text in row.texts} <= set(written(folder.server))
    print(
        f"live, round {kill_round}: 15 kills, every restart worked; of {len(total)} answers 0 lost, 0 asked"
        f" again that were stored, {repeated.total()} asked again that were not: {len(late)} of them written"
        f" out by the server, up to {max(late, default=0.0):.3f} s, before the client's last call began"
    )


def too_late(calls: list[dict[str, Any]], pairs: list[tuple[str, int]], lost: set[Any]) -> list[float]:
    """Of responses that were written out while the client lived and are not stored: seconds until it began
    its last call. The others were in flight when it was killed.
    """
    last = max((call["begun"] for call in calls), default=0.0)
    ended = [call["ended"] for call, pair in zip(calls, pairs, strict=True) if pair in lost]
    return [last - end for end in ended if end is not None and end <= last]


def test_ctrl_c_keeps_what_came(folder: StageRun) -> None:
    folder.write(questions(200))
    started = folder.start(fresh=True)
    wait_for(lambda: folder.server.count() >= 100)
    started.signal(signal.SIGINT)
    assert started.end()[0] == 130
    calls = folder.calls()
    assert len(set(calls) - folder.stored()) <= 8, "more than the calls that were under way"
    assert folder.finish()[0] == 0
    assert len(Counter(folder.calls())) == 800


WAYS: dict[str, list[int]] = {
    "Ctrl-C": [signal.SIGINT],
    "Ctrl-C twice, then others": [signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
    "SIGTERM": [signal.SIGTERM],
    **{fault: [] for fault in ("look_for_life", "advance", "put")},
}
OWNERS: dict[str, type] = {"look_for_life": Live, "advance": CallProgress, "put": Store}


def write_slowly(log: Path, seconds: float) -> None:
    """Every commit takes a while; what `keep` is handed is logged."""
    put, keep = Store.put, Keeper.keep
    file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def slow(store: Store, answered: Any) -> int:
        time.sleep(seconds)
        return put(store, answered)

    async def logged(keeper: Keeper, item: Any) -> None:
        for sample, answer in item.outcome.answers.items():
            os.write(file, (json.dumps([item.parcel.key, sample, answer.text]) + "\n").encode())
        await keep(keeper, item)

    Store.put = slow
    Keeper.keep = logged


def fail_once(name: str, place: int) -> None:
    """The function fails at this call of it."""
    real = getattr(OWNERS[name], name)
    calls = itertools.count()

    def function(*values: Any) -> Any:
        if next(calls) == place:
            raise RuntimeError(f"{name} fails")
        return real(*values)

    setattr(OWNERS[name], name, function)


def stop_somewhere(folder: StageRun, way: str, seed: int) -> None:
    """Stop the stage by signals or by a fault, at any moment: what `keep` was handed is stored, and paid."""
    rng = random.Random(seed)
    log = folder.folder / "handed.jsonl"
    slow = rng.uniform(0.05, 0.5)
    place = rng.randrange(1, {"put": 4, "advance": 6}.get(way, 40))
    folder.write(questions(200))

    def arm() -> None:
        write_slowly(log, slow)
        if way in OWNERS:
            fail_once(way, place)

    started = folder.start(arm=arm)
    if WAYS[way]:
        wait_for(lambda: log.exists() and log.read_bytes().count(b"\n") >= place)
    for number in WAYS[way]:
        time.sleep(rng.uniform(0, slow))
        started.signal(number)
    code, said = started.end()
    assert code != 0
    if len(WAYS[way]) == 1:  # one of several may come when all is done
        assert code == {"Ctrl-C": 130, "SIGTERM": -signal.SIGTERM}[way], said
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
def test_what_came_is_kept_whatever_stops_the_run(folder: StageRun, way: str) -> None:
    stop_somewhere(folder, way, random.randrange(1000))  # the seed stands in the traceback


# ---- what is told


def test_a_long_wait_is_told_once(folder: StageRun) -> None:
    folder.server.script([{"fault": 429, "retry_after": 3600, "first": 6}])
    started = folder.start()
    wait_for(lambda: sum(call["status"] == 429 and call["delivered"] for call in folder.server.calls()) == 6)
    wait_for(lambda: "asks to wait" in started.said)
    time.sleep(0.5)  # all six have heard of it
    started.signal(signal.SIGINT)
    _, said = started.end()
    told = re.findall(r"here: the server asks to wait 3,600 s\n", said)
    assert len(told) == said.count("asks to wait") == 1


def test_the_key_is_nowhere(folder: StageRun) -> None:
    """Not in the store's folder, the outs or what is printed, even where the server's error repeats it."""
    outputs = [folder.finish()[1]]
    wrong = "sk-wrong-99887766"
    folder.write(questions(12))
    code, said = folder.finish(LOCAL_KEY=wrong)
    assert code == 1
    assert "401" in said
    assert "LOCAL_KEY" in said
    folder.server.script([{"fault": 500}])
    folder.endpoint["attempts"] = 1
    folder.write(questions(12))
    outputs += [said, folder.finish()[1], folder.finish(LOCAL_KEY="")[1]]
    assert "LOCAL_KEY" in outputs[-1]
    folder.server.script([])
    outputs.append(folder.finish(COT_MODE="replay", LOCAL_KEY=KEY)[1])
    files = [path for path in folder.folder.rglob("*") if path.is_file()]
    assert folder.store in files
    messages = [row[0] for row in Store(folder.store).db.execute("SELECT message FROM failure")]
    assert messages
    for secret in (KEY, wrong):
        for path in files:
            assert secret.encode() not in path.read_bytes(), path
        assert not [text for text in outputs + messages if secret in text]


def test_a_shortfall_is_said_and_can_be_allowed(folder: StageRun) -> None:
    folder.endpoint["attempts"] = 1
    folder.write(questions(10))
    folder.server.script([{"fault": "malformed", "match": "What is 3 + 1?"}])
    code, said = folder.finish()
    assert code == 1
    (why,) = {message for (message,) in Store(folder.store).db.execute("SELECT message FROM failure")}
    assert f"\n  2 malformed, the last one: {why}\n" in said
    assert not (folder.folder / "out.jsonl").exists()
    folder.teacher["max_missing"] = 0.1
    folder.write(questions(10))
    code, said = folder.finish()
    assert code == 0, said
    counts = json.loads((folder.folder / "out.jsonl.counts").read_text())
    assert (counts["completions"], counts["questions_without_completion"]) == (18, 1)


def test_log_probabilities_that_were_not_asked_for_in_time_are_told(folder: StageRun) -> None:
    """Nothing is asked anew for them, another salt does."""
    assert folder.finish()[0] == 0
    before = folder.server.count()
    folder.teacher |= {"logprobs": True, "samples": 3}
    folder.write(questions(10))
    code, said = folder.finish()
    assert (code, folder.server.count()) == (0, before + 2 * 10)
    told = "answers of 20 of 30 completions have no log-probabilities: `logprobs: true` does not ask again"
    assert told in said
    folder.teacher["salt"] = "scored"
    folder.write(questions(10))
    code, said = folder.finish()
    assert (code, folder.server.count()) == (0, before + 2 * 10 + 2 * 30)
    assert "log-probabilities" not in said
    assert all(row.logprob is not None for row in read_completions(folder.folder / "out.jsonl"))
