"""A token file: the tokenised texts of one part of a large training, on disk and mapped into memory.

No training holds them: a text is looked up when its step comes (stages/training/outline.py is what is known
of it until then). Arrow's file format, batches of ROWS texts.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stages.students.tokens import Target, Tokens
from stages.training.outline import Outline, outline_of, together

ROWS = 8192
TEXTS = ("example_id", "unit")
FLAGS = ("draw", "truncated", "prompt_cut")
# ids: the inputs and one token more, the last label. targets: three numbers each, (start, labels, task).
# token_weights: of all labels, one target's after the other; none where they weigh 1
LISTS = {
    "context": np.int32,
    "ids": np.int32,
    "targets": np.int32,
    "weights": np.float64,
    "token_weights": np.float64,
}
SCHEMA = pa.schema(
    [(name, pa.string()) for name in TEXTS]
    + [(name, pa.uint8()) for name in FLAGS]
    + [(name, pa.list_(pa.from_numpy_dtype(kind))) for name, kind in LISTS.items()]
)


def list_column(values: Sequence[Any], kind: Any) -> pa.ListArray:
    """A list of numbers a row."""
    ends = np.cumsum([0, *map(len, values)]).astype(np.int32)
    numbers = np.concatenate([np.asarray(value, kind) for value in values])
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(numbers))


class Writer:
    """Writes one file, text by text. `tasks` numbers the tasks of all files that are written together."""

    def __init__(self, path: Path, tasks: dict[str, int]) -> None:
        self.tasks = tasks
        self.file = pa.ipc.new_file(str(path), SCHEMA)
        self.rows: list[dict[str, Any]] = []

    def add(self, text: Tokens) -> None:
        last = text.targets[-1]
        ends_in_label = last.start + len(last.labels) == len(text.inputs)
        targets: list[int] = []
        for target in text.targets:
            number = self.tasks.setdefault(target.task, len(self.tasks))
            targets += [target.start, len(target.labels), number]
        row = {name: getattr(text, name) for name in (*TEXTS, *FLAGS)}
        ids = np.append(text.inputs, last.labels[-1] if ends_in_label else 0)
        row |= {"context": text.context, "ids": ids, "targets": targets}
        row["weights"] = [target.weight for target in text.targets]
        row["token_weights"] = weights_of(text)
        self.rows.append(row)
        if len(self.rows) == ROWS:
            self.flush()

    def flush(self) -> None:
        columns = {name: [row[name] for row in self.rows] for name in SCHEMA.names}
        arrays = [pa.array(columns[name], pa.string()) for name in TEXTS]
        arrays += [pa.array(np.array(columns[name], np.uint8)) for name in FLAGS]
        arrays += [list_column(columns[name], kind) for name, kind in LISTS.items()]
        self.file.write_batch(pa.record_batch(arrays, SCHEMA))
        self.rows.clear()

    def close(self) -> None:
        if self.rows:
            self.flush()
        self.file.close()


def weights_of(text: Tokens) -> np.ndarray:
    """float64[labels of all targets]; of none where no target has its own."""
    targets = text.targets
    if all(target.token_weights is None for target in targets):
        return np.empty(0)
    ones = [np.ones(len(target.labels)) for target in targets]
    own = [target.token_weights for target in targets]
    return np.concatenate([one if mine is None else mine for one, mine in zip(ones, own, strict=True)])


class Batch:
    """Views of a batch's columns: nothing is read before it is looked at."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.rows: int = batch.num_rows
        self.names = {name: batch.column(name) for name in TEXTS}
        self.flags = {name: batch.column(name).to_numpy() for name in FLAGS}
        self.values = {name: batch.column(name).values.to_numpy() for name in LISTS}
        self.ends = {name: batch.column(name).offsets.to_numpy() for name in LISTS}

    def part(self, name: str, row: int) -> np.ndarray:
        first, last = self.ends[name][row : row + 2]
        found: np.ndarray = self.values[name][first:last]
        return found

    def text(self, row: int, tasks: list[str]) -> Tokens:
        ids = self.part("ids", row)
        places = self.part("targets", row).reshape(-1, 3)
        own = self.part("token_weights", row)
        each = np.split(own, places[:-1, 1].cumsum()) if len(own) else [None] * len(places)
        targets = [
            Target(start, ids[start + 1 : start + 1 + count], tasks[task], weight, mine)
            for (start, count, task), weight, mine in zip(
                places.tolist(), self.part("weights", row).tolist(), each, strict=True
            )
        ]
        name, unit = (self.names[column][row].as_py() for column in TEXTS)
        draw, truncated, prompt_cut = (bool(self.flags[column][row]) for column in FLAGS)
        return Tokens(name, unit, draw, self.part("context", row), ids[:-1], targets, truncated, prompt_cut)

    def longest(self) -> int:
        """Tokens, of a context or of inputs."""
        lengths = [np.diff(self.ends["context"]).max(), np.diff(self.ends["ids"]).max() - 1]
        return int(max(lengths))

    def labels(self, task: int) -> tuple[np.ndarray, float | None]:
        """(each text's labels of a task; its weight, None where no text has it)."""
        targets = self.values["targets"].reshape(-1, 3)
        text = np.repeat(np.arange(self.rows), np.diff(self.ends["weights"]))
        chosen = targets[:, 2] == task
        weights = self.values["weights"][chosen]
        found = np.bincount(text[chosen], targets[chosen, 1], self.rows)
        return found.astype(np.int32), weights[0].item() if len(weights) else None


