"""`splits.<name>` of params.yaml: which questions are trained on, chosen by and tested on."""

from typing import Annotated, Literal

from pydantic import Field

from stages.config.load import Block

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]


class Split(Block):
    scheme: Literal["sample", "official", "published", "template"]  # rows at random, the source's parts, an index file, whole templates at random
    file: str = "split_default.json"  # published: name of the index file in data/raw/DATASET
    test: Annotated[float, Field(gt=0, lt=1)] = 0.3  # sample: share of rows; template: share of templates
    validation: Count | Share = 0.1  # rows (int) or share (float) cut from train, unless the source or the index file has this part
    by_template: bool = False  # the validation part takes whole templates too; always so under the scheme template
    train: Size | Literal["full"] = "full"  # rows (int) or share (float) of what is left to train on; smaller parts lie within larger ones
    seed: int = 0
