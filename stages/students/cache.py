"""A cache of keys and values for rows that come and go, through `transformers`' own extension point (a layer
class for `Cache`).

All rows end in the same column: a row of n cached tokens uses the last n columns, as a batch padded on the
left would. So a step writes one column for all rows, distances between columns are distances between tokens
(relative positions and sliding windows hold), and a prompt may join at any time, in columns that have gone
by.
"""

import ctypes
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from transformers import Cache
from transformers.cache_utils import DynamicLayer

ROOM = 32  # columns that are allocated ahead, at least; else an eighth of those in use


@dataclass
class Window:
    """What the layers of a cache show: rows [0, rows), columns [end - width, end)."""

    rows: int = 0
    width: int = 0
    end: int = 0
    capacity: int = 0  # rows that are allocated


class Layer(DynamicLayer):
    """One layer's keys and values [allocated rows, heads, allocated columns, d]; DynamicLayer would copy them
    all at every token.
    """

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window
        self.stores: list[torch.Tensor] = []
        self.is_initialized = True

    @property
    def columns(self) -> int:
        return self.stores[0].shape[2] if self.stores else 0

    def views(self, more: int = 0) -> list[torch.Tensor]:
        """What is in view, [rows, heads, width + more, d] of keys and of values."""
        window = self.window
        columns = slice(window.end - window.width, window.end + more)
        return [store[: window.rows, :, columns] for store in self.stores]

    def allocate(self, like: Iterable[torch.Tensor], columns: int) -> None:
        """New stores, what is in view at their beginning. Zeros: what a mask hides must still be a number."""
        old = self.views()
        self.stores = [
            states.new_zeros(self.window.capacity, states.shape[1], columns, states.shape[3])
            for states in like
        ]
        for store, view in zip(self.stores, old, strict=False):
            store[: view.shape[0], :, : view.shape[2]] = view

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A step's keys and values [rows, heads, 1, d] join those in view."""
        if not self.stores:  # nothing was read before: a decoder's first token, prompts of one token
            self.allocate((key_states, value_states), self.window.end + ROOM)
        keys, values = self.views(more=1)
        keys[:, :, -1:], values[:, :, -1:] = key_states, value_states
        return keys, values

    def get_seq_length(self) -> int:
        return self.window.width


class RowCache(Cache):
    """A `Cache` that grows by a column with every token and by rows as prompts join; the last rows take the
    places of those that leave.
    """

    layers: list[Any]

    def __init__(self) -> None:
        self.window = Window()
        layer: Any = partial(Layer, self.window)
        super().__init__(layer_class_to_replicate=layer)

    def join(self, prompts: Any, lengths: list[int], copies: list[int]) -> None:
        """The first lengths[i] columns of row i of the cache `prompts` become copies[i] new rows.

        None is longer than the longest row in view, if there is one.
        """
        window = self.window
        if not window.rows:
            window.width = window.end = max(lengths)
        for place, layer in enumerate(prompts.layers):
            if place == len(self.layers):
                self.layers.append(Layer(window))
            mine = self.layers[place]
            new = (layer.keys, layer.values)
            if mine.columns < window.end:
                mine.allocate(new, window.end + max(ROOM, window.width // 8))
            for store, states in zip(mine.stores, new, strict=True):
                first = window.rows
                for row, (length, times) in enumerate(zip(lengths, copies, strict=True)):
                    columns = slice(window.end - length, window.end)
                    store[first : first + times, :, columns] = states[row, :, :length]
                    first += times
        window.rows += sum(copies)

    def leave(self, left: list[int]) -> None:
        """Drop these rows, as `drop_rows` does."""
        rows = list(range(self.window.rows))
        drop_rows(rows, left)
        moved = [place for place, row in enumerate(rows) if row != place]
        if moved and self.layers:
            where = self.layers[0].stores[0].device
            to = torch.tensor(moved, device=where)
            source = torch.tensor([rows[place] for place in moved], device=where)
            for view in (view for layer in self.layers for view in layer.views()):
                view[to] = view[source]
        self.window.rows = len(rows)

    def narrow(self, width: int) -> None:
        """Show no more than the last `width` columns, the longest row's, and have room for one more."""
        window = self.window
        window.width = width
        if self.layers and self.layers[0].columns == window.end:
            for layer in self.layers:
                layer.allocate(layer.stores, width + max(ROOM, width // 8))
            window.end = width
            give_back_memory()

    def grow(self) -> None:
        """A step has written its column."""
        self.window.width += 1
        self.window.end += 1


def give_back_memory() -> None:
    """To the system, where malloc is glibc's: it would keep all stores that larger ones have replaced."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def drop_rows(rows: list[Any], left: list[int]) -> None:
    """Drop the places `left` of `rows`, in place: the last ones move there, all others stay."""
    for place in sorted(left, reverse=True):
        last = rows.pop()
        if place < len(rows):
            rows[place] = last
