"""Inspection: what the store holds, and whether it is sound."""

from typing import Annotated

import typer

from stages.asking import store_contents as contents
from stages.asking.database import default_path
from stages.asking.store import Store
from tools.tables import print_table

DOLLARS = ("endpoint", "dollars paid", "nobody knows", "set aside")
GROUPS = ("model", "source", "answers", "tokens in", "cached", "out", "first", "last")


def open_store() -> Store:
    """A store that must be there. Raises ValueError where there is none."""
    path = default_path()
    if not path.exists():
        raise ValueError(
            f"{path}: no store there yet; the first `dvc repro` with an openai teacher makes one, and so does"
            " `import`; $COT_STORE moves it"
        )
    return Store(path)


def stats() -> None:
    """Say what the store holds, what it cost, and what failed.

    Answers by model and source, size, tokens, dollars, failures, and what is being asked right now.
    """
    store = open_store()
    with store.reading() as db:
        ask = db.execute
        answers = ask("SELECT count(*) FROM answer").fetchone()[0]
        requests, unknown = ask("SELECT count(*), total(body IS NULL) FROM request").fetchone()
        size = contents.bytes_on_disk(store.path)
        known_by = f"{requests:,} requests ({int(unknown):,} known by their key only)"
        typer.echo(f"{store.path}: {answers:,} answers to {known_by}")
        typer.echo(f"{size:,} bytes on disk" + (f", {size / answers:,.0f} an answer" if answers else ""))
        print_table(GROUPS, contents.by_model_and_source(store))
        print_table(DOLLARS, store.payments_by_endpoint())
        print_table(("failures", "count", "last", "its message"), contents.failures_by_kind(store))
        claims = ask("SELECT owner, count(*) FROM claim GROUP BY 1")
        print_table(("claimed by", "answers"), claims.fetchall())
        jobs = ask("SELECT kind, endpoint, state, count(*) FROM job GROUP BY 1, 2, 3")
        print_table(("jobs", "endpoint", "state", "count"), jobs.fetchall())


def verify() -> None:
    """Check the whole store, and end with status 1 if anything is wrong.

    The file itself, every key against its request, every answer against its checksum, answers that belong to
    nothing, fields that cannot be read. Requests without an answer are counted: nothing is wrong with them.
    """
    store = open_store()
    count = 0
    for fault in contents.faults(store):
        typer.echo(fault)
        count += 1
    if count:
        raise ValueError(
            f"{store.path}: {count} faults. Keep this file, for its other answers are paid. Work on with a"
            " copy, if you have one, or with a new store ($COT_STORE) that `import data/completions/*.jsonl`"
            " fills"
        )
    if sealed := contents.seal(store):
        typer.echo(f"{store.path}: {sealed:,} answers of an older version have their checksum now")
    waiting = contents.unanswered(store)
    open_requests = f"; {waiting:,} requests have no answer: under way, failed or given up" if waiting else ""
    typer.echo(f"{store.path}: sound{open_requests}")


def settle(
    endpoint: Annotated[str, typer.Argument(help="A block under `endpoints`, as `stats` names it.")],
    dollars: Annotated[float, typer.Argument(min=0, help="What the bill says it cost, all of it together.")],
) -> None:
    """Put the bill in the place of what nobody knows.

    A response that was lost, an error 500 or a kill leaves the most that the call can have cost counted as
    spent; `stats` shows the sum under "nobody knows". Read the provider's bill, and tell what of it that was.
    """
    store = open_store()
    if endpoint not in [name for name, *_ in store.payments_by_endpoint()]:
        raise ValueError(
            f"{store.path}: nothing was spent at endpoint {endpoint!r}; `cot store stats` lists all"
        )
    before = store.settle_unknown(endpoint, dollars)
    typer.echo(f"{endpoint}: {before:.6g} dollars of which nobody knew are {dollars:.6g} dollars paid now")
