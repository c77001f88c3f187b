"""The store of answers. An answer is paid once: first writer wins, nothing is updated.

The file is described in stages/asking/database.py, its money and its jobs in stages/asking/ledger.py.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
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
INSERT = f"INSERT OR IGNORE INTO answer VALUES ({', '.join('?' * 12)})"
# what SQLite says of a value; for the file itself it has other errors
OF_VALUES = (
    *(sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError),
    *(AttributeError, OverflowError, TypeError, UnicodeError),
)
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
        pairs: list[tuple[bytes, int]] = []
        origins: dict[tuple[str, str, str], int] = {}
        with self.transaction() as db:
            for request, samples in answered:
                key = bytes.fromhex(request.key if isinstance(request, Request) else request)
                # the fastest level: a request is short, and the others take as long as all the rest of this
                body = zlib.compress(request.body.encode(), 1) if isinstance(request, Request) else None
                (number,) = db.execute(
                    "INSERT INTO request (key, body) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET body ="
                    " ifnull(body, excluded.body) RETURNING id",
                    (key, body),
                ).fetchone()
                for sample, answer in samples.items():
                    new += insert(db, number, sample, answer, origins)
                    pairs.append((key, sample))
            db.executemany("DELETE FROM claim WHERE key = ? AND sample = ?", pairs)
        return new

    def put_each(self, answered: Sequence[tuple[Request | str, dict[int, Answer]]]) -> dict[int, str]:
        """`put`; where an answer cannot be written, the others all the same. Returns the places of those that
        could not, with the reason.
        """
        try:
            self.put(answered)
            return {}
        except Unwritable as error:
            if len(answered) == 1:
                return {0: str(error)}
        return {place: why for place, one in enumerate(answered) for why in self.put_each([one]).values()}

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
                db.execute("UPDATE payment SET owner = NULL, unknown = 1 WHERE owner = ?", (owner,))

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


class Unwritable(ValueError):
    """An answer with a value that SQLite does not hold."""


def read_answer(*columns: Any) -> Answer:
    """From COLUMNS of a row. Raises Unreadable."""
    values = list(columns)
    values[LOGPROBS] = unpack(values[LOGPROBS])
    return Answer(*values)


def insert(
    db: sqlite3.Connection,
    request: int,
    sample: int,
    answer: Answer,
    origins: dict[tuple[str, str, str], int],
) -> int:
    """1, or 0 where there is an answer already: it stays as it is. Raises Unwritable.

    `origins` are those that this transaction has met.
    """
    try:
        texts = [valid(text) for text in (answer.text, answer.finish_reason, answer.reasoning)]
        counts = map(storable, (answer.tokens_in, answer.tokens_out, answer.tokens_cached))
        scores = pack(answer.logprobs)
        check = checksum([text.encode() for text in texts], scores)
        who = (valid(answer.model), valid(answer.fingerprint), valid(answer.source))
        if who not in origins:
            origins[who] = origin(db, who)
        row = (request, sample, *texts, *counts, scores, origins[who], answer.time or now(), check)
        return db.execute(INSERT, row).rowcount
    except OF_VALUES as error:
        raise Unwritable(f"sample {sample}: {error}") from error


def checksum(texts: Iterable[bytes], logprobs: bytes | None) -> int:
    """Of what an answer says, as it lies in the file (text, finish reason, reasoning): `cot store verify`
    notices a byte that has changed.
    """
    return zlib.crc32(b"\0".join((*texts, logprobs or b"")))


def storable(count: int | None) -> int | None:
    """A count that SQLite holds; a longer one is as good as not told."""
    return count if count is not None and 0 <= count < 2**63 else None


def origin(db: sqlite3.Connection, values: tuple[str, str, str]) -> int:
    """The row that says who answered (model, fingerprint, source), made if it is not there."""
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
