"""The store under concurrent writers, kill -9 and damage: an answer that was acknowledged is there, once, as
it came first.
"""

import fcntl
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import zlib
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stages.asking import store_contents as contents
from stages.asking.database import default_path
from stages.asking.request import Answer, Request
from stages.asking.store import Store
from stages.methods import zero_shot
from stages.records.example import Example, write_examples
from tools.store import app

ROOT = Path(__file__).resolve().parents[2]
OPENING = (
    "import json, random, sys\nfrom pathlib import Path\nfrom stages.asking.store import Store\nfrom"
    " stages.asking.request import Answer, Request\n"
)
OPENING += "store = Store(Path(sys.argv[1]))\nseed = int(sys.argv[2])\n"
WAIT = "print('ready', flush=True)\nsys.stdin.readline()\n"


def start(script, path, seed=0):
    """A process that runs `script` after OPENING."""
    command = [sys.executable, "-c", OPENING + script, str(path), str(seed)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def together(script, path, count):
    """What `count` processes print that start their work at the same moment."""
    processes = [start(WAIT + script, path, seed) for seed in range(count)]
    assert all(process.stdout.readline() == "ready\n" for process in processes)
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    return [json.loads(text) for text in printed]


def request(number=0, **given):
    return Request("chat", "m", f"question {number}", **given)


def answer(text="text", **given):
    return Answer(text, "stop", **given)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store.sqlite")


def sound(store):
    return list(contents.faults(store)) == []


# ---- answers


def test_an_answer_comes_back_as_it_was(store):
    full = Answer(
        "é😀 \0 'q'\r\n",
        "length",
        "thought",
        10,
        20,
        5,
        [("a", -0.1), ("é", -1e-9)],
        "m-1",
        "fp_1",
        "batch",
        "2026-01-31T00:00:00+00:00",
    )
    bare = Answer("", "stop", time="2026-01-31T00:00:00+00:00")
    assert store.put([(request(), {0: full, 7: bare})]) == 2
    assert store.answers(request().key) == {0: full, 7: bare}
    assert store.answers(request(1).key) == {}
    assert store.put([(request(1), {0: answer()})]) == 1
    assert store.answers(request(1).key)[0].time.endswith("+00:00")
    assert sound(store)


def test_half_a_character_is_kept_as_a_mark(store):
    """Wherever a server can put it: an answer that cannot be written would keep out all that come with it."""
    half, mark = "cut \ud83d", "cut \ufffd"
    store.put(
        [(request(), {0: Answer(half, half, half, model=half, fingerprint=half, logprobs=[(half, -1.0)])})]
    )
    (kept,) = store.answers(request().key).values()
    assert [kept.text, kept.finish_reason, kept.reasoning, kept.model, kept.fingerprint] == [mark] * 5
    store.fail(request().key, [1], "timeout", half)
    assert store.db.execute("SELECT message FROM failure").fetchone() == (mark,)


def test_what_is_acknowledged_is_on_the_disk(store):
    """2 is FULL: SQLite waits for the disk at each commit; in every thread, for each has its connection."""
    found = []
    thread = threading.Thread(target=lambda: found.append(store.db.execute("PRAGMA synchronous").fetchone()))
    thread.start()
    thread.join()
    assert [*found, store.db.execute("PRAGMA synchronous").fetchone()] == [(2,), (2,)]


def test_an_answer_that_cannot_be_written_costs_no_other(store):
    bad = Answer(None, "stop")
    refused = store.put_each(
        [(request(0), {0: answer()}), (request(1), {0: bad}), (request(2), {0: answer()})]
    )
    assert list(refused) == [1]
    assert [len(store.answers(request(number).key)) for number in range(3)] == [1, 0, 1]
    assert list(store.put_each([(request(1), {0: bad})])) == [0]
    store.put([(request(3), {0: answer(tokens_in=10**30, tokens_out=-1)})])
    assert store.answers(request(3).key)[0].tokens_in is None
    with pytest.raises(ValueError, match="sample 0"):
        store.put([(request(4), {0: answer()}), (request(1), {0: bad})])
    assert store.answers(request(4).key) == {}


def test_a_transaction_within_one_is_a_part_of_it(store):
    def interrupted():
        with store.transaction():
            store.put([(request(0), {0: answer()})])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert store.answers(request(0).key) == {}
    with store.transaction():
        store.put([(request(0), {0: answer()})])
        with pytest.raises(ValueError, match="sample 0"):
            store.put([(request(1), {0: Answer(None, "stop")})])
        store.pay("e", 1.0)
    assert (len(store.answers(request(0).key)), store.spent("e")) == (1, 1.0)
    assert store.db.execute("SELECT count(*) FROM request").fetchone() == (1,)


def test_first_writer_wins(store):
    assert store.put([(request(), {0: answer("first")})]) == 1
    assert store.put([(request(), {0: answer("second"), 1: answer("other")})]) == 1
    assert {sample: got.text for sample, got in store.answers(request().key).items()} == {
        0: "first",
        1: "other",
    }


def test_a_failing_transaction_keeps_nothing(store):
    def broken():
        yield request(), {0: answer()}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put(broken())
    assert store.answers(request().key) == {}
    assert store.put([(request(), {0: answer()})]) == 1


def test_a_commit_that_fails_does_not_stand_in_the_way_of_the_next(store):
    """SQLite leaves the transaction open, and no other can begin in the same thread."""
    store.db.execute("PRAGMA foreign_keys = ON")
    # COMMIT sees it
    orphan = (
        "PRAGMA defer_foreign_keys = ON",
        "INSERT INTO answer VALUES (9, 0, '', '', '', 1, 1, 0, NULL, 9, '', 0)",
    )
    with pytest.raises(ValueError, match="FOREIGN KEY"), store.transaction() as db:
        list(map(db.execute, orphan))
    assert store.put([(request(), {0: answer()})]) == 1


def test_a_full_disk_is_named_and_keeps_what_was_there(store):
    store.put([(request(), {0: answer("first")})])
    store.db.execute("PRAGMA max_page_count = 1")  # that is: as many as there are
    with pytest.raises(ValueError, match=f"^{store.path}: .*full"):
        store.put([(request(), {1: answer("second")}), (request(1), {0: answer("x" * 1_000_000)})])
    store.db.execute("PRAGMA max_page_count = 1000000")
    assert store.put([(request(), {1: answer("third")})]) == 1
    assert [got.text for got in store.answers(request().key).values()] == ["first", "third"]
    assert sound(store)


def test_a_key_alone_gets_its_request_later(store):
    def body():
        (blob,) = store.db.execute("SELECT body FROM request").fetchone()
        return blob and zlib.decompress(blob).decode()

    store.put([(request().key, {0: answer("by key")})])
    assert body() is None
    assert sound(store)
    assert store.put([(request(), {0: answer("later")})]) == 0
    assert body() == request().body
    store.put([(request().key, {1: answer("by key")})])
    assert body() == request().body
    assert [got.text for got in store.answers(request().key).values()] == ["by key", "by key"]


def test_processes_that_write_the_same_keys(store):
    script = """
won = []
pairs = [(number, sample) for number in range(40) for sample in range(3)]
random.Random(seed).shuffle(pairs)
for number, sample in pairs:
    if store.put([(Request("chat", "m", f"question {number}"), {sample: Answer(f"by {seed}", "stop")})]):
        won.append([number, sample])
print(json.dumps(won))
"""
    won = together(script, store.path, 4)
    winners = {(number, sample): f"by {seed}" for seed, pairs in enumerate(won) for number, sample in pairs}
    assert sum(map(len, won)) == len(winners) == 120
    stored = {
        (number, sample): got.text
        for number in range(40)
        for sample, got in store.answers(request(number).key).items()
    }
    assert stored == winners
    assert sound(store)


def test_processes_that_make_one_store_at_once(tmp_path):
    for number in range(3):
        path = tmp_path / f"{number}.sqlite"
        script = (
            "import sys\nfrom pathlib import Path\nfrom stages.asking.store import Store\n"
            + WAIT
            + "Store(Path(sys.argv[1]))"
        )
        command = [sys.executable, "-c", script, str(path)]
        processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            for _ in range(6)
        ]
        assert all(process.stdout.readline() for process in processes)
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=60)
        assert [process.returncode for process in processes] == [0] * 6
        assert sound(Store(path))


