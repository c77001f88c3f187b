"""Store contents: what is in a store, what is wrong with it, the answers of a selection - for `cot store`."""

import hashlib
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stages.asking.database import Unreadable
from stages.asking.request import Answer, read_request
from stages.asking.rows import COLUMNS, TABLES, checksum, read_answer, unpack
from stages.asking.store import Store

PATIENCE = 5000  # milliseconds that other users of the store get to finish, before it is left as it is
LINE = 90  # characters of a message that a table shows
FROM = f"FROM {TABLES}"
# what a checksum is of, as bytes, and the checksum
SUMMED = "CAST(text AS BLOB), CAST(finish_reason AS BLOB), CAST(reasoning AS BLOB), logprobs, checksum"


@dataclass(frozen=True)
class Selection:
    """Which answers: all conditions hold. None: any."""

    model: str | None = None  # as the server names it
    source: str | None = None
    before: str | None = None  # stored before this moment, as `moment` writes it

    @property
    def where(self) -> tuple[str, tuple[str, ...]]:
        """SQL condition and its values."""
        given = {"o.model = ?": self.model, "o.source = ?": self.source, "a.time < ?": self.before}
        used = {condition: value for condition, value in given.items() if value is not None}
        return " AND ".join(used) or "1", tuple(used.values())


