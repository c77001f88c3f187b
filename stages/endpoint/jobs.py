"""Jobs: the journal of batches, in the store's table `job`, so that no step is ever taken twice.

    intent -> uploaded -> submitted -> collected -> closed

An open job (before `collected`) owns the claims of its answers and the reservation of their dollars as
"job ID". A collected one only remembers what did not come, until that has been told to whoever wanted it.
"""

import fcntl
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from stages.asking.database import now, open_private, valid
from stages.asking.request import Request, read_request
from stages.asking.store import Store

OPEN = ("intent", "uploaded", "submitted")
ADD_JOB = """INSERT INTO job (id, kind, endpoint, state, record, time) VALUES (?, 'batch', ?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET (state, record, time) = (excluded.state, excluded.record, excluded.time)"""


class Line(NamedTuple):
    """One request of a batch: consecutive samples of a key."""

    key: str
    samples: list[int]
    tries: int = 0  # batches that were asked before and did not answer


class Left(NamedTuple):
    """An answer that did not come."""

    key: str
    sample: int
    tries: int
    kind: str
    again: bool  # another try may help


@dataclass
class Job:
    """One file with its batch."""

    # names the file and, in its metadata, the batch: the beginning of `sha256`, and how often this content
    # was sent before
    id: str
    endpoint: str
    state: str
    base_url: str  # only there the file and the batch are known
    path: str  # /chat/completions | /completions
    model: str
    logprobs: bool
    sha256: str  # of the file
    worst: float | None  # dollars at most
    lines: list[Line] = field(default_factory=list)  # empty once collected
    file: str = ""  # the server's ids
    batch: str = ""
    status: str = ""  # how it ended
    answers: int = 0  # that came
    dollars: float | None = None  # that they cost
    left: list[Left] = field(default_factory=list)

    @property
    def owner(self) -> str:
        return f"job {self.id}"

    @property
    def record(self) -> dict[str, object]:
        own_columns = ("id", "endpoint", "state")
        return {name: value for name, value in asdict(self).items() if name not in own_columns}

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        return self.id, self.endpoint, self.state, json.dumps(self.record), now()


@contextmanager
def alone(store: Store, part: str) -> Iterator[None]:
    """One process at a time for a part of the store; whatever ends it lets the next one in."""
    path = Path(f"{store.path}.{part}")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with open_private(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def all_jobs(store: Store) -> list[Job]:
    """Closed ones too, oldest first."""
    jobs = []
    for number, (endpoint, state, record) in store.jobs("batch").items():
        job = Job(number, endpoint, state, **cast(dict[str, Any], record))
        job.lines = [Line(*line) for line in job.lines]
        job.left = [Left(*left) for left in job.left]
        jobs.append(job)
    return jobs


def save(store: Store, job: Job) -> None:
    store.write_job(job.id, "batch", job.endpoint, job.state, job.record)


def begin(store: Store, job: Job) -> None:
    """Write a new job down and hand it this process's claims on its answers, both or neither."""
    with store.transaction() as db:
        db.execute(ADD_JOB, job.row)
        for line in job.lines:
            pairs = [(job.owner, bytes.fromhex(line.key), sample, store.owner) for sample in line.samples]
            db.executemany("UPDATE claim SET owner = ? WHERE key = ? AND sample = ? AND owner = ?", pairs)


def finish(store: Store, job: Job, state: str, failures: Iterable[tuple[str, int, str, str]] = ()) -> None:
    """Lift the job's claims, pay its dollars and record failures (key, sample, kind, message).

    Dollars of None leave the reservation as it is: nobody knows.
    """
    job.state = state
    job.lines = []
    with store.transaction() as db:
        db.execute(ADD_JOB, job.row)
        db.execute("DELETE FROM claim WHERE owner = ?", (job.owner,))
        paid = db.execute(
            "UPDATE payment SET dollars = ifnull(?, dollars), owner = NULL, unknown = ? WHERE owner = ?",
            (job.dollars, job.dollars is None, job.owner),
        ).rowcount
        if job.dollars and not paid:  # no price was known when it was sent
            db.execute(
                "INSERT INTO payment (endpoint, dollars, time) VALUES (?, ?, ?)",
                (job.endpoint, job.dollars, now()),
            )
        rows = (
            (bytes.fromhex(key), sample, valid(kind), valid(message)[:500], now())
            for key, sample, kind, message in failures
        )
        db.executemany("INSERT INTO failure (key, sample, kind, message, time) VALUES (?, ?, ?, ?, ?)", rows)


def has_reservation(store: Store, job: Job) -> bool:
    return store.db.execute("SELECT 1 FROM payment WHERE owner = ?", (job.owner,)).fetchone() is not None


def stored_request(store: Store, job: Job, key: str) -> Request | None:
    """A request that the job asks, from the store; None if it was pruned."""
    query = "SELECT body FROM request WHERE key = ? AND body IS NOT NULL"
    row = store.db.execute(query, (bytes.fromhex(key),)).fetchone()
    return replace(read_request(zlib.decompress(row[0]).decode()), logprobs=job.logprobs) if row else None