def test_a_store_that_another_process_makes_is_waited_for(tmp_path):
    with (tmp_path / "store.sqlite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=Store, args=(tmp_path / "store.sqlite",), daemon=True)
        thread.start()
        thread.join(timeout=0.3)
        assert thread.is_alive()
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert sound(Store(tmp_path / "store.sqlite"))


def test_kill_of_a_writer(store):
    """Each put holds three samples: all of what was acknowledged is there, and of no put a part."""
    script = """
for number in range(seed, seed + 10_000):
    answers = {sample: Answer(f"{number} {sample}", "stop") for sample in range(3)}
    store.put([(Request("chat", "m", f"question {number}"), answers)])
    print(number, flush=True)
"""
    rng, acknowledged = random.Random(0), 0
    for _ in range(12):
        process = start(script, store.path, acknowledged)
        for _ in range(rng.randrange(1, 40)):
            assert process.stdout.readline() == f"{acknowledged}\n"
            acknowledged += 1
        threading.Event().wait(rng.random() * 0.01)
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:  # not communicate(): it drops the lines that readline() has read ahead
            if line.endswith("\n"):  # written out before the kill
                assert int(line) == acknowledged
                acknowledged += 1
        assert process.wait() == -signal.SIGKILL
        process.stdin.close()
        process.stdout.close()
        there = {number: store.answers(request(number).key) for number in range(acknowledged + 2)}
        assert all(
            {sample: got.text for sample, got in there[n].items()} == {s: f"{n} {s}" for s in range(3)}
            for n in range(acknowledged)
        )
        assert all(len(samples) in (0, 3) for samples in there.values())
        assert sound(store)
        assert sound(Store(store.path))


# ---- claims


def pairs_of(count):
    return [(request(number).key, 0) for number in range(count)]


CLAIM = "pairs = [(Request('chat', 'm', f'question {number}').key, 0) for number in range(40)]\n"


def test_claims_of_the_living_stay_and_of_the_dead_do_not(store):
    other = start(
        CLAIM + "store.claim(pairs[:5])\nprint(store.owner, flush=True)\nsys.stdin.readline()", store.path
    )
    theirs = other.stdout.readline().strip()
    mine = store.claim(pairs_of(8))
    assert mine == {pair: theirs if place < 5 else store.owner for place, pair in enumerate(pairs_of(8))}
    assert store.claim(pairs_of(8)) == mine
    other.kill()
    other.communicate()
    assert set(store.claim(pairs_of(8)).values()) == {store.owner}
    assert [file.name for file in store.owners.iterdir()] == [store.owner.removeprefix("process ")]


def test_what_is_stored_is_claimed_by_nobody(store):
    store.claim(pairs_of(3))
    store.put([(request(0), {0: answer()})])
    store.fail(request(1).key, [0], "timeout", "x" * 900)
    assert store.db.execute("SELECT count(*) FROM claim").fetchone() == (1,)
    assert set(store.claim(pairs_of(3))) == set(pairs_of(3)[1:])
    assert store.db.execute("SELECT kind, length(message) FROM failure").fetchall() == [("timeout", 500)]
    store.release()
    assert store.db.execute("SELECT count(*) FROM claim").fetchone() == (0,)


def test_claims_of_a_job_outlive_its_process(store):
    script = (
        CLAIM + "store.claim(pairs[:4], 'job 7')\nstore.reserve('e', 2.0, None, 'job"
        " 7')\nstore.claim(pairs[4:6])\nstore.reserve('e', 1.0, None)"
    )
    other = start(script, store.path)
    other.communicate(timeout=60)
    owners = store.claim(pairs_of(6))
    assert list(owners.values()) == ["job 7"] * 4 + [store.owner] * 2
    assert store.spent("e") == 3.0  # what a dead process had reserved may have been billed
    assert store.db.execute("SELECT owner FROM payment ORDER BY id").fetchall() == [("job 7",), (None,)]
    store.release("job 7")
    assert set(store.claim(pairs_of(6)).values()) == {store.owner}


def test_processes_that_claim_the_same(store):
    script = CLAIM + "random.Random(seed).shuffle(pairs)\ngot = {}\n"
    script += "for pair in pairs:\n    got |= store.claim([pair])\n"
    script += (
        "print(json.dumps([store.owner, {key: owner for (key, _), owner in got.items()}]),"
        " flush=True)\nsys.stdin.readline()"
    )
    printed = []
    processes = [start(script, store.path, seed) for seed in range(4)]
    for process in processes:  # all live until all have claimed
        printed.append(json.loads(process.stdout.readline()))
    for process in processes:
        process.communicate("done\n", timeout=60)
    first = printed[0][1]
    assert all(seen == first for _, seen in printed)
    assert set(first.values()) <= {owner for owner, _ in printed}
    assert len(first) == 40


def test_threads_share_one_owner(store):
    barrier, seen = threading.Barrier(8), []

    def work(number):
        barrier.wait()
        seen.append(store.claim([(request(number).key, 0)]))
        store.put([(request(number), {0: answer(str(number))})])

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(seen) == 8
    assert all(set(owners.values()) == {store.owner} for owners in seen)
    assert [store.answers(request(number).key)[0].text for number in range(8)] == [
        str(number) for number in range(8)
    ]


def test_two_stores_of_one_process_are_two_owners(store):
    other = Store(store.path)
    other.claim(pairs_of(1))
    assert store.claim(pairs_of(2)) == {pairs_of(2)[0]: other.owner, pairs_of(2)[1]: store.owner}


# ---- dollars


@pytest.mark.parametrize("seed", range(5))
def test_dollars_against_a_plain_model(store, seed):
    rng = random.Random(seed)
    entries = {}  # number -> [endpoint, dollars]; quarters of a dollar, so that sums are exact

    def spent(endpoint):
        return sum(dollars for where, dollars in entries.values() if where == endpoint)

    for _ in range(120):
        endpoint, dollars = rng.choice(["a", "b"]), rng.randrange(8) / 4
        what = rng.choice(["reserve", "reserve", "settle", "pay"])
        if what == "reserve":
            budget = rng.choice([None, 0.0, 5.0, 10.0])
            number = store.reserve(endpoint, dollars, budget)
            assert (number is None) == (budget is not None and spent(endpoint) + dollars > budget)
            if number is not None:
                assert number not in entries
                entries[number] = [endpoint, dollars]
        elif what == "pay":
            store.pay(endpoint, dollars)
            entries[f"paid {len(entries)}"] = [endpoint, dollars]
        elif numbers := [number for number in entries if isinstance(number, int)]:
            chosen = {
                number: rng.choice([None, dollars]) for number in rng.sample(numbers, min(3, len(numbers)))
            }
            store.settle(chosen.items())
            for number, paid in chosen.items():
                entries[number][1] = entries[number][1] if paid is None else paid
        assert (store.spent("a"), store.spent("b")) == (spent("a"), spent("b"))
    assert Store(store.path).spent("a") == spent("a")


def test_what_nobody_knows_is_settled_by_hand(store, monkeypatch):
    monkeypatch.setenv("COT_STORE", str(store.path))
    store.pay("e", 1.0)
    lost, under_way = (store.reserve("e", dollars, None) for dollars in (0.5, 0.25))
    store.settle([(lost, None)])
    assert store.payments_by_endpoint() == [("e", 1.0, 0.5, 0.25)]
    assert run("settle", "e", "0.125").output == (
        "e: 0.5 dollars of which nobody knew are 0.125 dollars paid now\n"
    )
    assert store.payments_by_endpoint() == [("e", 1.125, 0.0, 0.25)]
    store.settle([(under_way, 0.25)])
    assert store.spent("e") == 1.375
    assert "nothing was spent at endpoint 'f'" in str(run("settle", "f", "1").exception)
    assert run("settle", "e", "--", "-1").exit_code != 0


def test_processes_never_spend_more_than_the_budget(store):
    script = """
got, rng = [], random.Random(seed)
while (number := store.reserve("e", 0.25, 10.0)) is not None:
    got.append(number)
    if rng.random() < 0.5:
        store.settle([(number, 0.125)])
print(json.dumps(got))
"""
    got = together(script, store.path, 3)
    numbers = [number for some in got for number in some]
    assert len(numbers) == len(set(numbers))
    assert 10.0 - 0.25 < store.spent("e") <= 10.0


def test_jobs_are_listed_oldest_first(store):
    for job, state in [("1", "intent"), ("2", "intent"), ("1", "closed")]:
        store.write_job(job, "batch", "e", state, {"n": job, "state": state})
    store.write_job("3", "fine_tune", "e", "intent", {})
    first, second = (
        ("e", "closed", {"n": "1", "state": "closed"}),
        ("e", "intent", {"n": "2", "state": "intent"}),
    )
    assert list(store.jobs("batch").items()) == [("1", first), ("2", second)]


# ---- the file


def test_where_the_store_is(monkeypatch, tmp_path):
    monkeypatch.delenv("COT_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_path() == tmp_path / "cot-distill" / "store.sqlite"
    monkeypatch.setenv("COT_STORE", str(tmp_path / "mine"))
    assert default_path() == tmp_path / "mine"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COT_STORE", "~/mine")
    assert default_path() == tmp_path / "mine"
    monkeypatch.setenv("COT_STORE", "answers.sqlite")
    with pytest.raises(ValueError, match=r"COT_STORE is 'answers\.sqlite', wanted an absolute path"):
        default_path()


def test_files_that_are_no_store(tmp_path):
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(ValueError, match="cannot be opened as a store"):
        Store(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(ValueError, match="database of something else"):
        Store(tmp_path / "other")
    with sqlite3.connect(tmp_path / "newer") as db:
        db.execute("PRAGMA user_version = 3")
    with pytest.raises(ValueError, match="newer cot-distill"):
        Store(tmp_path / "newer")


def first_version(path):
    """A store as it was before answers had checksums, and payments said whether they are known."""
    store = Store(path)
    store.put([(request(0), {0: answer("old", logprobs=[("a", -1.0)]), 1: answer("other")})])
    store.pay("e", 0.5)
    store.db.execute("ALTER TABLE answer DROP COLUMN checksum")
    store.db.execute("ALTER TABLE payment DROP COLUMN unknown")
    store.db.execute("PRAGMA user_version = 1")
    store.db.close()
    path.chmod(0o644)


def test_an_older_store_is_opened_and_keeps_every_answer(tmp_path, monkeypatch):
    path = tmp_path / "old.sqlite"
    first_version(path)
    monkeypatch.setenv("COT_STORE", str(path))
    store = Store(path)
    assert [got.text for got in store.answers(request(0).key).values()] == ["old", "other"]
    assert store.put([(request(0), {1: answer("third"), 2: answer("new")})]) == 1
    assert store.payments_by_endpoint() == [("e", 0.5, 0.0, 0.0)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert "2 answers of an older version have their checksum now" in run("verify").output
    assert "older version" not in run("verify").output
    store.db.execute("UPDATE answer SET text = 'oId' WHERE sample = 0")
    assert run("verify").exit_code == 1


def test_only_its_user_can_read_a_store(tmp_path):
    store = Store(tmp_path / "mine" / "store.sqlite")
    store.put([(request(), {0: answer()})])
    store.claim([(request(1).key, 0)])
    for path in (tmp_path / "mine").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o700


DAMAGE = {
    "UPDATE request SET body = x'00' WHERE id = 1": "body cannot be read",
    "UPDATE request SET body = (SELECT body FROM request WHERE id = 2) WHERE id = 1": (
        "not the sha256 of its body"
    ),
    "UPDATE request SET key = x'abcd' WHERE id = 1": "has 2 bytes",
    "DELETE FROM request WHERE id = 1": "its request is not there",
    "DELETE FROM origin": "its origin is not there",
    "UPDATE answer SET logprobs = x'00' WHERE request = 1 AND sample = 0": "log-probabilities cannot be read",
    "UPDATE answer SET text = CAST(x'61ff' AS TEXT) WHERE request = 1 AND sample = 1": (
        "answer 1 of request 1: its text cannot be read"
    ),
    "UPDATE answer SET reasoning = CAST(x'ff' AS TEXT) WHERE request = 2": (
        "answer 0 of request 2: its text cannot be read"
    ),
    "UPDATE answer SET text = 'Third' WHERE request = 2": "answer 0 of request 2: its text, reasoning",
    "UPDATE answer SET finish_reason = 'length' WHERE request = 2": "its checksum differs",
}


@pytest.fixture
def filled(store, monkeypatch):
    monkeypatch.setenv("COT_STORE", str(store.path))
    scored = answer(
        "scored",
        logprobs=[("a", -1.0)],
        tokens_in=3,
        tokens_out=4,
        tokens_cached=0,
        model="m-1",
        time="2026-01-01T00:00:00+00:00",
    )
    store.put(
        [
            (
                request(0),
                {
                    0: scored,
                    1: answer("other", source="batch", model="m-2", time="2026-02-01T00:00:00+00:00"),
                },
            )
        ]
    )
    store.put([(request(1), {0: answer("third", model="m-1", time="2026-03-01T00:00:00+00:00")})])
    return store


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("damage", DAMAGE)
def test_verify_finds_damage(filled, damage):
    assert run("verify").exit_code == 0
    filled.db.execute(damage)
    result = run("verify")
    assert result.exit_code == 1
    assert DAMAGE[damage] in result.output


def test_requests_without_answers_are_counted_and_no_fault(filled):
    """A batch that was refused, a failure whose record was pruned, a run that was killed before it sent
    anything: nothing is lost.
    """
    filled.put([(request(number), {}) for number in range(5, 8)])
    result = run("verify")
    assert (result.exit_code, result.output) == (
        0,
        f"{filled.path}: sound; 3 requests have no answer: under way, failed or given up\n",
    )
    filled.put([(request(5), {0: answer()})])
    filled.fail(request(6).key, [0], "timeout", "")
    assert "2 requests have no answer" in run("verify").output
    run("prune", "--failures", "--yes")
    assert run("verify").exit_code == 0


def test_verify_never_advises_to_throw_paid_answers_away(filled):
    filled.db.execute("UPDATE request SET body = x'00' WHERE id = 1")
    said = str(run("verify").exception)
    assert said.startswith(f"{filled.path}: 1 faults. Keep this file")
    assert filled.answers(request(1).key)[0].text == "third", "what is not named is sound"


def test_verify_finds_a_foreign_version(filled):
    body = b'{"version":2}'
    filled.db.execute(
        "UPDATE request SET key = ?, body = ? WHERE id = 1", (sha256(body).digest(), zlib.compress(body))
    )
    assert "request of version 2" in run("verify").output


def overwrite(store, start=0.5, stop=0.6):
    """Spoil a part of the file."""
    store.put([(request(number), {0: answer("x" * 3000)}) for number in range(10, 40)])
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.db.close()
    size = store.path.stat().st_size
    with store.path.open("r+b") as file:
        file.seek(int(start * size))
        file.write(b"\xff" * int((stop - start) * size))


def cut_off(store):
    overwrite(store, 0.5, 0.5)
    os.truncate(store.path, store.path.stat().st_size // 2)


def process(*command, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_verify_finds_overwritten_pages(filled):
    overwrite(filled)
    result = process("tools", "store", "verify")
    assert result.returncode == 1
    assert "SQLite" in result.stdout
    assert "faults" in result.stderr
    assert "Traceback" not in result.stderr


DAMAGES = {
    "pages": lambda store: overwrite(store, 0.05, 0.95),
    "log-probabilities": lambda store: store.db.execute("UPDATE answer SET logprobs = x'00'"),
    "log-probabilities, other text": lambda store: store.db.execute(
        "UPDATE answer SET logprobs = ?", (zlib.compress(b"[1]"),)
    ),
    "half a file": cut_off,
    "a text that is no Unicode": lambda store: store.db.execute(
        "UPDATE answer SET text = CAST(x'ff' AS TEXT)"
    ),
    "a table that is gone": lambda store: store.db.execute("DROP TABLE origin"),
}


@pytest.fixture
def project(filled, tmp_path):
    """A folder in which a teacher asks for what the store has, and nobody else could answer."""
    block = {
        "backend": "openai",
        "endpoint": "e",
        "model": "m",
        "method": "zero_shot",
        "max_tokens": None,
        "temperature": None,
    }
    params = {
        "teachers": {"t": block},
        "methods": {"zero_shot": {}},
        "prices": {},
        "endpoints": {"e": {"base_url": "http://127.0.0.1:9/v1"}},
    }
    (tmp_path / "params.yaml").write_text(json.dumps(params))
    (tmp_path / "shown.txt").write_text("")
    write_examples(tmp_path / "examples.jsonl", [Example("d-0", "d", "What is 0 + 1?", "1", "number")])
    prompt = zero_shot.ask(Example("d-0", "d", "What is 0 + 1?", "1", "number"), [], zero_shot.Settings(), "")
    asked = Request("chat", "m", prompt, stop=tuple(zero_shot.stops(zero_shot.Settings())))
    filled.put([(asked, {0: answer(logprobs=[("a", -1.0)])})])
    return tmp_path


TEACH = ["stages.teach", "t", "raw", "examples.jsonl", "shown.txt", "out.jsonl", "counts.json"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_stage_names_a_damaged_store_in_one_line(filled, project, damage):
    assert process(*TEACH, cwd=project).returncode == 0
    DAMAGES[damage](filled)
    filled.db.close()
    result = process(*TEACH, cwd=project)
    said = [line for line in result.stderr.splitlines() if "completions are in the store" not in line]
    assert (result.returncode, len(said)) == (1, 1), result.stderr
    assert said[0].startswith(f"error: {filled.path}: ")
    assert ("keep it" if damage == "half a file" else "`cot store verify`") in said[0]
    assert process("tools", "store", "verify").returncode == 1


def test_an_unknown_backend_is_named_with_what_to_write(project):
    params = json.loads((project / "params.yaml").read_text())
    for backend in ("opena", None, "../openai"):
        params["teachers"]["t"]["backend"] = backend
        (project / "params.yaml").write_text(json.dumps(params))
        result = process(*TEACH, cwd=project)
        what, *lines = result.stderr.splitlines()
        assert what.startswith(
            f"error: params.yaml: `teachers.t.backend`: stages/teachers/{backend}.py does not exist"
        )
        assert [line.strip().partition("(")[0] for line in lines] == ["class Settings", "def complete"]


# ---- the commands


def test_commands_without_a_store(tmp_path, monkeypatch):
    monkeypatch.setenv("COT_STORE", str(tmp_path / "none"))
    for command in (
        ["stats"],
        ["verify"],
        ["export"],
        ["prune", "--failures"],
        ["merge", str(tmp_path / "other")],
    ):
        result = run(*command)
        assert isinstance(result.exception, ValueError)
        assert "no store there yet" in str(result.exception)
    assert not (tmp_path / "none").exists()


def test_stats(filled):
    filled.reserve("openai", 0.5, None)
    filled.pay("openai", 0.25)
    filled.fail(request(5).key, [0, 1], "timeout", "")
    filled.fail(request(5).key, [0], "http_500", "an older one")
    filled.fail(request(6).key, [0], "http_500", "[error]\n of the :fire:\n" + "server " * 60)
    filled.claim([(request(6).key, 0)])
    filled.write_job("1", "batch", "openai", "submitted", {})
    lines = run("stats").output.splitlines()
    assert f"{filled.path}: 3 answers to 2 requests (0 known by their key only)" in lines
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    first, third = "2026-01-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00"
    assert ["m-1", "live", "2", "3", "0", "4", first, third] in cells
    assert [
        "m-2",
        "batch",
        "1",
        "unknown",
        "unknown",
        "unknown",
        "2026-02-01T00:00:00+00:00",
        "2026-02-01T00:00:00+00:00",
    ] in cells
    assert ["openai", "0.25", "0.0", "0.5"] in cells
    assert [cell[3] for cell in cells if cell[:2] == ["timeout", "2"]] == [""]
    assert [cell[3] for cell in cells if cell[:2] == ["http_500", "2"]] == [
        "[error] of the :fire:" + " server" * 9 + " serv…"
    ], "the last one's"
    assert [filled.owner, "1"] in cells
    assert ["batch", "openai", "submitted", "1"] in cells


def everything(store):
    return list(contents.stored_rows(store))


def test_export_and_import_carry_everything(filled, tmp_path, monkeypatch):
    filled.put([("ab" * 32, {4: answer("by key", time="2026-03-01T00:00:00+00:00")})])
    (tmp_path / "export.jsonl").write_text(run("export").stdout, encoding="utf-8")
    monkeypatch.setenv("COT_STORE", str(tmp_path / "new"))
    assert "4 new answers, 0 were there" in run("import", str(tmp_path / "export.jsonl")).output
    assert everything(Store()) == everything(filled)
    assert sound(Store())
    assert "0 new answers, 4 were there" in run("import", str(tmp_path / "export.jsonl")).output


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ([], ["scored", "other", "third"]),
        (["--model", "m-1"], ["scored", "third"]),
        (["--source", "batch"], ["other"]),
        (["--model", "m-1", "--source", "batch"], []),
    ],
)
def test_export_of_a_selection(filled, options, texts):
    rows = [json.loads(line) for line in run("export", *options).stdout.splitlines()]
    assert [row["answer"]["text"] for row in rows] == texts
    assert all(row["request"] == json.loads(request(int(row["request"]["prompt"][-1])).body) for row in rows)


def test_an_edited_export_is_refused(filled, tmp_path):
    rows = [json.loads(line) for line in run("export").stdout.splitlines()]
    rows[1]["request"]["temperature"] = 0.5
    (tmp_path / "export.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "export.jsonl row 2: the request's key is" in str(
        run("import", str(tmp_path / "export.jsonl")).exception
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"request": None, "key": "zz"}, "key is 'zz', wanted 64 hexadecimal digits"),
        ({"key": 5}, "key is 5, wanted 64 hexadecimal digits"),
        ({"sample": "0"}, "sample is '0', wanted a number from 0 on"),
        ({"sample": -1}, "sample is -1, wanted a number from 0 on"),
        ({"answer": {"text": None, "finish_reason": "stop"}}, "answer: text is None, wanted str"),
        ({"answer": {"text": "x", "finish_reason": "stop", "tokens_in": "a"}}, "answer: tokens_in is 'a'"),
        ({"answer": {"text": "x", "finish_reason": "stop", "logprobs": [["t"]]}}, "answer: logprobs is"),
        ({"answer": {"finish_reason": "stop"}}, "it lacks ['text']"),
        ({"answer": []}, "row 2: "),
    ],
)
def test_an_export_with_other_values_is_refused(filled, tmp_path, monkeypatch, values, told):
    rows = [json.loads(line) for line in run("export").stdout.splitlines()]
    rows[1] |= values
    file = tmp_path / "export.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("COT_STORE", str(tmp_path / "new"))
    said = str(run("import", str(file)).exception)
    assert f"{file} row 2: " in said
    assert told in said
    assert not (tmp_path / "new").exists()


def test_merge(filled, tmp_path):
    other = Store(tmp_path / "other.sqlite")
    other.put(
        [
            (request(0), {0: answer("theirs"), 2: answer("new", time="2025-01-01T00:00:00+00:00")}),
            (request(9).key, {0: answer("by key")}),
        ]
    )
    other.pay("openai", 9.0)
    before = everything(filled)
    result = run("merge", str(other.path))
    assert "2 new answers, 1 were there" in result.output
    assert "1 of those that were there have another text" in result.output
    assert [row for row in everything(filled) if row in before] == before
    assert filled.answers(request(0).key)[2] == replace(answer("new"), time="2025-01-01T00:00:00+00:00")
    assert filled.answers(request(9).key)[0].text == "by key"
    assert filled.spent("openai") == 0.0
    assert "0 new answers, 3 were there" in run("merge", str(other.path)).output
    other.put([(request(9), {})])
    run("merge", str(other.path))
    assert sound(filled)
    assert {key: body for key, body, *_ in everything(filled)}[request(9).key] == request(9).body


def test_merge_reads_alone(filled, tmp_path):
    """An old store, which nobody may write: it stays as it is, with nothing beside it."""
    other = Store(tmp_path / "theirs" / "other.sqlite")
    other.put([(request(30), {0: answer("theirs")})])
    other.db.executescript(
        "ALTER TABLE answer DROP COLUMN checksum; ALTER TABLE payment DROP COLUMN unknown;"
        "PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE)"
    )
    other.db.close()
    folder = other.path.parent
    for path in folder.iterdir():
        if path != other.path:
            path.unlink()
    other.path.chmod(0o444)
    before = other.path.read_bytes()
    assert "1 new answers, 0 were there" in run("merge", str(other.path)).output
    assert filled.answers(request(30).key)[0].text == "theirs"
    assert other.path.read_bytes() == before
    assert other.path.stat().st_mode & 0o777 == 0o444
    assert [path.name for path in folder.iterdir() if path.suffix == ".lock"] == []


@pytest.mark.parametrize("text", ["", '{"key": "ab"}\n'])
def test_merge_refuses_what_is_no_store(filled, tmp_path, text):
    other = tmp_path / "colleague.jsonl"
    other.write_text(text)
    before = everything(filled)
    result = run("merge", str(other))
    assert f"{other}: no store of answers" in str(result.exception)
    assert other.read_text() == text
    assert everything(filled) == before


def test_merge_of_a_damaged_store_says_where(filled, tmp_path):
    other = Store(tmp_path / "other.sqlite")
    other.put([(request(number), {0: answer()}) for number in range(20, 23)])
    other.db.execute("UPDATE request SET body = x'00' WHERE id = 2")
    result = run("merge", str(other.path))
    assert isinstance(result.exception, ValueError)
    assert request(21).key[:12] in str(result.exception)
    assert str(other.path) in str(result.exception)


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (["--model", "m-1"], {"scored", "third"}),
        (["--source", "batch"], {"other"}),
        (["--before", "2026-02-01"], {"scored"}),
        (["--before", "2026-02-01T00:00:01"], {"scored", "other"}),
        (["--before", "2026-02-01T01:00:00+02:00"], {"scored"}),
        (["--model", "m-1", "--before", "2026-02-01"], {"scored"}),
        (["--model", "none"], set()),
    ],
)
def test_prune(filled, options, gone):
    result = run("prune", *options)
    assert f"would delete {len(gone)} answers" in result.output
    assert len(everything(filled)) == 3
    assert f"{len(gone)} answers deleted" in run("prune", *options, "--yes").output
    assert {row[3].text for row in everything(filled)} == {"scored", "other", "third"} - gone
    assert sound(filled)


