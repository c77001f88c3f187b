"""A block under `datasets`: where the files come from, how many examples they hold, and which column is what."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from stages.config.load import Block

# a name inside data/raw/DATASET, no folders
FileName = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$")]


class RemoteFile(Block):
    url: str = Field(pattern=r"^https?://")  # pinned to a commit: what a branch serves changes
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Url(Block):
    kind: Literal["url"]
    files: dict[FileName, RemoteFile] = Field(min_length=1)


class Hub(Block):
    """A dataset that the `datasets` library loads; each split becomes NAME.jsonl."""

    kind: Literal["hub"]
    path: str  # "owner/name", or a folder
    name: str | None = None  # the configuration, where there are several
    revision: str  # a commit of the hub's repository
    splits: dict[FileName, str] = Field(min_length=1)  # NAME: the split's name on the hub


class Generated(Block):
    """Questions that the dataset's own file makes; it checks these settings against its `Settings`."""

    kind: Literal["generated"]
    settings: dict[str, Any]


class Local(Block):
    """The user's own files in the folder `local` of the repository; an edit there reruns prepare."""

    kind: Literal["local"]
    files: list[FileName] = Field(min_length=1)  # names in local/


class Several(Block):
    """A mixture of datasets: each one's files in a folder of its own."""

    kind: Literal["several"]
    parts: dict[FileName, Annotated[Url | Hub, Field(discriminator="kind")]] = Field(min_length=1)


Source = Annotated[Url | Hub | Generated | Local | Several, Field(discriminator="kind")]


class Columns(Block):
    """Which column of JSON lines or CSV is what, for a dataset file without a parser."""

    # *.jsonl and *.csv of data/raw/DATASET, in the order of the row numbers
    files: list[FileName] = Field(min_length=1)
    question: str
    answer: str
    answer_type: Literal["number", "choice", "yes_no", "text", "exact", "date", "latex"]
    choices: str | None = None  # a list of option texts; in CSV, that list as JSON
    rationale: str | None = None
    template: str | None = None
    source_split: str | None = None  # none given: the stem of a file called train, validation or test

    @model_validator(mode="after")
    def choices_belong_to_choice(self) -> Self:
        if (self.answer_type == "choice") != (self.choices is not None):
            raise ValueError(
                f"answer_type is {self.answer_type!r} and choices is {self.choices!r}: a column of choices"
                " goes with answer_type 'choice'"
            )
        return self


class Dataset(Block):
    source: Source
    rows: int | None = None  # published count; another count is an error
    subtasks: list[str] | None = None  # only these of the dataset's subtasks; null: all
    columns: Columns | None = None  # none: stages/datasets/DATASET.py parses
    # key in few_shot_cot_prompts.json, or NAME.txt, NAME.json ("{subtask}" in it: one a subtask); none:
    # stages/datasets/DATASET.txt, if any
    demonstrations: str | None = None
