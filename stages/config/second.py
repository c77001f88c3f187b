"""A second training starts from the student that a first one made (`run.second_methods`). The method's block
may say how it is trained instead: `methods.NAME.second: {lr: 5.0e-6, batch_size: 64}`.
"""

from collections.abc import Mapping
from typing import Any

from stages.config.load import check
from stages.config.method import SecondTraining, resolve_method
from stages.config.student import Student


def second_block(name: str, methods: Mapping[str, Any]) -> dict[str, Any]:
    """What the block `methods.NAME`, or the one that it is like, says of a second training."""
    told: dict[str, Any] = resolve_method(name, methods)[1].get("second") or {}
    return told


def second_settings(name: str, methods: Mapping[str, Any], student: Student) -> Student:
    """A student's settings for a second training with a method, by the name of its block under `methods`."""
    where = f"methods.{name}.second"
    own = check(where, second_block(name, methods), SecondTraining)
    told = own.model_dump(exclude_none=True)
    steps = {"max_steps": None} if "epochs" in told else {}  # the first training's would end it
    return check(where, {**student.model_dump(), **steps, **told}, Student)
