"""Faults: what pydantic found wrong with a block, in words that say where, what was got and what is legal."""

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from stages.records.types import shortened


def is_block(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def legal_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """The keys that are legal where pydantic found an unknown one; "" where several blocks would be legal."""
    blocks: list[Any] = [model]
    for key in location[:-1]:
        if len(blocks) > 1:  # told apart by `kind`, and the key is that kind
            blocks = [one for one in blocks if key in get_args(one.model_fields["kind"].annotation)]
        elif key in blocks[0].model_fields:
            annotation = blocks[0].model_fields[key].annotation
            blocks = [
                kind for kind in (annotation, *get_args(annotation)) if is_block(kind)
            ]  # `Lora | None` too
        else:
            return ""
        if not blocks:
            return ""
    return "; legal keys: " + ", ".join(blocks[0].model_fields) if len(blocks) == 1 else ""


def faults(where: str, error: ValidationError, model: type[BaseModel]) -> str:
    """A line for each fault in the block at `where`. What an unknown key holds is not said: a secret?"""
    lines = []
    for fault in error.errors():
        place = ".".join(filter(None, [where, *map(str, fault["loc"])]))
        if fault["type"] == "extra_forbidden":
            lines.append(f"`{place}`: unknown key{legal_keys(model, fault['loc'])}")
        elif fault["type"] == "missing":
            lines.append(f"`{place}`: missing")
        else:
            said = fault["msg"].removeprefix("Value error, ")  # a sentence of ours
            lines.append(f"`{place}`: {said}, got {shortened(fault['input'])}")
    return "\n  ".join(lines)
