"""`splits.<name>` of params.yaml: which questions are trained on, chosen by and tested on."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stages.config.load import Block

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
                f"`report` goes with the schemes `official` and `test_only`, not `{self.scheme}`: it names a"
                " part of the source"
            )
        return self

    @model_validator(mode="after")
    def distinct_belongs_to_sample(self) -> Self:
        if self.distinct and self.scheme != "sample":
            raise ValueError(
                f"`distinct` goes with the scheme `sample`, not `{self.scheme}`: whole templates keep equal"
                " questions together anyway"
            )
        return self
