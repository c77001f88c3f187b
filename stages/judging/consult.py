"""Consult: put ready texts to a model that is no teacher - one that simulates a student (`simulators`), one
that judges rationales (`judges`).

Its block has a teacher's fields, and its answers lie in the teachers' store: each is paid once.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from stages.config.load import check, find, read_params
from stages.records.example import Example

BACKENDS = ("openai", "transformers")


def consulted(where: str, values: dict[str, Any]) -> tuple[ModuleType, Any]:
    """Backend and settings of a block such as `judges.gpt`. Raises ValueError for another backend and for
    what only teachers are told.
    """
    if (name := values.get("backend")) not in BACKENDS:
        raise ValueError(f"params.yaml: `{where}.backend`: got {name!r}, wanted one of {', '.join(BACKENDS)}")
    if told := sorted({"method", "samples"} & values.keys()):
        raise ValueError(f"params.yaml: `{where}` is asked ready texts, once each: drop {', '.join(told)}")
    backend = import_module(f"stages.teachers.{name}")
    return backend, check(where, {**values, "method": "bare"}, backend.Settings)


def questions(prompts: list[str]) -> list[Example]:
    return [Example(str(place), "", prompt, "", "text") for place, prompt in enumerate(prompts)]


def consult(where: str, prompts: list[str]) -> list[str | None]:
    """What the model of the block `where` says to each prompt; None where the block's `max_missing` lets an
    answer be missing.
    """
    backend, settings = consulted(where, find(read_params(), where))
    said = {
        row.example_id: row.texts[0] for row in backend.complete(questions(prompts), settings, Path(), "")
    }
    return [said.get(str(place)) for place in range(len(prompts))]


def plan(where: str, prompts: list[str]) -> str:
    """What of it is not in the store yet, and what it would cost: nothing is asked."""
    backend, settings = consulted(where, find(read_params(), where))
    return (
        str(backend.plan(questions(prompts), settings, ""))
        if hasattr(backend, "plan")
        else f"{where} is not paid: nothing to estimate"
    )
