"""Released answers: readers of the files in which reasoning-teacher, SCoTD, CasCoD and BIG-Bench Hard
published what their teachers said.

What each format is was read from the code that writes it, for only BIG-Bench Hard's files can still be had
everywhere: reasoning-teacher src/data/completion_dataset.py, scotd dataset/hf_datasets.py (SimpleDataPoolV3),
CasCoD call_llm/call_api_repair_bbh.py.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNKNOWN = "unknown"  # finish reason, where none was released


@dataclass(frozen=True)
class ReleasedStep:
    text: str  # what was said
    prompt: str | None = None  # None: not released
    finish_reason: str = UNKNOWN
    logprobs: list[tuple[str, float]] | None = None


@dataclass(frozen=True)
class ReleasedSample:
    """One released sample: its steps in order, as many as are finished."""

    place: str  # in its file, for messages
    steps: list[ReleasedStep]
    question: str | None = None


@dataclass(frozen=True)
class ReleasedFile:
    """A file of released answers, and what it tells about how they were made."""

    kind: str
    rows: list[ReleasedSample]
    model: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


ParsedRow = tuple[list[ReleasedStep], str | None]  # steps, question


def text_field(row: Any, name: str) -> str:
    if not isinstance(row, dict):
        raise ValueError(f"got {type(row).__name__}, wanted an object")
    value = row.get(name)
    if not isinstance(value, str):
        raise ValueError(f"`{name}` is {value!r}, wanted a text")
    return value


def optional_text(row: Any, name: str) -> str | None:
    return None if row.get(name) is None else text_field(row, name)


def reasoning_teacher_steps(row: Any) -> Iterator[ReleasedStep]:
    """A sample of reasoning-teacher: rationale, then answer (zero-shot-CoT), or both in one. An interrupted
    run leaves steps without text.
    """
    if "reasoning_prompt" in row:
        if "reasoning_completion" not in row:
            return
        yield ReleasedStep(
            text_field(row, "reasoning_completion"),
            text_field(row, "reasoning_prompt"),
            optional_text(row, "reasoning_finish_reason") or UNKNOWN,
        )
    if "completion" in row:
        yield ReleasedStep(
            text_field(row, "completion"),
            text_field(row, "prompt"),
            optional_text(row, "finish_reason") or UNKNOWN,
        )


def reasoning_teacher_row(row: Any) -> ParsedRow:
    question = text_field(row, "question")
    return list(reasoning_teacher_steps(row)), question


def scotd_row(row: Any) -> ParsedRow:
    """Its sampler appends the separator of the demonstrations to every response, and names token
    log-probabilities `token_probs`.
    """
    response = text_field(row, "response").removesuffix("\n\n")
    tokens = row.get("tokens")
    values = row.get("token_probs")
    if (tokens is None) != (values is None) or (tokens is not None and len(tokens) != len(values)):
        raise ValueError("`tokens` and `token_probs` must be lists of one length, or both be missing")
    logprobs = None
    if tokens is not None:
        pairs = zip(tokens, values, strict=True)
        logprobs = [(str(token), float(value)) for token, value in pairs if value is not None]
    return [ReleasedStep(response, text_field(row, "prompt"), logprobs=logprobs)], None


def cascod_row(row: Any) -> ParsedRow:
    step = ReleasedStep(text_field(row, "response"), optional_text(row, "prompt"))
    return [step], text_field(row, "instruction")


def bbh_row(row: Any) -> ParsedRow:
    return [ReleasedStep(text_field(row, "prediction"), text_field(row, "input"))], None


def read_samples(
    path: Path, rows: Iterator[tuple[str, Any]], reader: Callable[[Any], ParsedRow]
) -> list[ReleasedSample]:
    """All rows by one reader. Raises ValueError with file and row."""
    samples = []
    for place, row in rows:
        try:
            samples.append(ReleasedSample(place, *reader(row)))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} {place}: {error}") from error
    return samples


def with_places(rows: list[Any]) -> Iterator[tuple[str, Any]]:
    return ((f"row {number}", row) for number, row in enumerate(rows, 1))


def read_released(path: Path) -> ReleasedFile:
    """A file in one of the four formats, told apart by their fields. Raises ValueError for anything else,
    with file and row.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    parts = values if isinstance(values, dict) else {}
    if isinstance(parts.get("metadata"), dict) and isinstance(parts.get("data"), dict):
        return read_reasoning_teacher(path, parts["metadata"], parts["data"])
    if isinstance(parts.get("outputs"), list):
        return ReleasedFile("BIG-Bench Hard", read_samples(path, with_places(values["outputs"]), bbh_row))
    if isinstance(values, list) and values and isinstance(values[0], dict):
        if "instruction" in values[0]:
            return ReleasedFile("CasCoD", read_samples(path, with_places(values), cascod_row))
        if "response" in values[0] and "prompt" in values[0]:
            return ReleasedFile("SCoTD", read_samples(path, with_places(values), scotd_row))
    raise ValueError(
        f"{path}: none of the known formats: reasoning-teacher {{metadata, data}}, BIG-Bench Hard {{outputs:"
        " [{input, prediction}]}, SCoTD [{prompt, response}], CasCoD [{instruction, response}], or"
        " JSON lines (*.jsonl) of this project"
    )


def read_reasoning_teacher(path: Path, metadata: dict[str, Any], data: dict[str, Any]) -> ReleasedFile:
    """`data` maps a question's number to its samples. Raises ValueError for the answers of a fine-tuned
    student: they are no teacher's.
    """
    if metadata.get("train_key"):
        raise ValueError(
            f"{path}: answers of {metadata.get('base_model')!r} after training ({metadata['train_key']!r}),"
            " wanted a teacher's"
        )
    rows: list[tuple[str, Any]] = []
    for index, listed in data.items():
        if not isinstance(listed, list):
            raise ValueError(
                f"{path} sample {index}: got {type(listed).__name__}, wanted a list of completions"
            )
        rows += [(f"sample {index}, completion {place}", row) for place, row in enumerate(listed)]
    settings = {
        name: value for name, value in metadata.items() if name.endswith(("temperature", "max_tokens"))
    }
    return ReleasedFile(
        "reasoning-teacher",
        read_samples(path, iter(rows), reasoning_teacher_row),
        metadata.get("base_model"),
        settings,
    )
