"""What can be wrong with a data set and is found before any work, without a download: a file or a column that
is not there, rows that nothing reads, settings that a generated task does not have.
"""

from pathlib import Path
from typing import Any

from stages.config.dataset import LOCAL, Columns, Dataset, column_files, named_demonstrations, read_dataset
from stages.config.load import check
from stages.config.source import Local, source_files
from stages.parsing.columns import check_answer_type, read_table
from stages.parsing.readers import check_reader, dataset_module

NAMED = ("question", "answer", "solution", "choices", "rationale", "template", "source_split")  # of Columns


def check_dataset(name: str, params: dict[str, Any] | None = None) -> Dataset:
    """The data set `name`, read and checked. Raises ValueError for the first fault found."""
    dataset = read_dataset(name, params)
    check_reader(name, dataset)
    if dataset.columns:
        check_answer_type(name, dataset.columns)
    check_settings(name, dataset)
    check_subtasks(name, dataset)
    check_demonstrations(name, dataset)
    check_local_files(name, dataset)
    return dataset


def check_settings(name: str, dataset: Dataset) -> None:
    """A generated task's settings against the `Settings` of NAME.py."""
    if dataset.source.kind == "generated":
        settings = getattr(dataset_module(name), "Settings", None)
        if settings is None:
            raise ValueError(
                f"stages/datasets/{name}.yaml: `source.kind` is generated, but no `Settings` stand in"
                f" stages/datasets/{name}.py: write class Settings(DrawSettings), as gen_last_letter.py does"
            )
        check(f"datasets.{name}", dataset.source.settings, settings)


def known_subtasks(name: str) -> tuple[str, ...]:
    """`SUBTASKS` of NAME.py; () where it has none."""
    return tuple(getattr(dataset_module(name), "SUBTASKS", ()))


def check_subtasks(name: str, dataset: Dataset) -> None:
    known = known_subtasks(name)
    if unknown := [subtask for subtask in dataset.subtasks or () if subtask not in known]:
        wanted = f"some of {', '.join(known)}" if known else f"null: {name} has no subtasks"
        raise ValueError(f"params.yaml: `datasets.{name}.subtasks`: got {unknown}, wanted {wanted}")


def demonstration_files(name: str, dataset: Dataset) -> list[str]:
    """The files that its demonstrations are read from, in data/raw/NAME or in local/."""
    if dataset.demonstrations is None:
        return []
    file = named_demonstrations(dataset.demonstrations)
    subtasks = dataset.subtasks or known_subtasks(name)
    return [file.replace("{subtask}", subtask) for subtask in subtasks] if "{subtask}" in file else [file]


def check_demonstrations(name: str, dataset: Dataset) -> None:
    """The files of its demonstrations come with the source or lie in local/."""
    for file in demonstration_files(name, dataset):
        if file not in source_files(dataset.source) and not (LOCAL / file).is_file():
            raise ValueError(
                f"{name}: `demonstrations` is {dataset.demonstrations!r}, but {file} is neither among the"
                f" source's files nor in {LOCAL}/"
            )


def check_local_files(name: str, dataset: Dataset) -> None:
    """The files of a `local` source exist, and those that `columns` reads have the columns that it names."""
    if not isinstance(dataset.source, Local):
        return
    for file in dataset.source.files:
        if not (LOCAL / file).is_file():
            there = ", ".join(sorted(path.name for path in LOCAL.glob("*"))) or "nothing"
            raise ValueError(
                f"{LOCAL / file}: no such file (`source.files` in stages/datasets/{name}.yaml); {LOCAL}/ has:"
                f" {there}"
            )
    if dataset.columns:
        for file in column_files(dataset):
            check_columns(LOCAL / file, dataset.columns, name)


def check_columns(path: Path, columns: Columns, name: str) -> None:
    """The first row of a file has the columns that are named."""
    _, row = next(read_table(path, columns.under), ("", None))
    if row is None:
        raise ValueError(f"{path}: has no rows")
    named = {role: getattr(columns, role) for role in NAMED}
    if given := columns.responses:
        listed = [*given.columns, *given.thoughts, *filter(None, [given.finished])]
        named |= {f"responses: {column}": column for column in listed}
    for role, column in named.items():
        if column is not None and column not in row:
            raise ValueError(
                f"{path}: no column {column!r} (`columns.{role}` in stages/datasets/{name}.yaml); it has:"
                f" {', '.join(row)}"
            )