def test_prune_of_failures(filled):
    filled.fail(request(7).key, [0, 1], "timeout", "")
    assert "would delete 2 failures" in run("prune", "--failures").output
    assert "would delete 0 failures" in run("prune", "--failures", "--before", "2020-01-01").output
    assert "2 failures deleted" in run("prune", "--failures", "--yes").output
    assert "0 failures" in run("prune", "--failures", "--yes").output
    assert len(everything(filled)) == 3


def kept_in(store, text):
    """Which of the store's files hold a text."""
    return [
        file.name
        for file in store.path.parent.glob(f"{store.path.name}*")
        if file.is_file() and text.encode() in file.read_bytes()
    ]


def test_pruned_text_is_no_longer_in_the_file(filled):
    secret, message = "what nobody may read any more", "a message that goes"
    filled.put(
        [
            (
                request(number),
                {0: answer(f"{secret} {number}", model="m-3", time="2026-01-01T00:00:00+00:00")},
            )
            for number in range(20, 220)
        ]
    )
    filled.fail(request(9).key, [0], "timeout", message)
    for job in ("2", "1", "3"):
        filled.write_job(job, "batch", "e", "closed", {"n": job})
    before, journal = [row for row in everything(filled) if row[3].model != "m-3"], list(filled.jobs("batch"))
    filled.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = filled.path.stat().st_size
    assert kept_in(filled, secret)
    assert run("prune", "--model", "m-3", "--yes").output.splitlines()[-1] == "200 answers deleted"
    assert kept_in(filled, secret) == []
    assert filled.path.stat().st_size < size / 2
    assert kept_in(filled, message)
    assert run("prune", "--failures", "--yes").output == "1 failures deleted\n"
    assert kept_in(filled, message) == []
    assert (everything(filled), list(filled.jobs("batch"))) == (before, journal)
    assert sound(filled)


