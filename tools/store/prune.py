"""Prune: chosen answers, or the record of failures, out of the store."""

from typing import Annotated

import typer

from stages.asking import store_contents as contents
from stages.asking.store import Store
from tools.store.export import Model, Source
from tools.store.inspection import GROUPS, open_store
from tools.tables import print_table


def prune_store(
    model: Model = None,
    source: Source = None,
    before: Annotated[
        str | None, typer.Option(help="Only what was stored before this day (2026-01-31, UTC).")
    ] = None,
    failures: Annotated[
        bool, typer.Option("--failures", help="Delete the record of what failed instead of answers.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Really delete. Without it, only say what would go.")
    ] = False,
) -> None:
    """Delete answers, or the record of failures.

    Deleted answers must be paid again. Conditions add up; dollars spent stay counted.
    """
    chosen = contents.Selection(model, source, contents.moment(before) if before else None)
    store = open_store()
    if failures:
        if model or source:
            raise ValueError("--failures goes with --before only: failures have neither model nor source")
        prune_failures(store, chosen.before, yes)
    elif chosen == contents.Selection():
        raise ValueError(
            "prune deletes what was paid for: choose with --model, --source or --before, or --failures"
        )
    else:
        prune_answers(store, chosen, yes)


def prune_failures(store: Store, before: str | None, yes: bool) -> None:
    if yes:
        tell_deleted(store, f"{contents.delete_failures(store, before):,} failures")
        return
    with store.reading() as db:
        older = "SELECT count(*) FROM failure WHERE ? IS NULL OR time < ?"
        count = db.execute(older, (before, before)).fetchone()[0]
    typer.echo(f"would delete {count:,} failures; --yes does it")


def prune_answers(store: Store, chosen: contents.Selection, yes: bool) -> None:
    groups = contents.by_model_and_source(store, chosen)
    print_table(GROUPS, groups)
    if yes:
        tell_deleted(store, f"{contents.delete_answers(store, chosen):,} answers")
    else:
        count = sum(group[GROUPS.index("answers")] for group in groups)
        typer.echo(f"would delete {count:,} answers; --yes does it")


def tell_deleted(store: Store, what: str) -> None:
    """Say what was deleted, and take it out of the file."""
    typer.echo(f"{what} deleted")
    if why := contents.compact(store):
        typer.echo(
            f"{store.path}: {why}: the file keeps its size, and in free pages what was deleted; `prune` again"
            " when nobody uses it"
        )