class KeptTexts(Sequence[Tokens]):
    """The texts of a file. `tasks`: all that were numbered when it was written."""

    def __init__(self, path: Path, tasks: list[str]) -> None:
        self.tasks = tasks
        self.file = pa.ipc.open_file(pa.memory_map(str(path)))
        self.batches = [Batch(self.file.get_batch(place)) for place in range(self.file.num_record_batches)]

    def __len__(self) -> int:
        return ROWS * (len(self.batches) - 1) + self.batches[-1].rows if self.batches else 0

    @overload
    def __getitem__(self, place: int) -> Tokens: ...
    @overload
    def __getitem__(self, place: slice) -> list[Tokens]: ...
    def __getitem__(self, place: int | slice) -> Tokens | list[Tokens]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        return self.batches[place // ROWS].text(place % ROWS, self.tasks)

    @cached_property
    def outline(self) -> Outline:
        if not self.batches:
            return outline_of([])
        labels = []
        tasks = []
        weights = []
        for number, task in enumerate(self.tasks):
            found = [batch.labels(number) for batch in self.batches]
            if told := [weight for _, weight in found if weight is not None]:
                tasks.append(task)
                weights.append(told[0])
                labels.append(np.concatenate([each for each, _ in found]))
        names, units = (self.numbers(column) for column in TEXTS)
        alone = np.concatenate([pc.equal(b.names["unit"], "").to_numpy(False) for b in self.batches])
        draw, truncated, cut = (np.concatenate([b.flags[flag] for b in self.batches]) for flag in FLAGS)
        order = np.argsort(tasks)
        return Outline(
            **together(names, units, alone, draw.astype(bool)),
            tasks=[tasks[place] for place in order],
            labels=np.stack([labels[place] for place in order]),
            weights=[weights[place] for place in order],
            longest=max(batch.longest() for batch in self.batches),
            truncated=int(truncated.sum()),
            prompts_cut=int(cut.sum()),
        )

    def numbers(self, column: str) -> np.ndarray:
        """int32[n]: equal texts of a column have equal numbers."""
        texts = pa.chunked_array([batch.names[column] for batch in self.batches])
        found: np.ndarray = texts.dictionary_encode().combine_chunks().indices.to_numpy()
        return found
