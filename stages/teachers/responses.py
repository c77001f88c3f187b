"""Teacher `responses`: what others' teachers said, in columns of the data set itself (`columns.responses` of
its YAML): OpenThoughts, s1K, OpenR1-Math and their like.

The answer is read from each response, as today's models state it, and compared with the gold one, so that
the filter can reject. Thoughts stay apart from what was said.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from stages.config.dataset import LOCAL, Columns, Responses, column_files, read_dataset
from stages.config.load import Block
from stages.parsing.columns import parse_answered
from stages.parsing.responses import Answered, Response
from stages.records.completion import Completion
from stages.records.example import Example


class Settings(Block):
    backend: Literal["responses"]
    samples: int | None = Field(None, ge=1)  # the first so many of a question; null: all


def cannot_teach(dataset: str, settings: Settings) -> str | None:
    columns = read_dataset(dataset).columns
    if columns and columns.responses:
        return None
    return f"stages/datasets/{dataset}.yaml names no columns of responses: name them as `columns.responses`"


def answered_questions(
    examples: list[Example], settings: Settings, raw: Path
) -> tuple[Columns, Responses, list[Answered]]:
    """The data set's columns, and its rows anew. Raises ValueError for a data set without responses."""
    name = examples[0].dataset
    if why := cannot_teach(name, settings):
        raise ValueError(why)
    dataset = read_dataset(name)
    columns = dataset.columns
    assert columns
    assert columns.responses
    folder = LOCAL if dataset.source.kind == "local" else raw
    return columns, columns.responses, parse_answered(folder, name, columns, column_files(dataset))


def completion(example: Example, sample: int, response: Response, given: Responses) -> Completion:
    return Completion(
        example_id=example.id,
        sample=sample,
        prompts=[example.question],
        texts=[response.said],
        finish_reasons=[response.finish_reason],
        model=given.model,
        answer_prefix="",
        origin="came with the data",
        reader="stated",
        reasoning=(response.thought,) if response.thought else (),
        rationalised=given.rationalised,
    )


def complete(
    examples: list[Example], settings: Settings, raw: Path, demonstrations: str
) -> Iterator[Completion]:
    """Every question's responses, in the order of the rows."""
    _, given, answered = answered_questions(examples, settings, raw)
    of_example = {one.example.id: one.responses for one in answered}
    for example in examples:
        for sample, response in enumerate(of_example.get(example.id, [])[: settings.samples]):
            yield completion(example, sample, response, given)


def coverage(examples: list[Example], settings: Settings, raw: Path) -> dict[str, object]:
    """Where the gold answers are from: against what responses state themselves a filter proves nothing."""
    columns, given, answered = answered_questions(examples, settings, raw)
    gold = columns.answer or columns.solution
    told: dict[str, object] = {
        "gold": f"column {gold}" if gold else "the first answer that the responses state",
        "responses": sum(len(one.responses) for one in answered),
    }
    return told | ({"rationalised": True} if given.rationalised else {})
