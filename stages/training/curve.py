"""The loss curve of a training, as a table to plot and to diff."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stages.records.jsonl import write_text

COLUMNS = ("epoch", "train_loss", "validation_loss", "validation_accuracy")
# per epoch the values of COLUMNS: a validation loss if there is one, an accuracy where it chooses the epoch
Curve = list[tuple[float | None, ...]]


def curve_of(history: Iterable[Mapping[str, Any]]) -> Curve:
    return [tuple(line[column] for column in COLUMNS if column in line) for line in history]


def write_curve(path: Path, curve: Curve) -> None:
    header = COLUMNS[: max(map(len, curve), default=3)]
    rows = [
        [str(epoch), *("" if value is None else format(value, ".6f") for value in values)]
        for epoch, *values in curve
    ]
    write_text(path, "".join(",".join(row) + "\n" for row in [header, *rows]))
