"""Export a corpus: parquet files that trainers read, and a card that says where every number is from."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer
from pyarrow import parquet
from ruamel.yaml import YAML

from stages.config.load import block, find, read_params
from stages.config.method import read_method
from stages.config.run import AXES, Axes, Run
from stages.records.completion import CompletionsByQuestion
from stages.records.example import LEARNED, read_examples
from stages.records.jsonl import write_json, write_text
from stages.text.formats import system_of
from tools.export.back import cannot_import, import_block
from tools.export.citations import Citations
from tools.export.corpus_card import corpus_card
from tools.export.folder import filled
from tools.export.hub import check_push, push_folder
from tools.export.provenance import blocks_of, origin, outdated
from tools.export.rows import (
    COLUMNS,
    Corpus,
    Row,
    chat_settings,
    corpus_rows,
    trained_rows,
)
from tools.show import axes_of, corpus_of, examples_and_split
from tools.terminal import checkout

Rows = dict[str, dict[str, list[Row]]]  # folder of files -> part -> rows


def axes_of_corpus(name: str, method: str | None) -> Axes:
    """Of DATASET-SPLIT-TEACHER-CURATION, or of a cell, whose method counts where none is named; else the
    first one that `run` has. Raises ValueError for another name.
    """
    values = name.split("-")
    at: Axes = dict(zip(AXES, values, strict=False)) if len(values) == 4 else axes_of(name)
    at = {**dict.fromkeys(AXES), **at}
    if at["teacher"] is None:
        raise ValueError(f"{name!r}: wanted DATASET-SPLIT-TEACHER-CURATION, or a cell that has a teacher")
    if method or at["method"]:
        return {**at, "method": method or at["method"]}
    methods = block("run", Run).methods
    if not methods:
        raise ValueError("`run.methods` is empty: name the method that writes the texts, --method NAME")
    return {**at, "method": methods[0]}


def read_corpus(at: Axes) -> Corpus:
    """The files that stages made. Raises ValueError, with what makes it, for one that is not there."""
    said = corpus_of(at)
    examples, parts = examples_and_split(at["dataset"], at["split"])
    listed = json.loads(parts.read_text(encoding="utf-8"))
    return Corpus(said.stem, read_examples(examples), listed, CompletionsByQuestion(said))


def rows_of(corpus: Corpus, name: str) -> Rows:
    """The rows of each folder of files. Raises ValueError for a method that does not train on rationales."""
    find(read_params(), f"methods.{name}")  # names the methods there are, where this one is not
    method, settings, _ = read_method(name)
    if method.LEARNS_FROM != "rationales":
        raise ValueError(f"{name} does not learn from a teacher's rationales, so a corpus has no text of it")
    ways = {"prompt_completion": settings} if system_of(settings) is None else {}
    if chat := chat_settings(method, settings):
        ways["messages"] = chat
    found: Rows = {"corpus": {part: list(corpus_rows(corpus, part)) for part in LEARNED}}
    for folder, chosen in ways.items():
        rows = trained_rows(corpus, method, chosen)
        found[folder] = {part: [row for row in rows if row["part"] == part] for part in LEARNED}
    return {folder: found[folder] for folder in COLUMNS if folder in found}


def trainer_info(name: str, rows: Rows) -> dict[str, Any]:
    """LLaMA-Factory's dataset_info.json: its entries name the columns, and the file of each."""
    entries: dict[str, Any] = {}
    for part in LEARNED:
        end = "" if part == "train" else f"_{part}"
        if rows.get("prompt_completion", {}).get(part):
            columns = {"prompt": "prompt", "response": "completion"}
            file = f"prompt_completion/{part}.parquet"
            entries[f"{name}{end}"] = {"file_name": file, "formatting": "alpaca", "columns": columns}
        if rows.get("messages", {}).get(part):
            tags = {f"{role}_tag": role for role in ("role", "content", "user", "assistant", "system")}
            entries[f"{name}_messages{end}"] = {
                "file_name": f"messages/{part}.parquet",
                "formatting": "sharegpt",
                "columns": {"messages": "messages"},
                "tags": tags,
            }
    return entries


def write_parquet(path: Path, rows: Iterable[Row], columns: Mapping[str, Any]) -> int:
    """How many rows were written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(
        [{name: row.get(name) for name in columns} for row in rows], pa.schema(columns)
    )
    parquet.write_table(table, path, compression="zstd")
    return int(table.num_rows)


def write_corpus(folder: Path, axes: Axes, place: str) -> None:
    """All files of an exported corpus."""
    corpus = read_corpus(axes)
    rows = rows_of(corpus, axes["method"])
    for name, parts in rows.items():
        for part in LEARNED:
            if parts[part]:
                write_parquet(folder / f"{name}/{part}.parquet", parts[part], COLUMNS[name])
    kept = [row for part in LEARNED for row in rows["corpus"][part]]
    if not kept:
        raise ValueError(f"{corpus.name} keeps no completion: metrics/funnels/{corpus.name}.json says why")
    write_json(folder / "dataset_info.json", trainer_info(corpus.name, rows))
    write_json(folder / "params.json", blocks_of(axes))
    why = cannot_import(kept)
    if why is None:
        with (folder / "import.yaml").open("w", encoding="utf-8") as file:
            YAML().dump(import_block(corpus, axes["dataset"], kept, place), file)
    lost = sum(row["response"] is None for row in kept)
    if why or lost:
        typer.echo(
            f"{corpus.name} as a data set: {why or f'{lost} of {len(kept)} rows are not read back'}", err=True
        )
    stale = outdated(f"curate{'_mentored' * bool(axes['mentor'])}@{corpus.name}")
    card = corpus_card(corpus.name, axes, rows, (why, lost), (origin(), stale), Citations(folder), place)
    write_text(folder / "README.md", card)


def main(
    name: Annotated[
        str, typer.Argument(metavar="CORPUS", help="DATASET-SPLIT-TEACHER-CURATION, or a CELL that has one.")
    ],
    out: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    method: Annotated[
        str | None, typer.Option(help="Whose texts; else the cell's, else the first of `run.methods`.")
    ] = None,
    push: Annotated[str | None, typer.Option(metavar="OWNER/NAME", help="Upload it to the hub.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what --push would upload.")] = False,
) -> None:
    """A corpus as files that TRL and LLaMA-Factory read, with a card.

    The token for --push is $HF_TOKEN. A new repository is private.
    """
    checkout()
    check_push(push, dry_run)
    axes = axes_of_corpus(name, method)
    with filled(out) as folder:
        write_corpus(folder, axes, push or str(out))
    typer.echo(f"{out}: {sum(path.is_file() for path in out.rglob('*'))} files; README.md is the card")
    if push:
        push_folder(out, push, "dataset", dry_run)
