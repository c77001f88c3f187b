"""Teacher `joined`: what several teachers say to each question, one after the other, as samples of one.

So that a curation can mix them (`mix: {by: model}`) or choose among all. Each is asked as its own block says.
What an endpoint or a local model said lies in the store and is paid once, whether that teacher also stands in
the run or not; what was released or is written by rules is read or written again.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from heapq import merge
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from stages.config.contracts import load_plug_in
from stages.config.load import Block, check, find, read_params
from stages.records.completion import Completion
from stages.records.example import Example


class Settings(Block):
    backend: Literal["joined"]
    teachers: Annotated[list[str], Field(min_length=2)]  # other blocks under `teachers`, in this order


def members(settings: Settings, params: dict[str, Any] | None = None) -> dict[str, tuple[Any, Any]]:
    """Backend and settings of each. `params`: in place of ./params.yaml. Raises ValueError for a block that
    is not there, is joined itself, or asks some questions less often, of which it would not be told.
    """
    params = read_params() if params is None else params
    found = {}
    for name in settings.teachers:
        where = f"teachers.{name}"
        values = find(params, where)
        if values.get("backend") == "joined" or values.get("samples_test") is not None or name in found:
            raise ValueError(
                f"params.yaml: `{where}` cannot be joined: wanted other blocks, each once, that are not"
                " joined themselves and have no `samples_test`"
            )
        backend = load_plug_in("teachers", values.get("backend"), f"{where}.backend")
        found[name] = (backend, check(where, values, backend.Settings))
    return found


def complete(
    examples: list[Example], settings: Settings, raw: Path, demonstrations: str
) -> Iterator[Completion]:
    """Question by question the completions of the first teacher, then those of the next; samples are
    numbered on from one to the other.
    """
    rank = {example.id: place for place, example in enumerate(examples)}
    said = [
        backend.complete(examples, own, raw, demonstrations) for backend, own in members(settings).values()
    ]
    # of equal questions the first teacher's come first
    rows = merge(*said, key=lambda row: rank[row.example_id])
    for _, those in groupby(rows, key=attrgetter("example_id")):
        for sample, row in enumerate(those):
            yield replace(row, sample=sample)


def plan(examples: list[Example], settings: Settings, demonstrations: str) -> str:
    """What each would be asked, and what it would cost: nothing is asked."""
    told = []
    for name, (backend, own) in members(settings).items():
        paid = hasattr(backend, "plan")
        what = backend.plan(examples, own, demonstrations) if paid else "is not paid: nothing to estimate"
        told.append(f"{name}\n{what}")
    return "\n".join(told)


def missing(examples: list[Example], settings: Settings, demonstrations: str) -> dict[str, int]:
    """What did not come from any, within its `max_missing`, by kind."""
    kinds: Counter[str] = Counter()
    for backend, own in members(settings).values():
        if hasattr(backend, "missing"):
            kinds.update(backend.missing(examples, own, demonstrations))
    return dict(kinds)


def coverage(examples: list[Example], settings: Settings, raw: Path) -> dict[str, Any]:
    """Of released sources, by teacher and source."""
    return {
        f"{name}: {source}": counts
        for name, (backend, own) in members(settings).items()
        if hasattr(backend, "coverage")
        for source, counts in backend.coverage(examples, own, raw).items()
    }
