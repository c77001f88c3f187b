"""Intake: answers that were paid before, from this project's own files, from exports and released files, and
from other stores.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from stages.asking import store_contents as contents
from stages.asking.conversation import Asking
from stages.asking.import_own import Found, keep_answers, read_own
from stages.asking.import_released import read_released_answers
from stages.asking.request import Answer, read_request
from stages.asking.store import Store
from stages.config.load import check, find, read_params
from stages.records.example import Example, read_examples
from stages.teachers import openai
from tools.terminal import made_by

SQLITE = b"SQLite format 3\0"  # how such a file begins


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
    examples = made_by(f"prepare@{dataset}", Path("data/examples") / f"{dataset}.jsonl")
    demonstrations = made_by(f"prepare@{dataset}", Path("data/demonstrations") / f"{dataset}.txt")
    return openai.asking(settings, demonstrations.read_text(encoding="utf-8")), read_examples(examples)


def read_file(path: Path, asking: Asking | None, examples: list[Example] | None) -> Found:
    """What a file has for the store. Raises ValueError, with the file, for one of no known kind; OSError
    where there is none.
    """
    if is_sqlite(path):
        raise ValueError(f"{path}: a SQLite file; `cot store merge` takes the answers of another store")
    try:
        if path.suffix == ".jsonl":
            return read_own(path, asking)
        if asking is None:
            raise ValueError(
                f"{path}: no *.jsonl, so a released file; --teacher must name the block of params.yaml that"
                " asks what it answers"
            )
        return read_released_answers(path, asking, examples)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not text in UTF-8 ({error}), wanted JSON lines (*.jsonl) or a released JSON file"
        ) from error


def tell_kept(path: Path, found: Found, counts: Counter[str]) -> None:
    """Say what became of a file's answers."""
    typer.echo(f"{path}: {counts['new']:,} new answers, {counts['there']:,} were there")
    if counts["taken"]:
        typer.echo(
            f"  {counts['taken']:,} of those that were there have another text: they stay, the file's are"
            " left out"
        )
    for why, count in found.odd.most_common():
        typer.echo(f"  {count:,} {why} (first: {found.first[why]})")


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
        read_file(path, asking, examples)
    store = Store()
    for path in files:
        found = read_file(path, asking, examples)
        answers = ((found.requests.get(key, key), samples) for key, samples in found.answers.items())
        tell_kept(path, found, keep_answers(store, answers))


def is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def rows_of(path: Path) -> Iterator[tuple[str, str | None, int, Answer]]:
    """All answers of another's store, as `stored_rows` gives them, out of a copy: theirs is only read, also
    where it is of an older version.

    Raises ValueError, with the file, for one that is damaged or no store.
    """
    with TemporaryDirectory(prefix="cot-store-") as folder:
        copy = Path(folder) / "store.sqlite"
        address = f"{path.absolute().as_uri()}?mode=ro"
        try:
            with (
                closing(sqlite3.connect(address, uri=True)) as theirs,
                closing(sqlite3.connect(copy)) as ours,
            ):
                theirs.backup(ours)
            yield from contents.stored_rows(Store(copy))
        except (sqlite3.DatabaseError, ValueError) as error:
            raise ValueError(f"{path}, read in a copy: {error}") from error


def merge(
    others: Annotated[list[Path], typer.Argument(help="Other stores, such as a colleague's copy.")],
) -> None:
    """Add the answers of other stores; where both have one, ours stays.

    Theirs are only read. Their dollars, failures and jobs remain theirs.
    """
    for other in others:  # all of them before a store is made
        if not other.exists():
            raise ValueError(f"{other}: no store there yet")
        if not is_sqlite(other):
            raise ValueError(f"{other}: no store of answers; `cot store import` takes other files")
    store = Store()
    for other in others:
        by_request = groupby(rows_of(other), lambda row: row[:2])
        answers = (
            (read_request(body) if body else key, {sample: answer for *_, sample, answer in rows})
            for (key, body), rows in by_request
        )
        tell_kept(other, Found(), keep_answers(store, answers))
