"""Consult: put ready texts to a model that is no teacher - one that simulates a student (`simulators`), one
that judges rationales (`judges`).

Its block has a teacher's fields, and its answers lie in the teachers' store: each is paid once.
"""

from pathlib import Path
from typing import Any

from stages.config.contracts import load_plug_in
from stages.config.load import check, find, read_params
from stages.records.example import Example


def read_consulted(where: str, values: dict[str, Any]) -> tuple[Any, Any]:
    """Backend and settings of a block such as `judges.gpt`. Raises ValueError for a backend that takes no
    ready texts and for what only teachers are told.
    """
    name = values.get("backend")
    backend = load_plug_in("teachers", name, f"{where}.backend")
    if not hasattr(backend, "verbatim"):
        raise ValueError(
            f"params.yaml: `{where}.backend`: got {name!r}, wanted a backend that takes ready texts:"
            f" stages/teachers/{name}.py has no verbatim(settings)"
        )
    if told := sorted({"method", "samples"} & values.keys()):
        raise ValueError(f"params.yaml: `{where}` is asked ready texts, once each: drop {', '.join(told)}")
    return backend, backend.verbatim(check(where, values, backend.Settings))


def as_questions(texts: list[str]) -> list[Example]:
    return [Example(str(place), "", text, "", "text") for place, text in enumerate(texts)]


def consult(where: str, texts: list[str]) -> list[str | None]:
    """What the model of the block `where` says to each text; None where the block's `max_missing` lets an
    answer be missing.
    """
    backend, settings = read_consulted(where, find(read_params(), where))
    rows = backend.complete(as_questions(texts), settings, Path(), "")
    replies = {row.example_id: row.texts[0] for row in rows}
    return [replies.get(str(place)) for place in range(len(texts))]


def plan(where: str, texts: list[str]) -> str:
    """What of it is not in the store yet, and what it would cost: nothing is asked."""
    backend, settings = read_consulted(where, find(read_params(), where))
    if not hasattr(backend, "plan"):
        return f"{where} is not paid: nothing to estimate"
    return str(backend.plan(as_questions(texts), settings, ""))
