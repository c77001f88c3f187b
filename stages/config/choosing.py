"""Blocks within `curations.NAME` of params.yaml: what is looked at in a completion besides its answer."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from stages.config.load import Block
from stages.records.files import sha256_of


def ascending(band: list[float]) -> list[float]:
    if band[0] > band[1]:
        raise ValueError(f"got {band}, wanted the lower end first")
    return band


# the lowest and the highest share of right samples, both within the band
Shares = Annotated[
    list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=2, max_length=2), AfterValidator(ascending)
]


class PinnedFile(Block):
    """A file of yours. DVC does not watch it: the block's sha256 says which one it is."""

    path: str = Field(min_length=1)  # from the root of the repository, such as local/verdicts.jsonl
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def pinned(file: PinnedFile, what: str) -> Path:
    """Its path. Raises ValueError where it is not there, or is another. `what`: the block that names it."""
    path = Path(file.path)
    if not path.is_file():
        raise ValueError(f"params.yaml: `{what}.path`: no file {file.path}")
    if (found := sha256_of(path)) != file.sha256:
        raise ValueError(f"params.yaml: `{what}.sha256`: {file.path} has {found}, wanted {file.sha256}")
    return path


class Length(Block):
    """How long a completion may be, both ends within. Nothing is counted in another unit than the block's."""

    # words: of the rationale that is learned. tokens: of the same, by `tokenizer`. usage: all that the
    # teacher's server counted, thoughts and answer too; a completion without a count is an error
    unit: Literal["words", "tokens", "usage"]
    least: int = Field(0, ge=0)
    most: int | None = Field(None, ge=0)
    tokenizer: PinnedFile | None = None  # a tokenizer.json

    @model_validator(mode="after")
    def fits(self) -> "Length":
        if (self.unit == "tokens") != (self.tokenizer is not None):
            raise ValueError(
                "`tokenizer` (path and sha256 of a tokenizer.json) goes with `unit: tokens`: give it there"
                " and only there"
            )
        if self.most is not None and self.most < self.least:
            raise ValueError(f"`least` is {self.least}, `most` {self.most}: nothing is as long")
        return self


class NearDuplicates(Block):
    """Of rationales that say nearly the same the first stays: by question, then by sample."""

    threshold: float = Field(0.8, gt=0, le=1)  # Jaccard similarity of the sets of `words` words in a row
    words: int = Field(3, ge=1)
    among: Literal["question", "corpus"] = "question"  # corpus: all questions of the part


class Verdicts(PinnedFile):
    """A verifier's file: .csv with a header, else JSON lines. Columns: example_id, sample, `column`, and
    model where the file is to say whose completions it is about.
    """

    column: str = "score"  # a number, or true (1) and false (0)
    least: float = 1.0  # of what stays
    allow_missing: bool = False  # a completion without a verdict leaves and is counted; else it is an error


class Judge(Block):
    """A model's opinion of what has passed all filters before: paid once, as a teacher's answers are."""

    by: str  # a block under `judges`
    least: float = Field(ge=1, le=10)  # of what stays


class Mix(Block):
    """Of each question one of two rationales, in a share: long to short, large to small teacher."""

    by: Literal["words", "model"]  # the longest and the shortest rationale; those of two models
    share: list[Annotated[int, Field(ge=0)]] = Field([1, 4], min_length=2, max_length=2)
    models: list[str] | None = None  # as the completions name them, in the order of `share`

    @model_validator(mode="after")
    def has_two_sides(self) -> "Mix":
        if not sum(self.share):
            raise ValueError("`share` is [0, 0], wanted something of one side")
        if (self.by == "model") != (self.models is not None):
            raise ValueError("`models` goes with `by: model`: give it there and only there")
        if self.models is not None and len(set(self.models)) != 2:
            raise ValueError(f"`models` is {self.models}, wanted two")
        return self