def test_a_store_in_use_is_pruned_and_says_that_the_text_is_still_there(filled, monkeypatch):
    monkeypatch.setattr(contents, "PATIENCE", 100)
    other = start(
        CLAIM + "store.claim(pairs[:1])\nprint('ready', flush=True)\nsys.stdin.readline()", filled.path
    )
    other.stdout.readline()
    said = run("prune", "--model", "m-2", "--yes").output
    assert "1 answers deleted" in said
    assert f"{filled.path}: in use by process " in said
    assert "`prune` again" in said
    other.communicate("done\n", timeout=60)
    filled.db.execute("BEGIN")
    filled.db.execute("SELECT count(*) FROM answer").fetchone()  # a reader that claims nothing
    result = run("prune", "--model", "m-1", "--yes")
    assert result.exit_code == 0
    assert "2 answers deleted" in result.output
    assert f"{filled.path}: another process reads it" in result.output
    filled.db.execute("ROLLBACK")
    assert kept_in(filled, "third")
    assert run("prune", "--model", "m-1", "--yes").output == "0 answers deleted\n"
    assert kept_in(filled, "third") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--yes"], "deletes what was paid for"),
        (["--before", "yesterday"], "is no date"),
        (["--failures", "--model", "m"], "neither model nor source"),
    ],
)
def test_prune_refuses(filled, options, message):
    result = run("prune", *options)
    assert isinstance(result.exception, ValueError)
    assert message in str(result.exception)
    assert len(everything(filled)) == 3
