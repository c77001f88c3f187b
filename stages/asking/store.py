"""The store of answers: one SQLite file (WAL) outside every checkout. An answer is paid once: first writer
wins, nothing is updated.

`request` holds each prompt once, `answer` one row per (request, sample), `claim` who is asking for what right
now, `failure` what did not come and why, `payment` dollars reserved and spent, `job` the journal of batches
and fine-tuning jobs. Credentials never get here.
"""

import fcntl
import json
import os
import sqlite3
import threading
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from stages.asking.request import Answer, Request

SCHEMA = """
BEGIN;
CREATE TABLE IF NOT EXISTS request (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, body BLOB);
CREATE TABLE IF NOT EXISTS origin (id INTEGER PRIMARY KEY, model TEXT, fingerprint TEXT, source TEXT, UNIQUE (model, fingerprint, source));
CREATE TABLE IF NOT EXISTS answer (request INTEGER REFERENCES request, sample INTEGER, text TEXT NOT NULL, finish_reason TEXT NOT NULL,
  reasoning TEXT NOT NULL, tokens_in INTEGER, tokens_out INTEGER, tokens_cached INTEGER, logprobs BLOB, origin INTEGER REFERENCES origin,
  time TEXT NOT NULL, PRIMARY KEY (request, sample));
CREATE TABLE IF NOT EXISTS claim (key BLOB, sample INTEGER, owner TEXT NOT NULL, PRIMARY KEY (key, sample)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failure (key BLOB, sample INTEGER, kind TEXT NOT NULL, message TEXT NOT NULL, time TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS payment (id INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, dollars REAL NOT NULL, owner TEXT, time TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS job (id TEXT PRIMARY KEY, kind TEXT NOT NULL, endpoint TEXT NOT NULL, state TEXT NOT NULL, record TEXT NOT NULL,
  time TEXT NOT NULL);
PRAGMA user_version = 1;
COMMIT;
"""
COLUMNS = (
    "a.text, a.finish_reason, a.reasoning, a.tokens_in, a.tokens_out, a.tokens_cached, a.logprobs, o.model,"
    " o.fingerprint, o.source, a.time"
)


def default_path() -> Path:
    """$COT_STORE, else a folder of the user's: never in a checkout, where `git clean` would delete paid
    answers.
    """
    if chosen := os.environ.get("COT_STORE"):
        return Path(chosen)
    return (
        Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
        / "cot-distill"
        / "store.sqlite"
    )


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Unreadable(ValueError):
    """A stored value that cannot be unpacked."""


