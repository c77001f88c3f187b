"""`contamination` of params.yaml: how many test questions a train part may hold word for word."""

from typing import Annotated, Any

from pydantic import Field

from stages.config.load import Block, check

Pair = Annotated[list[str], Field(min_length=2, max_length=2)]


class Contamination(Block):
    share: float = Field(
        0.1, ge=0, le=1
    )  # of a target's questions, and of each subtask's; above it is an error
    allow: list[Pair] = Field(default_factory=list)  # [what is learned, what is asked]: known, and no error


def read_contamination(params: dict[str, Any]) -> Contamination:
    """The block, or its defaults where params.yaml has none."""
    return check("contamination", params.get("contamination") or {}, Contamination)
