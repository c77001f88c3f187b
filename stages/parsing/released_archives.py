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
class Step:
    text: str  # what was said
    prompt: str | None = None  # None: not released
    finish_reason: str = UNKNOWN
    logprobs: list[tuple[str, float]] | None = None


@dataclass(frozen=True)
class Released:
    """One released sample: its steps in order, as many as are finished."""

    place: str  # in its file, for messages
    steps: list[Step]
    question: str | None = None


@dataclass(frozen=True)
class File:
    """A file of released answers, and what it tells about how they were made."""

    kind: str
    rows: list[Released]
    model: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


Read = tuple[list[Step], str | None]  # steps, question


def text(row: Any, name: str) -> str:
    value = row.get(name) if isinstance(row, dict) else None
    if not isinstance(value, str):
        raise ValueError(
            f"`{name}` is {value!r}, wanted a text"
            if isinstance(row, dict)
            else f"got {type(row).__name__}, wanted an object"
        )
    return value


def optional(row: Any, name: str) -> str | None:
    return None if row.get(name) is None else text(row, name)


def two_steps(row: Any) -> Iterator[Step]:
    """A sample of reasoning-teacher: rationale, then answer (zero-shot-CoT), or both in one. An interrupted
    run leaves steps without text.
    """
    if "reasoning_prompt" in row:
        if "reasoning_completion" not in row:
            return
        yield Step(
            text(row, "reasoning_completion"),
            text(row, "reasoning_prompt"),
            optional(row, "reasoning_finish_reason") or UNKNOWN,
        )
    if "completion" in row:
        yield Step(text(row, "completion"), text(row, "prompt"), optional(row, "finish_reason") or UNKNOWN)


def reasoning_teacher(row: Any) -> Read:
    question = text(row, "question")
    return list(two_steps(row)), question


def scotd(row: Any) -> Read:
    """Its sampler appends the separator of the demonstrations to every response, and names token
    log-probabilities `token_probs`.
    """
    response = text(row, "response").removesuffix("\n\n")
    tokens = row.get("tokens")
    values = row.get("token_probs")
    if (tokens is None) != (values is None) or (tokens is not None and len(tokens) != len(values)):
        raise ValueError("`tokens` and `token_probs` must be lists of one length, or both be missing")
    logprobs = (
        None
        if tokens is None
        else [
            (str(token), float(value))
            for token, value in zip(tokens, values, strict=True)
            if value is not None
        ]
    )
    return [Step(response, text(row, "prompt"), logprobs=logprobs)], None


def cascod(row: Any) -> Read:
    return [Step(text(row, "response"), optional(row, "prompt"))], text(row, "instruction")


def bbh(row: Any) -> Read:
    return [Step(text(row, "prediction"), text(row, "input"))], None


def read_each(path: Path, rows: Iterator[tuple[str, Any]], reader: Callable[[Any], Read]) -> list[Released]:
    """All rows by one reader. Raises ValueError with file and row."""
    read = []
    for place, row in rows:
        try:
            read.append(Released(place, *reader(row)))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} {place}: {error}") from error
    return read


def numbered(rows: list[Any]) -> Iterator[tuple[str, Any]]:
    return ((f"row {number}", row) for number, row in enumerate(rows, 1))


def read_released(path: Path) -> File:
    """A file in one of the four formats, told apart by their fields. Raises ValueError for anything else,
    with file and row.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    if (
        isinstance(values, dict)
        and isinstance(values.get("metadata"), dict)
        and isinstance(values.get("data"), dict)
    ):
        return read_reasoning_teacher(path, values["metadata"], values["data"])
    if isinstance(values, dict) and isinstance(values.get("outputs"), list):
        return File("BIG-Bench Hard", read_each(path, numbered(values["outputs"]), bbh))
    if isinstance(values, list) and values and isinstance(values[0], dict):
        if "instruction" in values[0]:
            return File("CasCoD", read_each(path, numbered(values), cascod))
        if "response" in values[0] and "prompt" in values[0]:
            return File("SCoTD", read_each(path, numbered(values), scotd))
    raise ValueError(
        f"{path}: none of the known formats: reasoning-teacher {{metadata, data}}, BIG-Bench Hard {{outputs:"
        " [{input, prediction}]}, SCoTD [{prompt, response}], CasCoD [{instruction, response}], or"
        " JSON lines (*.jsonl) of this project"
    )


def read_reasoning_teacher(path: Path, metadata: dict[str, Any], data: dict[str, Any]) -> File:
    """`data` maps a question's number to its samples. Raises ValueError for the answers of a fine-tuned
    student: they are no teacher's.
    """
    if metadata.get("train_key"):
        raise ValueError(
            f"{path}: answers of {metadata.get('base_model')!r} after training ({metadata['train_key']!r}),"
            " wanted a teacher's"
        )
    samples: list[tuple[str, Any]] = []
    for index, listed in data.items():
        if not isinstance(listed, list):
            raise ValueError(
                f"{path} sample {index}: got {type(listed).__name__}, wanted a list of completions"
            )
        samples += [(f"sample {index}, completion {place}", row) for place, row in enumerate(listed)]
    settings = {
        name: value for name, value in metadata.items() if name.endswith(("temperature", "max_tokens"))
    }
    return File(
        "reasoning-teacher",
        read_each(path, iter(samples), reasoning_teacher),
        metadata.get("base_model"),
        settings,
    )
