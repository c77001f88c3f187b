"""A data set in one place, stages/datasets/NAME.yaml: where its files come from, who made it, how its rows
are read. What people vary of it may stand in params.yaml under `datasets.NAME`.
"""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from stages.config.load import Block, check, find, read_params, read_yaml
from stages.config.source import FileName, Source, source_files
from stages.records.example import PARTS, Part

FOLDER = Path(__file__).parents[1] / "datasets"
LOCAL = Path("local")  # the user's own files, in the root of the repository
MISSING = """\
{file} not found: a data set is that file. For rows of your own, in local/mine.csv, it is two lines:
  source: {{kind: local, files: [mine.csv]}}
  columns: {{question: NAME OF A COLUMN, answer: NAME OF A COLUMN, answer_type: number}}"""

# a key in few_shot_cot_prompts.json, or NAME.txt, NAME.json of the source or of local/; "{subtask}" in it
# stands for each subtask in turn
Demonstrations = Annotated[str, StringConstraints(pattern=r"^\w[\w.{}-]*$")]


class Responses(Block):
    """Where rows hold what teachers said, for rows that come with responses."""

    # each holds a text, a list of texts, or a conversation (of which the last turn of an assistant counts)
    columns: list[str] = Field(min_length=1)
    thoughts: list[str] = Field(default_factory=list)  # as many texts: what was thought before each response
    # true or "stop" for each response that was not cut; none given: it is not known
    finished: str | None = None
    # around thoughts; none given: <think> and its like
    thought_marks: list[str] | None = Field(None, min_length=2, max_length=2)
    # around what is said after them
    said_marks: list[str] | None = Field(None, min_length=2, max_length=2)
    model: str  # who said it
    rationalised: bool = False  # the teacher had been shown the gold answer


class Columns(Block):
    """Which column of JSON lines, CSV or JSON is what, for a data set without a parser."""

    # in the order of the row numbers; none given: all .csv and .jsonl of the source
    files: list[FileName] | None = Field(None, min_length=1)
    under: str | None = None  # .json: the key that the list of rows stands under
    question: str  # with `responses` it may hold a conversation, whose user asks once
    answer: str | None = None  # with `responses` it may be left out:
    # a worked solution whose stated answer is the gold one; none given: what the responses state first is
    solution: str | None = None
    answer_type: str  # a key of ANSWER_TYPES in stages/text/answer_types.py
    choices: str | None = None  # a list of option texts; in CSV, that list as JSON
    rationale: str | None = None
    template: str | None = None
    responses: Responses | None = None  # for the teacher `responses`
    source_split: str | None = None  # none given: the stem of a file called train, validation or test

    @model_validator(mode="after")
    def a_gold_answer(self) -> Self:
        if not self.responses and (self.answer is None or self.solution is not None):
            raise ValueError("`answer` names the gold answers' column; `solution` goes with `responses`")
        if self.answer is not None and self.solution is not None:
            raise ValueError("`answer` and `solution` are two ways to the gold answer: drop one")
        return self


class Varied(Block):
    """What people vary of any data set, in params.yaml under `datasets.NAME`."""

    subtasks: list[str] | None = None  # only these of its subtasks; null: all
    demonstrations: Demonstrations | None = None  # instead of those that NAME.yaml says


class Described(Block):
    """stages/datasets/NAME.yaml. Its rows are read by `columns`, by a `reader`, or by `parse` of NAME.py."""

    page: str | None = None  # where it is described
    licence: str | None = None
    citation: str | None = None  # who made it
    rows: int | None = None  # published count; another count is an error
    columns: Columns | None = None
    reader: str | None = None  # a key of READERS in stages/parsing/readers.py
    parts: list[Part] | None = None  # that its rows state; none given: those of `columns`, or it is not known
    demonstrations: Demonstrations | None = None  # none given: stages/datasets/NAME.txt, if any
    source: Source

    @model_validator(mode="after")
    def one_reader_with_files(self) -> Self:
        if self.columns and self.reader:
            raise ValueError("`columns` and `reader` are two ways to read the same rows: drop one")
        files = column_files(self)
        if self.columns and not files:
            raise ValueError("`columns` has no file to read: no .csv or .jsonl is among the source's files")
        if self.columns and (absent := [name for name in files if name not in source_files(self.source)]):
            raise ValueError(f"`columns.files` names {absent}, which are not among the source's files")
        return self


class Dataset(Described):
    """A data set as a run uses it."""

    subtasks: list[str] | None = None


def column_files(dataset: Described) -> list[str]:
    """The files that `columns` speaks of, in the order of the row numbers."""
    named = dataset.columns.files if dataset.columns else None
    return named or [name for name in source_files(dataset.source) if name.endswith((".csv", ".jsonl"))]


def stated_parts(dataset: Described) -> set[str] | None:
    """The parts that its rows state, as far as is known before they are read; None: it is not known."""
    if dataset.parts is not None:
        return set(dataset.parts)
    if dataset.columns and not dataset.columns.source_split:
        return {Path(file).stem for file in column_files(dataset)}.intersection(PARTS)
    return None


def dataset_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def demonstrations_file(name: str) -> Path | None:
    """NAME.txt, our own demonstrations of a data set, where there are some."""
    path = FOLDER / f"{name}.txt"
    return path if path.exists() else None


def named_demonstrations(key: str) -> str:
    """The file that `demonstrations: KEY` names, maybe with "{subtask}", or that has KEY as an entry."""
    return key if key.endswith((".txt", ".json")) else "few_shot_cot_prompts.json"


def read_dataset(name: str, params: dict[str, Any] | None = None) -> Dataset:
    """NAME.yaml with the block `datasets.NAME` of `params` (none given: ./params.yaml) laid over it.

    Raises ValueError for a file that is not there, with the lines to write, and for an unknown key.
    """
    path = FOLDER / f"{name}.yaml"
    file = str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    if not name.isidentifier() or not path.exists():
        raise ValueError(MISSING.format(file=file))
    values = read_yaml(path)
    check("", values, Described, file)
    params = read_params() if params is None else params
    block = find(params, f"datasets.{name}") if name in (params.get("datasets") or {}) else {}
    source = values["source"]
    if source["kind"] == "generated":  # its settings stand beside what can be varied of any data set
        settings = {key: block[key] for key in block if key not in Varied.model_fields}
        block = {key: block[key] for key in block if key not in settings}
        source = {**source, "settings": {**source.get("settings", {}), **settings}}
    check(f"datasets.{name}", block, Varied)
    return check("", {**values, **block, "source": source}, Dataset, file)


def source_part(name: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the files of data/raw/NAME depend on, as plain data."""
    return read_dataset(name, params).source.model_dump()


def prepare_part(name: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """What examples and demonstrations depend on beside the files of data/raw/NAME and NAME.txt, as plain
    data.
    """
    dataset = read_dataset(name, params)
    part = dataset.model_dump(exclude={"page", "licence", "citation", "source"})
    named = named_demonstrations(dataset.demonstrations) if dataset.demonstrations else ""
    shots = sorted(path.name for path in LOCAL.glob(named.replace("{subtask}", "*"))) if named else []
    files = source_files(dataset.source)
    return {**part, "kind": dataset.source.kind, "files": files, "local_demonstrations": shots}
