"""The human teacher: the rationales that came with the data (a column of your own file, GSM8K's solutions),
as one sample a question. The gold answer stands behind each, but where a rationale has an answer of its own
in a box or behind "####": then that one does, and a filter by answers can reject it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from stages.config.dataset import read_dataset
from stages.config.load import Block
from stages.methods import zero_shot_cot
from stages.records.completion import Completion
from stages.records.example import Example
from stages.text.mathematics import boxes
from stages.text.stated import stated_answer
from stages.text.statements import hashed


class Settings(Block):
    backend: Literal["human"]


def cannot_teach(dataset: str, settings: Settings) -> str | None:
    """What a reader or a parser finds is not known before it is asked; what columns hold is."""
    columns = read_dataset(dataset).columns
    if columns is None or columns.rationale:
        return None
    return f"stages/datasets/{dataset}.yaml names no column of rationales: name it as `columns.rationale`"


def answer_of(example: Example) -> str:
    """What the rationale marks as its answer and as nothing else; without a mark, the gold answer."""
    text = example.rationale or ""
    if not hashed(text) and not any(content.strip() for content in boxes(text)):
        return example.answer
    return stated_answer(text, example.answer_type, example.choices or ()) or example.answer


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
        texts = [f" {example.rationale}", f" {answer_of(example)}."]
        yield Completion(
            example_id=example.id,
            sample=0,
            prompts=zero_shot_cot.prompts(example, texts),
            texts=texts,
            finish_reasons=["stop", "stop"],
            model="human",
            answer_prefix="",
            origin="came with the data",
        )
