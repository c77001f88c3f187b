"""`mentors.NAME` of params.yaml: what a student is asked that teaches others, or itself (`run.mentors`)."""

from typing import Annotated, Any

from pydantic import Field

from stages.config.decoding import Decoding
from stages.config.load import check, read_params


class Mentor(Decoding):
    """How it is asked the train and validation questions: as students are, but for three drawn answers each
    (Mentor-KD's released files have three).
    """

    samples: Annotated[int, Field(ge=1)] = 3
    temperature: Annotated[float, Field(ge=0)] = 0.7
    # questions that it misses are asked again, with the gold answer (STaR, arXiv 2203.14465)
    hints: bool = False
    # of self-training: before the last one a student is trained from its base on what it said (STaR)
    rounds: int = Field(1, ge=1)
    join: bool = True  # the teacher's rationales; false: what it said is learned alone


def mentor_of(name: str, params: dict[str, Any]) -> Mentor:
    """The checked block `mentors.NAME`; absent, it holds nothing but defaults."""
    return check(f"mentors.{name}", (params.get("mentors") or {}).get(name) or {}, Mentor)


def read_mentor(name: str) -> Mentor:
    """The same of ./params.yaml."""
    return mentor_of(name, read_params())
