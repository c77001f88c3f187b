"""Shelf: the data sets of a run before it is run, as far as their files are here already. Nothing is fetched.

Files are here in data/raw, in local/ or in the mirror ($COT_MIRROR); a generated task is drawn.
"""

from collections.abc import Mapping
from contextlib import redirect_stderr
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

from stages.asking.database import default_path
from stages.asking.store import Store
from stages.config.dataset import LOCAL, Dataset, read_dataset
from stages.config.source import Generated, Local, Several, Source, Url, source_files
from stages.config.split import Split
from stages.download import SETTINGS
from stages.fetching.remote import mirror_folder, mirror_path
from stages.parsing.demonstrations import demonstrations_text
from stages.parsing.readers import parse_raw
from stages.prepare import select_subtasks
from stages.records.example import Example
from stages.records.jsonl import write_json

RAW = Path("data/raw")


def link_mirrored(source: Source, mirror: Path, folder: Path) -> bool:
    """Links to a source's files in the mirror; False if it lacks one."""
    if isinstance(source, Several):
        for name, part in source.parts.items():
            (folder / name).mkdir()
            if not link_mirrored(part, mirror, folder / name):
                return False
        return True
    if not isinstance(source, Url):
        return False
    for name, file in source.files.items():
        if not (kept := mirror / mirror_path(file.url)).is_file():
            return False
        (folder / name).symlink_to(kept.resolve())
    return True


class Book:
    """One data set: what is known of it now. `None` stands for what only its files would tell."""

    def __init__(self, name: str, dataset: Dataset, links: Path) -> None:
        self.name = name
        self.dataset = dataset
        self.links = links  # an empty folder
        self.cut: dict[str, dict[str, list[Example]]] = {}  # by the block of a split

    @cached_property
    def folder(self) -> Path | None:
        """Where its files are."""
        source = self.dataset.source
        if isinstance(source, Local):
            return LOCAL if all((LOCAL / name).is_file() for name in source.files) else None
        if isinstance(source, Generated):
            write_json(self.links / SETTINGS, source.settings)
            return self.links
        own = RAW / self.name
        files = source.parts if isinstance(source, Several) else source_files(source)
        if all((own / name).exists() for name in files):
            return own
        mirror = mirror_folder()
        return self.links if mirror and link_mirrored(source, mirror, self.links) else None

    @cached_property
    def examples(self) -> list[Example] | None:
        """Its questions, of the subtasks that are wanted."""
        if self.folder is None:
            return None
        with redirect_stderr(StringIO()):  # what a parser has to tell, `prepare` tells
            examples = parse_raw(self.name, self.dataset, self.folder)
        return select_subtasks(self.name, examples, self.dataset.subtasks)

    @cached_property
    def characters(self) -> float:
        """Of a question, on average; 0 where none is here."""
        return sum(len(example.question) for example in self.examples or []) / max(
            1, len(self.examples or [])
        )

    @property
    def rows(self) -> int | None:
        """How many questions it has."""
        if self.examples is not None:
            return len(self.examples)
        return self.dataset.rows if self.dataset.subtasks is None else None

    @cached_property
    def demonstrations(self) -> str | None:
        """What will be shown before a few-shot question, "" where it has none."""
        key = self.dataset.demonstrations
        if key and self.folder is None:
            return None  # `check` knows that a file of that name will be there
        subtasks = dict.fromkeys(row.subtask for row in self.examples or [] if row.subtask is not None)
        return demonstrations_text(self.name, key, self.folder or RAW / self.name, subtasks)

    def parts(self, split: Split) -> dict[str, list[Example]] | None:
        """The questions of train, validation and test. Raises ValueError, as `split` will, for rows or files
        that it will not have.
        """
        if self.examples is None or self.folder is None:
            return None
        from stages.corpus.parts import split_rows, template_groups  # numpy and scipy take half a second

        how = split.model_dump_json()
        if how not in self.cut:
            by_template = split.by_template or split.scheme == "template"
            groups = template_groups(self.examples) if by_template else [0] * len(self.examples)
            rows = split_rows(self.examples, groups, split, self.folder)
            self.cut[how] = {part: [self.examples[row] for row in there] for part, there in rows.items()}
        return self.cut[how]


class Shelf:
    """The data sets of one or more settings, each read once, and the store of answers."""

    def __init__(self, place: str, new: bool = False) -> None:
        self.place = place  # an empty folder
        self.new = new  # as a new user has it: without a store
        self.books: dict[str, Book] = {}

    @cached_property
    def store(self) -> Store:
        """The user's; where there is none yet, an empty one that goes with this shelf."""
        there = default_path().is_file() and not self.new
        return Store() if there else Store(Path(self.place, "store.sqlite"))

    def book(self, name: str, params: Mapping[str, Any]) -> Book:
        dataset = read_dataset(name, dict(params))
        key = f"{name} {dataset.model_dump_json()}"
        if key not in self.books:
            links = Path(self.place, str(len(self.books)))
            links.mkdir()
            self.books[key] = Book(name, dataset, links)
        return self.books[key]
