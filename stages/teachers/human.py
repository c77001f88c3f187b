"""The human teacher: the rationales that came with the data (a column of your own file, GSM8K's solutions),
as one sample a question.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from stages.config.load import Block
from stages.methods import zero_shot_cot
from stages.records.completion import Completion
from stages.records.example import Example


class Settings(Block):
    backend: Literal["human"]

    @property
    def samples(self) -> int:
        return 1


def complete(
    examples: list[Example], settings: Settings, raw: Path, demonstrations: str
) -> Iterator[Completion]:
    """One completion per example with a rationale, in the two-step form of zero-shot-CoT. Raises ValueError
    if none has one.
    """
    written = [example for example in examples if example.rationale]
    if not written:
        raise ValueError(
            "no example has a rationale: name its column in `columns.rationale`, or choose another teacher"
        )
    for example in written:
        texts = [f" {example.rationale}", f" {example.answer}."]
        yield Completion(
            example.id,
            0,
            zero_shot_cot.prompts(example, texts),
            texts,
            ["stop", "stop"],
            "human",
            "",
            "came with the data",
        )
