"""The store of answers. An answer is paid once: first writer wins, nothing is updated.

The file is described in stages/asking/database.py, its money and its jobs in stages/asking/ledger.py.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable
from typing import Any

from stages.asking.database import Unreadable, now, valid
from stages.asking.ledger import Ledger
from stages.asking.request import Answer, Request

# the fields of Answer, in their order
COLUMNS = (
    "a.text, a.finish_reason, a.reasoning, a.tokens_in, a.tokens_out, a.tokens_cached, a.logprobs, o.model,"
    " o.fingerprint, o.source, a.time"
)
LOGPROBS = 6  # their place in COLUMNS
TABLES = "answer a JOIN request r ON r.id = a.request JOIN origin o ON o.id = a.origin"


class Store(Ledger):
    # ---- answers

    def answers(self, key: str) -> dict[int, Answer]:
        """All stored samples of a request."""
        query = f"SELECT a.sample, {COLUMNS} FROM {TABLES} WHERE r.key = ?"
        with self.reading() as db:
            return {
                sample: read_answer(*columns) for sample, *columns in db.execute(query, (bytes.fromhex(key),))
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
                    new += insert(db, number, sample, answer)
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


def read_answer(*columns: Any) -> Answer:
    """From COLUMNS of a row. Raises Unreadable."""
    values = list(columns)
    values[LOGPROBS] = unpack(values[LOGPROBS])
    return Answer(*values)


def insert(db: sqlite3.Connection, request: int, sample: int, answer: Answer) -> int:
    """1, or 0 where there is an answer already: it stays as it is."""
    row = (
        request,
        sample,
        valid(answer.text),
        valid(answer.finish_reason),
        valid(answer.reasoning),
        answer.tokens_in,
        answer.tokens_out,
        answer.tokens_cached,
        pack(answer.logprobs),
        origin(db, answer),
        answer.time or now(),
    )
    return db.execute("INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row).rowcount


def origin(db: sqlite3.Connection, answer: Answer) -> int:
    """The row that says who answered, made if it is not there."""
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
