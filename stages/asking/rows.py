"""Rows: how an answer lies in the tables of the store, and statements that write many of them at once.

A thread gives the interpreter away at each statement and has to wait for it again: a statement for each row
would cost a thread that writes beside a busy one more than the writing.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from stages.asking.database import Unreadable, now, valid
from stages.asking.request import Answer, Request

# the fields of Answer, in their order
COLUMNS = (
    "a.text, a.finish_reason, a.reasoning, a.tokens_in, a.tokens_out, a.tokens_cached, a.logprobs, o.model,"
    " o.fingerprint, o.source, a.time"
)
LOGPROBS = 6  # their place in COLUMNS
TABLES = "answer a JOIN request r ON r.id = a.request JOIN origin o ON o.id = a.origin"
BLOCK = 128  # rows of one statement; SQLite takes 32,766 values
# statements for many rows, which stand in the place of {rows}
PUT_REQUESTS = (
    "INSERT INTO request (key, body) VALUES {rows} ON CONFLICT (key) DO UPDATE SET body = excluded.body"
    " WHERE body IS NULL"
)
# of each row the first column is the request's key; CROSS: in this order, so that the key's index is used
PUT_ANSWERS = (
    "INSERT OR IGNORE INTO answer SELECT r.id, " + ", ".join(f"v.column{n}" for n in range(2, 13)) + " FROM"
    " (VALUES {rows}) v CROSS JOIN request r ON r.key = v.column1"
)
LIFT_CLAIMS = "DELETE FROM claim WHERE (key, sample) IN (VALUES {rows})"
# what SQLite says of a value; for the file itself it has other errors
OF_VALUES = (
    *(sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError),
    *(AttributeError, OverflowError, TypeError, UnicodeError),
)
Values = tuple[Any, ...]


class Unwritable(ValueError):
    """An answer with a value that SQLite does not hold."""


def write_many(db: sqlite3.Connection, statement: str, rows: Sequence[Values]) -> int:
    """Run a statement for all rows, a block of them at a time; returns how many it changed."""
    changed = 0
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        marks = ", ".join([f"({', '.join('?' * len(block[0]))})"] * len(block))
        changed += db.execute(
            statement.format(rows=marks), [value for row in block for value in row]
        ).rowcount
    return changed


def pack_request(request: Request) -> bytes:
    """The fastest level: a request is short, and the others take as long as all the rest of a `put`."""
    return zlib.compress(request.body.encode(), 1)


def answer_row(
    db: sqlite3.Connection, key: bytes, sample: int, answer: Answer, origins: dict[Values, int]
) -> Values:
    """A row of PUT_ANSWERS. Raises Unwritable. `origins` are those that this transaction has met."""
    try:
        texts = [valid(text) for text in (answer.text, answer.finish_reason, answer.reasoning)]
        counts = map(storable, (answer.tokens_in, answer.tokens_out, answer.tokens_cached))
        scores = pack(answer.logprobs)
        check = checksum([text.encode() for text in texts], scores)
        who = (valid(answer.model), valid(answer.fingerprint), valid(answer.source))
        if who not in origins:
            origins[who] = origin(db, who)
        return (key, sample, *texts, *counts, scores, origins[who], answer.time or now(), check)
    except OF_VALUES as error:
        raise Unwritable(f"sample {sample}: {error}") from error


def put_answers(db: sqlite3.Connection, rows: Sequence[Values]) -> int:
    """How many were new: where there is an answer already, it stays as it is. Raises Unwritable."""
    try:
        return write_many(db, PUT_ANSWERS, rows)
    except OF_VALUES as error:
        raise Unwritable(f"one of {len(rows)} answers: {error}") from error


def read_answer(*columns: Any) -> Answer:
    """From COLUMNS of a row. Raises Unreadable."""
    values = list(columns)
    values[LOGPROBS] = unpack(values[LOGPROBS])
    return Answer(*values)


def checksum(texts: Iterable[bytes], logprobs: bytes | None) -> int:
    """Of what an answer says, as it lies in the file (text, finish reason, reasoning): `cot store verify`
    notices a byte that has changed.
    """
    return zlib.crc32(b"\0".join((*texts, logprobs or b"")))


def storable(count: int | None) -> int | None:
    """A count that SQLite holds; a longer one is as good as not told."""
    return count if count is not None and 0 <= count < 2**63 else None


def origin(db: sqlite3.Connection, values: Values) -> int:
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