def moment(text: str) -> str:
    """A date, or a date with a time (UTC unless it names its zone), as the store writes times. Raises
    ValueError for anything else.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no date: wanted one like 2026-01-31 or 2026-01-31T12:00") from error
    return (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)).isoformat(
        timespec="seconds"
    )


def stored_rows(
    store: Store, chosen: Selection = Selection()
) -> Iterator[tuple[str, str | None, int, Answer]]:
    """(key, the request's canonical JSON if known, sample, answer) of all chosen answers,
    request by request.
    """
    condition, values = chosen.where
    last = b""
    request = None
    with store.reading() as db:
        found = db.execute(
            f"SELECT r.key, r.body, a.sample, {COLUMNS} {FROM} WHERE {condition} ORDER BY a.request,"
            " a.sample",
            values,
        )
        for key, body, sample, *columns in found:
            if key != last:
                if why := request_fault(key, body):
                    raise ValueError(
                        f"{store.path}: request {key.hex()[:12]}...: {why}; `cot store verify` lists all that"
                        " is wrong"
                    )
                last = key
                request = None if body is None else zlib.decompress(body).decode()
            yield key.hex(), request, sample, read_answer(*columns)


def by_model_and_source(store: Store, chosen: Selection = Selection()) -> list[tuple[Any, ...]]:
    """(model, source, answers, tokens in, cached, out, first time, last time) by model and source; tokens
    None where none are told.
    """
    condition, values = chosen.where
    columns = "count(*), sum(a.tokens_in), sum(a.tokens_cached), sum(a.tokens_out), min(a.time), max(a.time)"
    with store.reading() as db:
        return db.execute(
            f"SELECT o.model, o.source, {columns} {FROM} WHERE {condition} GROUP BY 1, 2 ORDER BY 1, 2",
            values,
        ).fetchall()


def failures_by_kind(store: Store) -> list[tuple[str, int, str, str]]:
    """(kind, count, time and message of the last one, cut to a line) of what did not come, the most frequent
    first.
    """
    with store.reading() as db:  # SQLite takes the bare columns from the row of the maximum
        rows = db.execute(
            "SELECT kind, count(*), time, message, max(rowid) FROM failure GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        return [(kind, count, time, one_line(message)) for kind, count, time, message, _ in rows]


def one_line(message: str) -> str:
    text = " ".join(message.split())
    return text if len(text) <= LINE else f"{text[: LINE - 1]}…"


def unanswered(store: Store) -> int:
    """Requests without an answer: they wait for one, failed, or were given up. No fault: a request costs
    nothing.
    """
    with store.reading() as db:
        return int(
            db.execute(
                "SELECT count(*) FROM request WHERE id NOT IN (SELECT request FROM answer)"
            ).fetchone()[0]
        )


def bytes_on_disk(path: Path) -> int:
    """The file with its write-ahead log."""
    return sum(file.stat().st_size for file in (path, path.with_name(path.name + "-wal")) if file.exists())


def faults(store: Store) -> Iterator[str]:
    """Everything that is wrong, one line each; nothing if the store is sound."""
    try:
        yield from (
            f"SQLite: {line}" for (line,) in store.db.execute("PRAGMA integrity_check") if line != "ok"
        )
        for number, key, body in store.db.execute("SELECT id, key, body FROM request"):
            if why := request_fault(key, body):
                yield f"request {number} ({key.hex()[:12]}...): {why}"
        yield from orphaned_answers(store.db)
        for number, sample, *values, kept in store.db.execute(
            f"SELECT request, sample, {SUMMED} FROM answer"
        ):
            if why := answer_fault(kept, *values):
                yield f"answer {sample} of request {number}: its {why}"
    except sqlite3.DatabaseError as error:
        yield f"SQLite: {error}"


def answer_fault(
    kept: int | None, text: bytes, finish_reason: bytes, reasoning: bytes, logprobs: bytes | None
) -> str | None:
    """What is wrong with an answer whose checksum was `kept`; one of an older store has none."""
    try:
        unpack(logprobs)
        (text + reasoning).decode()
    except Unreadable as error:
        return str(error)
    except UnicodeDecodeError as error:
        return f"text cannot be read ({error})"
    if kept is not None and kept != checksum((text, finish_reason, reasoning), logprobs):
        return "text, reasoning or scores are not those that were stored: its checksum differs"
    return None


def seal(store: Store) -> int:
    """Give the answers of an older store, which are sound, their checksums; returns how many had none."""
    with store.transaction() as db:
        rows = db.execute(f"SELECT request, sample, {SUMMED} FROM answer WHERE checksum IS NULL").fetchall()
        db.executemany(
            "UPDATE answer SET checksum = ? WHERE request = ? AND sample = ?",
            ((checksum(texts, scores), number, sample) for number, sample, *texts, scores, _ in rows),
        )
    return len(rows)


def request_fault(key: bytes, body: bytes | None) -> str | None:
    """What is wrong with a request; without a body (an import that knew the key only) there is nothing to
    compare the key with.
    """
    if len(key) != 32:
        return f"its key has {len(key)} bytes, wanted the 32 of a sha256"
    if body is None:
        return None
    try:
        text = zlib.decompress(body)
        if hashlib.sha256(text).digest() != key:
            return "its key is not the sha256 of its body"
        read_request(text.decode())
    except (zlib.error, ValueError, TypeError) as error:
        return f"its body cannot be read ({error})"
    return None


def orphaned_answers(db: sqlite3.Connection) -> Iterator[str]:
    for column in ("request", "origin"):
        lost = db.execute(
            f"SELECT request, sample FROM answer WHERE {column} IS NULL OR {column} NOT IN (SELECT id FROM"
            f" {column})"
        )
        yield from (
            f"answer {sample} of request {number}: its {column} is not there" for number, sample in lost
        )


def delete_answers(store: Store, chosen: Selection) -> int:
    """Delete the chosen answers, and the requests and origins that nothing uses then. Returns how many
    answers went.
    """
    condition, values = chosen.where
    with store.transaction() as db:
        gone = db.execute(
            f"DELETE FROM answer WHERE (request, sample) IN (SELECT a.request, a.sample {FROM} WHERE"
            f" {condition})",
            values,
        ).rowcount
        # a batch has them
        db.execute(
            "DELETE FROM request WHERE id NOT IN (SELECT request FROM answer) AND key NOT IN (SELECT key FROM"
            " claim)"
        )
        db.execute("DELETE FROM origin WHERE id NOT IN (SELECT origin FROM answer)")
    return gone


def delete_failures(store: Store, before: str | None) -> int:
    with store.transaction() as db:
        return db.execute("DELETE FROM failure WHERE ? IS NULL OR time < ?", (before, before)).rowcount


def compact(store: Store) -> str:
    """Write the file anew without what was deleted, which SQLite only marks as free; returns why that could
    not be, "" if it was.
    """
    if others := store.living() - {store.owner}:
        return f"in use by {', '.join(sorted(others))}"  # which could not write meanwhile
    try:
        store.db.execute(f"PRAGMA busy_timeout = {PATIENCE}")
        store.db.execute("VACUUM")
        # the log has old pages too
        busy, _, _ = store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        return str(error)
    return "another process reads it" if busy else ""
