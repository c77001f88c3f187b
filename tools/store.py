"""The store of paid answers at the terminal: what is in it, whether it is sound, and how answers get in and
out without being asked again.

The store is one file outside the repository, $COT_STORE or else a folder of yours, shared by all experiments
on this machine. A fresh clone fills it from the outs that DVC pulls: `dvc pull` and then `python -m
tools.store import data/completions/*.jsonl`.
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stages.asking.conversation import Asking
from stages.asking.import_own import Found, keep, read_own
from stages.asking.import_released import read_answers
from stages.asking.request import read_request
from stages.asking.store import Store, default_path
from stages.asking.store_contents import (
    Selection,
    bytes_on_disk,
    compact,
    failures,
    faults,
    groups,
    moment,
    prune_failures,
    rows,
    unanswered,
)
from stages.asking.store_contents import prune as prune_answers
from stages.config.cli import fail_plainly
from stages.config.load import check, find, read_params
from stages.records.example import Example, read_examples
from stages.teachers import openai

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="The store of paid answers: an answer is asked for once, and every experiment on this machine reads it from here."
    " The file is $COT_STORE, else in a folder of yours (`stats` says where); keep it as you keep what you paid for.",
)  # fmt: skip
SQLITE = b"SQLite format 3\0"  # how such a file begins
Model = Annotated[str | None, typer.Option(help="Only answers of this model, as `stats` names it.")]
Source = Annotated[
    str | None,
    typer.Option(help="Only answers from this source, as `stats` names it: live, batch, local, import FILE."),
]


def open_store(path: Path | None = None) -> Store:
    """A store that must be there. Raises ValueError where there is none."""
    path = path or default_path()
    if not path.exists():
        raise ValueError(
            f"{path}: no store there yet; the first `dvc repro` with an openai teacher makes one, and so does"
            " `import`; $COT_STORE moves it"
        )
    return Store(path)


def table(*columns: str, lines: Sequence[tuple[object, ...]]) -> None:
    shown = Table(*columns)
    for line in lines:
        shown.add_row(
            *(
                "unknown" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
                for value in line
            )
        )
    if lines:
        # messages of servers have brackets
        Console(width=None if sys.stdout.isatty() else 160, markup=False, emoji=False).print(shown)


@app.command()
def stats() -> None:
    """Say what the store holds: answers by model and source, size, tokens, dollars, what failed, what is
    being asked right now.
    """
    store = open_store()
    with store.reading() as db:
        ask = db.execute
        answers = ask("SELECT count(*) FROM answer").fetchone()[0]
        size = bytes_on_disk(store.path)
        requests, unknown = ask("SELECT count(*), total(body IS NULL) FROM request").fetchone()
        typer.echo(
            f"{store.path}: {answers:,} answers to {requests:,} requests ({int(unknown):,} known by their key"
            " only)"
        )
        typer.echo(f"{size:,} bytes on disk" + (f", {size / answers:,.0f} an answer" if answers else ""))
        table(
            "model", "source", "answers", "tokens in", "cached", "out", "first", "last", lines=groups(store)
        )
        spent = ask(
            "SELECT endpoint, round(total(dollars), 6), round(total(dollars) FILTER (WHERE owner IS NOT"
            " NULL), 6) FROM payment GROUP BY 1"
        )
        table("endpoint", "dollars", "of them reserved", lines=spent.fetchall())
        table("failures", "count", "last", "its message", lines=failures(store))
        table("claimed by", "answers", lines=ask("SELECT owner, count(*) FROM claim GROUP BY 1").fetchall())
        table(
            "jobs",
            "endpoint",
            "state",
            "count",
            lines=ask("SELECT kind, endpoint, state, count(*) FROM job GROUP BY 1, 2, 3").fetchall(),
        )


@app.command()
def verify() -> None:
    """Check the whole store: the file itself, every key against its request, answers that belong to nothing,
    fields that cannot be read.

    Says what is wrong and ends with status 1. Requests without an answer are counted, and nothing is wrong
    with them.
    """
    store = open_store()
    count = 0
    for fault in faults(store):
        typer.echo(fault)
        count += 1
    if count:
        raise ValueError(
            f"{store.path}: {count} faults. Keep this file, for its other answers are paid. Work on with a"
            " copy, if you have one, or with a new store ($COT_STORE) that `import data/completions/*.jsonl`"
            " fills"
        )
    waiting = unanswered(store)
    typer.echo(
        f"{store.path}: sound"
        + (f"; {waiting:,} requests have no answer: under way, failed or given up" if waiting else "")
    )


def teacher_asking(name: str, dataset: str | None) -> tuple[Asking, list[Example] | None]:
    """How a teacher's block asks, and the examples of a dataset. Raises ValueError for a teacher that asks no
    endpoint.
    """
    values = find(read_params(), f"teachers.{name}")
    if values.get("backend") != "openai":
        raise ValueError(
            f"params.yaml: `teachers.{name}` has backend {values.get('backend')!r}, wanted openai: only its"
            " answers go through the store"
        )
    settings = check(f"teachers.{name}", values, openai.Settings)
    if dataset is None:
        return openai.asking(settings, ""), None
    examples = Path("data/examples") / f"{dataset}.jsonl"
    shown = Path("data/demonstrations") / f"{dataset}.txt"
    if not (examples.exists() and shown.exists()):
        raise ValueError(
            f"{examples} or {shown} not found: `dvc repro prepare@{dataset}` or `dvc pull` gets them"
        )
    return openai.asking(settings, shown.read_text(encoding="utf-8")), read_examples(examples)


def read(path: Path, asking: Asking | None, examples: list[Example] | None) -> Found:
    """What a file has for the store. Raises ValueError, with the file, for one of no known kind; OSError
    where there is none.
    """
    with path.open("rb") as file:
        if file.read(len(SQLITE)) == SQLITE:
            raise ValueError(
                f"{path}: a SQLite file; `python -m tools.store merge` takes the answers of another store"
            )
    try:
        if path.suffix == ".jsonl":
            return read_own(path, asking)
        if asking is None:
            raise ValueError(
                f"{path}: no *.jsonl, so a released file; --teacher must name the block of params.yaml that"
                " asks what it answers"
            )
        return read_answers(path, asking, examples)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not text in UTF-8 ({error}), wanted JSON lines (*.jsonl) or a released JSON file"
        ) from error


def tell(path: Path, found: Found, counts: Counter[str]) -> None:
    typer.echo(f"{path}: {counts['new']:,} new answers, {counts['there']:,} were there")
    if counts["taken"]:
        typer.echo(
            f"  {counts['taken']:,} of those that were there have another text: they stay, the file's are"
            " left out"
        )
    for why, count in found.odd.most_common():
        typer.echo(f"  {count:,} {why} (first: {found.first[why]})")


@app.command("import")
def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(help="data/completions/*.jsonl, exports of this command, or released files (*.json)."),
    ],
    teacher: Annotated[
        str | None,
        typer.Option(
            help="A block under `teachers` with backend openai: the one that would have asked for this."
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="The dataset whose questions the files answer, prepared under data/examples."),
    ] = None,
) -> None:
    """Take in answers that were paid before: they are not asked for again.

    This project's own files need no options: each row names its requests by key. Released files -
    reasoning-teacher's completion data, SCoTD's samples, CasCoD's rationales, the outputs of BIG-Bench Hard -
    need --teacher: their answers become samples of the requests that this block sends, so its model,
    temperature and stops should be those they were made with. With --dataset, rows are matched with its
    questions; without, their prompts are taken as they are.
    """
    asking, examples = teacher_asking(teacher, dataset) if teacher else (None, None)
    # all of them before a store is made; again below, for together they may not fit into memory
    for path in files:
        read(path, asking, examples)
    store = Store()
    for path in files:
        found = read(path, asking, examples)
        tell(
            path,
            found,
            keep(store, ((found.requests.get(key, key), samples) for key, samples in found.answers.items())),
        )


@app.command()
def merge(
    others: Annotated[list[Path], typer.Argument(help="Other stores, such as a colleague's copy.")],
) -> None:
    """Add the answers of other stores; where both have one, this store's stays. Their dollars, failures and
    jobs remain theirs.
    """
    stores = [open_store(other) for other in others]
    store = Store()
    for other in stores:
        grouped = groupby(rows(other), lambda row: row[:2])
        answered = (
            (read_request(body) if body else key, {sample: answer for *_, sample, answer in them})
            for (key, body), them in grouped
        )
        tell(other.path, Found(), keep(store, answered))


@app.command()
def export(model: Model = None, source: Source = None) -> None:
    """Print answers with their requests as JSON lines, which `import` takes back: python -m tools.store
    export > answers.jsonl.
    """
    for key, body, sample, answer in rows(open_store(), Selection(model, source)):
        row = {
            "key": key,
            "sample": sample,
            "request": None if body is None else json.loads(body),
            "answer": asdict(answer),
        }
        sys.stdout.write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")


@app.command()
def prune(
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
    """Delete answers, which must then be paid again, or the record of failures. Conditions add up; dollars
    spent stay counted.
    """
    chosen = Selection(model, source, moment(before) if before else None)
    store = open_store()
    if failures:
        if model or source:
            raise ValueError("--failures goes with --before only: failures have neither model nor source")
        if yes:
            gone(store, f"{prune_failures(store, chosen.before):,} failures")
            return
        with store.reading() as db:
            count = db.execute(
                "SELECT count(*) FROM failure WHERE ? IS NULL OR time < ?", (chosen.before, chosen.before)
            ).fetchone()[0]
        typer.echo(f"would delete {count:,} failures; --yes does it")
        return
    if chosen == Selection():
        raise ValueError(
            "prune deletes what was paid for: choose with --model, --source or --before, or --failures"
        )
    table(
        "model",
        "source",
        "answers",
        "tokens in",
        "cached",
        "out",
        "first",
        "last",
        lines=(lines := groups(store, chosen)),
    )
    if yes:
        gone(store, f"{prune_answers(store, chosen):,} answers")
    else:
        typer.echo(f"would delete {sum(line[2] for line in lines):,} answers; --yes does it")


def gone(store: Store, what: str) -> None:
    """Say what was deleted, and take it out of the file."""
    typer.echo(f"{what} deleted")
    if why := compact(store):
        typer.echo(
            f"{store.path}: {why}: the file keeps its size, and in free pages what was deleted; `prune` again"
            " when nobody uses it"
        )


if __name__ == "__main__":
    fail_plainly(app)
