"""The loss curve of a training, as a table to plot and to diff."""

from pathlib import Path

from stages.records.jsonl import write_text

Curve = list[tuple[int, float, float | None]]  # epoch, train loss, validation loss if there is one


def write_curve(path: Path, curve: Curve) -> None:
    rows = [
        f"{epoch},{train:.6f},{'' if validation is None else format(validation, '.6f')}\n"
        for epoch, train, validation in curve
    ]
    write_text(path, "epoch,train_loss,validation_loss\n" + "".join(rows))
