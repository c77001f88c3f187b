"""`splits.NAME` of params.yaml: which questions are trained on, chosen by and tested on."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stages.config.dataset import Dataset, stated_parts
from stages.config.load import Block
from stages.config.source import Local, source_files

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]


class Split(Block):
    # rows at random, the source's parts, an index file, whole templates at random, or nothing to train on:
    # the source's test part, else all rows
    scheme: Literal["sample", "official", "published", "template", "test_only"]
    file: str = "split_default.json"  # published: name of the index file in data/raw/DATASET
    # official, test_only: the part of the source that is tested on; the other is unused
    report: Literal["test", "validation"] = "test"
    test: Annotated[float, Field(gt=0, lt=1)] = 0.3  # sample: share of rows; template: share of templates
    # rows (int) or share (float) cut from train, unless the source or the index file has this part
    validation: Count | Share = 0.1
    distinct: bool = False  # sample: equal questions stand on one side, whatever their answers
    # the validation part takes whole templates too; always so under the scheme template
    by_template: bool = False
    # rows (int) or share (float) of what is left to train on; smaller parts lie within larger ones
    train: Size | Literal["full"] = "full"
    seed: int = 0

    @model_validator(mode="after")
    def report_belongs_to_the_sources_parts(self) -> Self:
        if self.report != "test" and self.scheme not in ("official", "test_only"):
            raise ValueError(
                f"`report` goes with the schemes `official` and `test_only`, not `{self.scheme}`:"
                " it names a part of the source"
            )
        return self

    @model_validator(mode="after")
    def distinct_belongs_to_sample(self) -> Self:
        if self.distinct and self.scheme != "sample":
            raise ValueError(
                f"`distinct` goes with the scheme `sample`, not `{self.scheme}`:"
                " whole templates keep equal questions together anyway"
            )
        return self


def cannot_split(dataset: Dataset, split: Split) -> str | None:
    """Why a data set cannot be split so, as far as it is known before a download; None: nothing is known."""
    faults = (lacks_index_file(dataset, split), lacks_part(dataset, split), lacks_rows(dataset, split))
    return next((fault for fault in faults if fault), None)


def lacks_index_file(dataset: Dataset, split: Split) -> str | None:
    """Scheme `published` reads a file that is downloaded."""
    if split.scheme != "published":
        return None
    if isinstance(dataset.source, Local):
        return "scheme `published` reads a downloaded index file, and a `local` source has none"
    if split.file in source_files(dataset.source):
        return None
    return f"scheme `published` reads {split.file}, which is not among the source's files"


def lacks_part(dataset: Dataset, split: Split) -> str | None:
    """The schemes `official` and `test_only` take the part that is reported from the source."""
    stated = stated_parts(dataset)
    if split.scheme not in ("official", "test_only") or stated is None:
        return None
    if not stated and split.scheme == "test_only" and split.report == "test":
        return None  # all rows are the test part
    if not stated:
        return f"scheme `{split.scheme}` takes the source's parts, and its rows state none: use `sample`"
    reported = split.report if "validation" in stated else "test"
    if reported in stated:
        return None
    return f"scheme `{split.scheme}` reports the source's {reported} part; it has {', '.join(sorted(stated))}"


def lacks_rows(dataset: Dataset, split: Split) -> str | None:
    """Sizes in rows are at most what is left when the test part is cut."""
    train = split.train if isinstance(split.train, int) else 0
    validation = split.validation if isinstance(split.validation, int) else 0
    if dataset.rows is None or split.scheme == "test_only":
        return None
    left = dataset.rows
    if split.scheme == "sample" and not split.distinct:
        left = round((1 - split.test) * dataset.rows)
    if train + validation <= left:
        return None
    return f"wanted {train} rows to train on and {validation} to choose by, at most {left} are no test rows"
