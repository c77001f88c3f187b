"""Outline: what is known of a part's texts without their tokens, as numbers: which belong together, how long
the longest is, what they train. An epoch is planned by it alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from stages.students.tokens import Tokens


@dataclass(frozen=True, eq=False)
class Outline:
    """Of n texts in their order. A unit is what one completion gave (stages/training/rows.py); units and
    examples are numbered in the order of their first texts.
    """

    texts: np.ndarray  # int32[n]: places of the texts, those of a unit one after the other
    starts: np.ndarray  # int64[units + 1]: where in `texts` each unit begins
    units: np.ndarray  # int32[units]: numbers of the units, those of an example one after the other
    examples: np.ndarray  # int64[examples + 1]: where in `units` each example begins
    draw: np.ndarray  # bool[units]
    tasks: list[str]
    labels: np.ndarray  # int32[tasks, n]
    weights: list[float]  # of each task
    longest: int  # tokens, of a context or of inputs
    truncated: int  # texts
    prompts_cut: int  # texts

    @property
    def units_an_epoch(self) -> int:
        """One unit is drawn of each example that has some to draw."""
        drawn = self.draw[self.units]
        drawing = np.add.reduceat(drawn, self.examples[:-1]) > 0 if len(drawn) else drawn
        return len(drawn) - int(drawn.sum()) + int(drawing.sum())


@runtime_checkable
class Outlined(Protocol):
    """Texts that bring their outline with them."""

    @property
    def outline(self) -> Outline: ...


def outline_of(texts: Sequence[Tokens]) -> Outline:
    """The outline of texts in memory, or the one that they bring."""
    if isinstance(texts, Outlined):
        return texts.outline
    tasks = sorted({target.task for text in texts for target in text.targets})
    labels = np.zeros((len(tasks), len(texts)), np.int32)
    weights = dict.fromkeys(tasks, 0.0)
    for place, text in enumerate(texts):
        for target in text.targets:
            labels[tasks.index(target.task), place] += len(target.labels)
            weights[target.task] = target.weight
    examples = numbered([text.example_id for text in texts])
    names = numbered([text.unit for text in texts])
    alone = np.array([not text.unit for text in texts], bool)
    draw = np.array([text.draw for text in texts], bool)
    return Outline(
        **together(examples, names, alone, draw),
        tasks=tasks,
        labels=labels,
        weights=list(weights.values()),
        longest=max((max(len(text.context), len(text.inputs)) for text in texts), default=0),
        truncated=sum(text.truncated for text in texts),
        prompts_cut=sum(text.prompt_cut for text in texts),
    )


def numbered(names: list[str]) -> np.ndarray:
    """int64[n]: equal names have equal numbers."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)


def first_come(values: np.ndarray) -> np.ndarray:
    """int32[n]: the numbers 0, 1, ... of equal values, in the order of their first places."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return rank[inverse]


def grouped(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(places, one number's after the other's; where each number begins in them)."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(numbers))]) if len(numbers) else np.zeros(1, np.int64)
    return np.argsort(numbers, kind="stable").astype(np.int32), starts


def together(
    examples: np.ndarray, names: np.ndarray, alone: np.ndarray, draw: np.ndarray
) -> dict[str, np.ndarray]:
    """Which texts are a unit, and which units an example's. Per text: the number of its example, that of its
    unit's name, whether it is a unit by itself, whether it may be drawn.
    """
    width = int(names.max(initial=0)) + 1
    key = np.where(alone, -1 - np.arange(len(names)), examples.astype(np.int64) * width + names)
    texts, starts = grouped(first_come(key))
    first = texts[starts[:-1]]  # text of each unit
    units, begins = grouped(first_come(examples[first]))
    return {"texts": texts, "starts": starts, "units": units, "examples": begins, "draw": draw[first]}