class Store:
    """All methods are safe in several threads and processes at once; each write is one transaction that a
    kill -9 cannot halve.

    All raise ValueError, with the store's name, for a file that is damaged, full or locked for a minute.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_path()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.local = threading.local()
        self.owner = f"process {uuid.uuid4().hex}"
        self.lock: IO[str] | None = None
        self.entering = threading.Lock()
        try:
            with self.path.with_name(self.path.name + ".lock").open("w") as lock:
                # SQLite does not wait when two processes turn a new file to WAL at once: one of them fails
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.open()
        except sqlite3.DatabaseError as error:
            advice = "if it is one, keep it, and work on with a copy or a new one ($COT_STORE)"
            raise ValueError(f"{self.path}: cannot be opened as a store ({error}); {advice}") from error

    def open(self) -> None:
        """Make the tables of a new store; check an old one's version."""
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        tables = self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version not in (0, 1) or (version == 0 and tables):
            why = "it was written by a newer cot-distill" if version else "it is a database of something else"
            raise ValueError(f"{self.path}: a store of version {version}, wanted 1: {why}")
        if version == 0:
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.executescript(SCHEMA)

    @property
    def db(self) -> sqlite3.Connection:
        """This thread's connection."""
        if not hasattr(self.local, "db"):
            self.local.db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            # an answer that was acknowledged survives a power cut too
            self.local.db.execute("PRAGMA synchronous = FULL")
        connection: sqlite3.Connection = self.local.db
        return connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection. What fails in SQLite or in unpacking becomes a ValueError that names the
        store and says what to do.
        """
        try:
            yield self.db
        except (sqlite3.DatabaseError, zlib.error, Unreadable) as error:
            raise ValueError(
                f"{self.path}: the store of answers: {error}; `cot store verify` looks for what is wrong"
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """`reading`, for writes: all of them or, where anything fails, none."""
        with self.reading() as db:
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # SQLite ends it itself where the disk is full
                    db.execute("ROLLBACK")
                raise

    # ---- answers

    def answers(self, key: str) -> dict[int, Answer]:
        """All stored samples of a request."""
        query = (
            f"SELECT a.sample, {COLUMNS} FROM answer a JOIN request r ON r.id = a.request JOIN origin o ON"
            " o.id = a.origin WHERE r.key = ?"
        )
        with self.reading() as db:
            rows = db.execute(query, (bytes.fromhex(key),))
            return {
                sample: Answer(
                    text,
                    reason,
                    reasoning,
                    tokens_in,
                    tokens_out,
                    cached,
                    unpack(blob),
                    model,
                    fingerprint,
                    source,
                    time,
                )
                for sample, text, reason, reasoning, tokens_in, tokens_out, cached, blob, model, fingerprint, source, time in (
                    rows
                )
            }

    def put(self, answered: Iterable[tuple[Request | str, dict[int, Answer]]]) -> int:
        """Keep answers to requests (or to keys, where the request is not known); one transaction. Returns how
        many were new.

        What is there stays as it is. Claims on what arrives are lifted.
        """
        new = 0
        with self.transaction() as db:
            for request, samples in answered:
                key = bytes.fromhex(request.key if isinstance(request, Request) else request)
                body = zlib.compress(request.body.encode()) if isinstance(request, Request) else None
                (number,) = db.execute(
                    "INSERT INTO request (key, body) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET body ="
                    " ifnull(body, excluded.body) RETURNING id",
                    (key, body),
                ).fetchone()
                for sample, answer in samples.items():
                    new += db.execute(
                        "INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (number, sample, valid(answer.text), valid(answer.finish_reason), valid(answer.reasoning), answer.tokens_in,
                         answer.tokens_out, answer.tokens_cached, pack(answer.logprobs), origin(db, answer), answer.time or now()),
                    ).rowcount  # fmt: skip
                    db.execute("DELETE FROM claim WHERE key = ? AND sample = ?", (key, sample))
        return new

    def fail(self, key: str, samples: Iterable[int], kind: str, message: str) -> None:
        """Record that answers did not come; they are asked for again by the next run."""
        with self.transaction() as db:
            for sample in samples:
                db.execute(
                    "INSERT INTO failure VALUES (?, ?, ?, ?, ?)",
                    (bytes.fromhex(key), sample, kind, valid(message)[:500], now()),
                )
                db.execute("DELETE FROM claim WHERE key = ? AND sample = ?", (bytes.fromhex(key), sample))

    # ---- who asks for what

    def enter(self) -> None:
        """Become an owner of claims: alive as long as this process holds the lock of its file, whatever ends
        it.
        """
        file = self.owners / self.owner.removeprefix("process ")
        with self.entering:
            while self.lock is None:
                self.owners.mkdir(exist_ok=True)
                lock = file.open("w")
                fcntl.flock(lock, fcntl.LOCK_EX)
                if file.exists():  # else somebody swept it up before it was locked
                    self.lock = lock

    @property
    def owners(self) -> Path:
        return self.path.with_name(self.path.name + ".owners")

    def living(self) -> set[str]:
        """The owners whose processes live; the files of the others are removed."""
        living = {self.owner}
        for file in self.owners.glob("*"):
            try:
                with file.open() as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    file.unlink()
            except BlockingIOError:
                living.add(f"process {file.name}")
            except FileNotFoundError:  # another one was faster
                pass
        return living

    def bury_the_dead(self, db: sqlite3.Connection) -> None:
        """Lift the claims of processes that are gone; what they had reserved stays counted as spent, for it
        may have been billed.
        """
        living = self.living()
        for (owner,) in db.execute(
            "SELECT owner FROM claim UNION SELECT owner FROM payment WHERE owner IS NOT NULL"
        ).fetchall():
            if owner.startswith("process ") and owner not in living:
                db.execute("DELETE FROM claim WHERE owner = ?", (owner,))
                db.execute("UPDATE payment SET owner = NULL WHERE owner = ?", (owner,))

    def claim(
        self, wanted: Iterable[tuple[str, int]], owner: str | None = None
    ) -> dict[tuple[str, int], str]:
        """Claim (key, sample) pairs for this process, or for a job. Returns the owner of every pair that is
        not stored by now.
        """
        self.enter()
        owners = {}
        with self.transaction() as db:
            self.bury_the_dead(db)
            for key, sample in wanted:
                pair = (bytes.fromhex(key), sample)
                stored = db.execute(
                    "SELECT 1 FROM answer a JOIN request r ON r.id = a.request WHERE r.key = ? AND"
                    " a.sample = ?",
                    pair,
                ).fetchone()
                if not stored:
                    db.execute("INSERT OR IGNORE INTO claim VALUES (?, ?, ?)", (*pair, owner or self.owner))
                    (owners[key, sample],) = db.execute(
                        "SELECT owner FROM claim WHERE key = ? AND sample = ?", pair
                    ).fetchone()
        return owners

    def release(self, owner: str | None = None) -> None:
        """Lift all claims of this process, or of a job."""
        with self.transaction() as db:
            db.execute("DELETE FROM claim WHERE owner = ?", (owner or self.owner,))

    # ---- dollars

    def spent(self, endpoint: str) -> float:
        """Dollars spent and reserved at an endpoint, by all runs that used this store."""
        with self.reading() as db:
            return float(
                db.execute("SELECT total(dollars) FROM payment WHERE endpoint = ?", (endpoint,)).fetchone()[0]
            )

    def reserve(
        self, endpoint: str, dollars: float, budget: float | None, owner: str | None = None
    ) -> int | None:
        """Set dollars aside before a request is sent; its number, or None if the budget does
        not hold them.
        """
        self.enter()
        with self.transaction() as db:
            if budget is not None and self.spent(endpoint) + dollars > budget:
                return None
            row = db.execute("INSERT INTO payment (endpoint, dollars, owner, time) VALUES (?, ?, ?, ?)",
                             (endpoint, dollars, owner or self.owner, now()))  # fmt: skip
            return row.lastrowid

    def settle(self, payments: Iterable[tuple[int, float | None]]) -> None:
        """Replace reservations by what was paid; None leaves one as it is, because nobody knows."""
        with self.transaction() as db:
            for number, dollars in payments:
                db.execute(
                    "UPDATE payment SET dollars = ifnull(?, dollars), owner = NULL WHERE id = ?",
                    (dollars, number),
                )

    def pay(self, endpoint: str, dollars: float) -> None:
        """Count dollars that were spent without a reservation."""
        with self.transaction() as db:
            db.execute(
                "INSERT INTO payment (endpoint, dollars, time) VALUES (?, ?, ?)", (endpoint, dollars, now())
            )

    # ---- journal of jobs

    def write_job(self, job: str, kind: str, endpoint: str, state: str, record: dict[str, object]) -> None:
        """Add or overwrite a job: on disk before the next step is taken."""
        with self.transaction() as db:
            db.execute("INSERT INTO job VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET (state, record, time) = "
                       "(excluded.state, excluded.record, excluded.time)", (job, kind, endpoint, state, json.dumps(record), now()))  # fmt: skip

    def jobs(self, kind: str) -> dict[str, tuple[str, str, dict[str, object]]]:
        """(endpoint, state, record) of every job of a kind, oldest first."""
        with self.reading() as db:
            rows = db.execute(
                "SELECT id, endpoint, state, record FROM job WHERE kind = ? ORDER BY rowid", (kind,)
            )
            return {job: (endpoint, state, json.loads(record)) for job, endpoint, state, record in rows}


def origin(db: sqlite3.Connection, answer: Answer) -> int:
    values = (valid(answer.model), valid(answer.fingerprint), answer.source)
    found = db.execute(
        "SELECT id FROM origin WHERE model = ? AND fingerprint = ? AND source = ?", values
    ).fetchone()
    return int(
        found[0]
        if found
        else db.execute(
            "INSERT INTO origin (model, fingerprint, source) VALUES (?, ?, ?) RETURNING id", values
        ).fetchone()[0]
    )


def valid(text: str) -> str:
    """Half a character (a JSON escape that a server cut in two) is no Unicode and cannot be written: a mark
    stands for it.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def pack(logprobs: list[tuple[str, float]] | None) -> bytes | None:
    return None if logprobs is None else zlib.compress(json.dumps(logprobs).encode())


def unpack(blob: bytes | None) -> list[tuple[str, float]] | None:
    """Raises Unreadable."""
    try:
        return (
            None if blob is None else [(token, value) for token, value in json.loads(zlib.decompress(blob))]
        )
    except (zlib.error, ValueError, TypeError) as error:
        raise Unreadable(f"log-probabilities cannot be read ({error})") from error
