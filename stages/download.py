"""Download: a data set's files as its source serves them, every checksum checked (Fine-tune-CoT appendix B).

In: `source` of stages/datasets/NAME.yaml. Out: data/raw/NAME, whole or not at all. The folder $COT_MIRROR is
asked before the network. Nothing is parsed here.
"""

import json
import shutil
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.config.cli import progress, run
from stages.config.dataset import LOCAL, dataset_names, read_dataset
from stages.config.source import Generated, Hub, Local, RemoteFile, Several, Source, Url, source_files
from stages.fetching.remote import mirror_folder, mirror_path, receive
from stages.records.files import sha256_of
from stages.records.jsonl import write_json, write_rows

SETTINGS = "settings.json"
OWN_FILES = "files.json"


def verify(path: Path, file: RemoteFile, origin: object) -> None:
    """Raises ValueError unless `path`, which came from `origin`, holds the pinned bytes."""
    size = path.stat().st_size
    digest = sha256_of(path)
    if (size, digest) != (file.bytes, file.sha256):
        raise ValueError(
            f"{origin}: got {size} bytes, sha256 {digest}; {file.url} is pinned to {file.bytes} bytes, sha256"
            f" {file.sha256}"
        )


def from_network(file: RemoteFile, target: Path) -> None:
    """Fetch into TARGET.part, verify, rename."""
    part = target.with_name(f"{target.name}.part")
    try:
        receive(file.url, part, file.bytes)
        verify(part, file, file.url)
        part.replace(target)
    except ConnectionError as error:
        raise ValueError(
            f"{error}; wanted {file.bytes} bytes, sha256 {file.sha256}. Without a network, set COT_MIRROR to"
            f" a folder that holds {mirror_path(file.url)}; with one, `cot mirror DIR` makes such a folder"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def fetch(file: RemoteFile, target: Path) -> None:
    """One file, from the mirror if it has it, else from the network. Raises ValueError for other bytes than
    the pinned ones.
    """
    mirror = mirror_folder()
    if mirror and (kept := mirror / mirror_path(file.url)).is_file():
        shutil.copyfile(kept, target)
        verify(target, file, kept)
    else:
        from_network(file, target)


def from_hub(source: Hub, folder: Path) -> None:
    """Each split as JSON lines; code from the hub is never run."""
    from datasets import load_dataset  # seconds to import, and only this kind needs it

    for name, split in source.splits.items():
        rows = load_dataset(source.path, source.name, revision=source.revision, split=split)
        write_rows(folder / f"{name}.jsonl", (plain_row(row, f"{source.path} {split}") for row in rows))


def plain_row(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A row as JSON has it, days and times as text. Raises ValueError for a picture and the like."""

    def as_text(value: object) -> str:
        if isinstance(value, date | time):
            return value.isoformat()
        raise ValueError(f"{where}: got a value of type {type(value).__name__}, wanted text, numbers, lists")

    plain: dict[str, Any] = json.loads(json.dumps(dict(row), default=as_text))
    return plain


def collect(source: Source, folder: Path) -> None:
    """Put all files of a source into `folder`."""
    match source:
        case Url() | Hub():
            if isinstance(source, Hub):
                from_hub(source, folder)
            for name, file in progress(source.files.items(), "download"):
                fetch(file, folder / name)
        case Several():
            for name, part in source.parts.items():
                (folder / name).mkdir()
                collect(part, folder / name)
        case Generated():
            write_json(folder / SETTINGS, source.settings)
        case Local():
            absent = [name for name in source.files if not (LOCAL / name).is_file()]
            if absent:
                raise ValueError(
                    f"{LOCAL / absent[0]}: no such file; a `local` source names files of the folder {LOCAL}"
                )
            # the files stay where they are: prepare depends on the folder
            write_json(folder / OWN_FILES, source.files)


def download(dataset: str, out: Path) -> None:
    """Fill a folder beside `out` and rename it: `out` holds all files or is as it was."""
    source = read_dataset(dataset).source
    # in its own folder a file that is listed no more goes; any other folder is somebody's
    own = out.resolve() == Path("data/raw", dataset).resolve()
    there = [path for path in out.iterdir() if path.is_dir() or not own] if out.is_dir() else []
    if strange := sorted({path.name for path in there} - names_in(source)):
        raise ValueError(
            f"{out} holds {strange[0]}, so it is no data/raw/{dataset}: its content would be replaced"
        )
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # left by a killed run
    part.mkdir(parents=True)
    try:
        collect(source, part)
        shutil.rmtree(out, ignore_errors=True)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def names_in(source: Source) -> set[str]:
    """What lies in data/raw/NAME."""
    match source:
        case Several():
            return set(source.parts)
        case Generated():
            return {SETTINGS}
        case Local():
            return {OWN_FILES}
        case _:
            return set(source_files(source))


def url_files(source: Source) -> list[RemoteFile]:
    """What a mirror can hold of a source."""
    if isinstance(source, Several):
        return [file for part in source.parts.values() for file in url_files(part)]
    return list(source.files.values()) if isinstance(source, Url | Hub) else []


def fill_mirror(folder: Path) -> None:
    """Fetch every url of every data set that `folder` does not hold yet, so that it can serve as COT_MIRROR
    elsewhere.
    """
    sources = [read_dataset(name, {}).source for name in dataset_names()]
    files = {file.url: file for source in sources for file in url_files(source)}
    for file in progress(files.values(), "mirror"):
        target = folder / mirror_path(file.url)
        if not (target.is_file() and sha256_of(target) == file.sha256):
            target.parent.mkdir(parents=True, exist_ok=True)
            fetch(file, target)


def main(
    dataset: Annotated[str, typer.Argument(help="A file of stages/datasets.")],
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="data/raw/DATASET")],
) -> None:
    """Fetch a data set's files."""
    download(dataset, out)


if __name__ == "__main__":
    run(main)
