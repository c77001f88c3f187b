"""Ledger: dollars reserved and spent at endpoints, and the journal of jobs there. Both are in the store's
file: a budget is shared by all that use it.

A payment has an owner as long as it is set aside for what is under way. After that it is known, or
`unknown`: nobody can say whether it was billed, and it counts as spent until somebody reads the bill
(`cot store settle`).
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

    def raise_reservation(
        self, number: int, endpoint: str, dollars: float, least: float, budget: float
    ) -> float:
        """Set more dollars aside, as many as the budget holds of them; returns how many, 0.0 if it does not
        hold `least`.
        """
        with self.transaction() as db:
            more = min(dollars, budget - self.spent(endpoint))
            if more < least:
                return 0.0
            db.execute("UPDATE payment SET dollars = dollars + ? WHERE id = ?", (more, number))
            return more

    def spend(self, number: int, endpoint: str, known: float, unknown: float, back: float) -> None:
        """Take dollars out of a reservation: some are known to be paid, of some nobody knows, some were not
        needed.
        """
        with self.transaction() as db:
            gone = known + unknown + back
            db.execute("UPDATE payment SET dollars = dollars - ? WHERE id = ?", (gone, number))
            rows = [(endpoint, dollars, now(), not_told) for dollars, not_told in ((known, 0), (unknown, 1))]
            db.executemany(
                "INSERT INTO payment (endpoint, dollars, time, unknown) VALUES (?, ?, ?, ?)",
                [row for row in rows if row[1]],
            )

    def settle(self, payments: Iterable[tuple[int, float | None]]) -> None:
        """Replace reservations by what was paid; None leaves one as it is, because nobody knows."""
        with self.transaction() as db:
            for number, dollars in payments:
                db.execute(
                    "UPDATE payment SET dollars = ifnull(?, dollars), owner = NULL, unknown = ? WHERE id = ?",
                    (dollars, dollars is None, number),
                )

    def settle_unknown(self, endpoint: str, dollars: float) -> float:
        """Put what the bill says in the place of all that nobody knew; returns how much that was."""
        unknown = "endpoint = ? AND unknown AND owner IS NULL"
        with self.transaction() as db:
            (before,) = db.execute(
                f"SELECT total(dollars) FROM payment WHERE {unknown}", (endpoint,)
            ).fetchone()
            db.execute(f"DELETE FROM payment WHERE {unknown}", (endpoint,))
            self.pay(endpoint, dollars)
            return float(before)

    def pay(self, endpoint: str, dollars: float) -> None:
        """Count dollars that were spent without a reservation."""
        with self.transaction() as db:
            db.execute(
                "INSERT INTO payment (endpoint, dollars, time) VALUES (?, ?, ?)", (endpoint, dollars, now())
            )

    def payments_by_endpoint(self) -> list[tuple[str, float, float, float]]:
        """(endpoint, dollars known to be paid, those of which nobody knows, those set aside for what is under
        way).
        """
        kinds = ("owner IS NULL AND NOT unknown", "owner IS NULL AND unknown", "owner IS NOT NULL")
        sums = ", ".join(f"round(total(dollars) FILTER (WHERE {kind}), 6)" for kind in kinds)
        with self.reading() as db:
            return db.execute(f"SELECT endpoint, {sums} FROM payment GROUP BY 1").fetchall()

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
