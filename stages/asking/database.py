"""The file of the store: one SQLite file (WAL) outside every checkout, and which processes use it.

`request` holds each prompt once, `answer` one row per (request, sample), `claim` who is asking for what right
now, `failure` what did not come and why, `payment` dollars reserved and spent, `job` the journal of batches
and fine-tuning jobs. Credentials never get here; only its user can read the file.
"""

import fcntl
import os
import sqlite3
import threading
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

SCHEMA = """
BEGIN;
CREATE TABLE IF NOT EXISTS request (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, body BLOB);
CREATE TABLE IF NOT EXISTS origin (
  id INTEGER PRIMARY KEY, model TEXT, fingerprint TEXT, source TEXT, UNIQUE (model, fingerprint, source)
);
CREATE TABLE IF NOT EXISTS answer (
  request INTEGER REFERENCES request, sample INTEGER, text TEXT NOT NULL, finish_reason TEXT NOT NULL,
  reasoning TEXT NOT NULL, tokens_in INTEGER, tokens_out INTEGER, tokens_cached INTEGER, logprobs BLOB,
  origin INTEGER REFERENCES origin, time TEXT NOT NULL, checksum INTEGER, PRIMARY KEY (request, sample)
);
CREATE TABLE IF NOT EXISTS claim (
  key BLOB, sample INTEGER, owner TEXT NOT NULL, PRIMARY KEY (key, sample)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failure (
  key BLOB, sample INTEGER, kind TEXT NOT NULL, message TEXT NOT NULL, time TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS payment (
  id INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, dollars REAL NOT NULL, owner TEXT, time TEXT NOT NULL,
  unknown INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS job (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, endpoint TEXT NOT NULL, state TEXT NOT NULL, record TEXT NOT NULL,
  time TEXT NOT NULL
);
PRAGMA user_version = 2;
COMMIT;
"""
# from version 1; an answer of before has no checksum until `cot store verify` has found the store sound
SECOND = """
BEGIN;
ALTER TABLE answer ADD COLUMN checksum INTEGER;
ALTER TABLE payment ADD COLUMN unknown INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 2;
COMMIT;
"""

# how a transaction begins, ends and is undone
OUTER = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
INNER = ("SAVEPOINT part", "RELEASE part", ("ROLLBACK TO part", "RELEASE part"))


def default_path() -> Path:
    """$COT_STORE, else a folder of the user's: never in a checkout, where `git clean` would delete paid
    answers. Raises ValueError for a relative one: an experiment in a folder of its own would take it along,
    and away.
    """
    if chosen := os.environ.get("COT_STORE"):
        path = Path(chosen).expanduser()
        if not path.is_absolute():
            raise ValueError(f"$COT_STORE is {chosen!r}, wanted an absolute path, such as {path.absolute()}")
        return path
    return (
        Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
        / "cot-distill"
        / "store.sqlite"
    )


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def valid(text: str) -> str:
    """Half a character (a JSON escape that a server cut in two) is no Unicode and cannot be written: a mark
    stands for it.
    """
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def open_private(path: Path) -> IO[str]:
    """A file to lock, that only its user can read."""
    return open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600))


class Unreadable(ValueError):
    """A stored value that cannot be unpacked."""


class Database:
    """All methods are safe in several threads and processes at once; each write is one transaction that a
    kill -9 cannot halve.

    All raise ValueError, with the store's name, for a file that is damaged, full or locked for a minute.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_path()
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.local = threading.local()
        self.owner = f"process {uuid.uuid4().hex}"
        self.lock: IO[str] | None = None
        self.entering = threading.Lock()
        try:
            with open_private(self.path.with_name(self.path.name + ".lock")) as lock:
                # SQLite does not wait when two processes turn a new file to WAL at once: one of them fails
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.open()
        except sqlite3.DatabaseError as error:
            advice = "if it is one, keep it, and work on with a copy or a new one ($COT_STORE)"
            raise ValueError(f"{self.path}: cannot be opened as a store ({error}); {advice}") from error

    def open(self) -> None:
        """Make the tables of a new store; bring an old one to today's version."""
        self.path.touch(mode=0o600)
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        tables = self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version not in (0, 1, 2) or (version == 0 and tables):
            why = "it was written by a newer cot-distill" if version else "it is a database of something else"
            raise ValueError(f"{self.path}: a store of version {version}, wanted 2: {why}")
        if version == 0:
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.executescript(SCHEMA)
        if version == 1:
            self.path.chmod(0o600)
            self.db.executescript(SECOND)

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
        """`reading`, for writes: all of them or, where anything fails, none. One within another is a part of
        it, and nothing of that is on the disk before the outer one ends.
        """
        with self.reading() as db:
            inner = db.in_transaction
            begin, end, undo = INNER if inner else OUTER
            try:
                db.execute(begin)
                yield db
                db.execute(end)
            except BaseException:
                if db.in_transaction:  # SQLite ends it itself where the disk is full
                    for command in undo:
                        db.execute(command)
                raise

    # ---- processes

    def enter(self) -> None:
        """Become an owner of claims: alive as long as this process holds the lock of its file, whatever ends
        it.
        """
        file = self.owners / self.owner.removeprefix("process ")
        with self.entering:
            while self.lock is None:
                self.owners.mkdir(mode=0o700, exist_ok=True)
                lock = open_private(file)
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
