"""Where a data set's files come from: `source` in stages/datasets/NAME.yaml."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from stages.config.load import Block

# a name inside data/raw/NAME, no folders
FileName = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$")]


class RemoteFile(Block):
    url: str = Field(pattern=r"^https?://")  # pinned to a commit: what a branch serves changes
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Url(Block):
    kind: Literal["url"]
    files: dict[FileName, RemoteFile] = Field(min_length=1)


class Hub(Block):
    """A data set that the `datasets` library loads; each split becomes NAME.jsonl."""

    kind: Literal["hub"]
    path: str  # "owner/name", or a folder
    name: str | None = None  # the configuration, where there are several
    revision: str  # a commit of the hub's repository
    splits: dict[FileName, str] = Field(min_length=1)  # NAME: the split's name on the hub
    files: dict[FileName, RemoteFile] = Field(default_factory=dict)  # what else it needs: lists of rows


class Generated(Block):
    """Questions that NAME.py draws; its `Settings` say what can be set and what holds otherwise."""

    kind: Literal["generated"]
    # params.yaml has those that people vary, under `datasets.NAME`
    settings: dict[str, Any] = Field(default_factory=dict)


class Local(Block):
    """The user's own files in the folder `local` of the repository; an edit there reruns prepare."""

    kind: Literal["local"]
    files: list[FileName] = Field(min_length=1)  # names in local/


class Several(Block):
    """A mixture of data sets: each one's files in a folder of its own."""

    kind: Literal["several"]
    parts: dict[FileName, Annotated[Url | Hub, Field(discriminator="kind")]] = Field(min_length=1)


Source = Annotated[Url | Hub | Generated | Local | Several, Field(discriminator="kind")]


def source_files(source: Source) -> list[str]:
    """The names of a source's files in data/raw/NAME, or in local/."""
    match source:
        case Hub():
            return [*(f"{name}.jsonl" for name in source.splits), *source.files]
        case Url() | Local():
            return list(source.files)
        case _:
            return []
