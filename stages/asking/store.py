"""The store of answers. An answer is paid once: first writer wins, nothing is updated.

The file is described in stages/asking/database.py, its rows in rows.py, its money and its jobs in ledger.py.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from stages.asking.database import now, valid
from stages.asking.ledger import Ledger
from stages.asking.request import Answer, Request
from stages.asking.rows import (
    COLUMNS,
    LIFT_CLAIMS,
    PUT_REQUESTS,
    TABLES,
    Unwritable,
    Values,
    answer_row,
    pack_request,
    put_answers,
    read_answer,
    write_many,
)


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
        bodies: dict[bytes, bytes | None] = {}
        rows: list[Values] = []
        origins: dict[Values, int] = {}
        with self.transaction() as db:
            for request, samples in answered:
                key = bytes.fromhex(request.key if isinstance(request, Request) else request)
                if bodies.get(key) is None:
                    bodies[key] = pack_request(request) if isinstance(request, Request) else None
                rows += (answer_row(db, key, sample, answer, origins) for sample, answer in samples.items())
            write_many(db, PUT_REQUESTS, list(bodies.items()))
            new = put_answers(db, rows)
            write_many(db, LIFT_CLAIMS, [row[:2] for row in rows])
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
