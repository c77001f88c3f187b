"""Ledger: dollars reserved and spent at endpoints, and the journal of jobs there. Both are in the store's
file: a budget is shared by all that use it.
"""

import json
from collections.abc import Iterable

from stages.asking.database import Database, now


class Ledger(Database):
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
            return db.execute(
                "INSERT INTO payment (endpoint, dollars, owner, time) VALUES (?, ?, ?, ?)",
                (endpoint, dollars, owner or self.owner, now()),
            ).lastrowid

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
            db.execute(
                "INSERT INTO job VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
                " SET (state, record, time) = (excluded.state, excluded.record, excluded.time)",
                (job, kind, endpoint, state, json.dumps(record), now()),
            )

    def jobs(self, kind: str) -> dict[str, tuple[str, str, dict[str, object]]]:
        """(endpoint, state, record) of every job of a kind, oldest first."""
        with self.reading() as db:
            rows = db.execute(
                "SELECT id, endpoint, state, record FROM job WHERE kind = ? ORDER BY rowid", (kind,)
            )
            return {job: (endpoint, state, json.loads(record)) for job, endpoint, state, record in rows}
