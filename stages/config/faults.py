"""Faults: what pydantic found wrong with a block, in words that say where, what was got and what is legal."""

from typing import Any, get_args

from pydantic import BaseModel, ValidationError


def is_block(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def legal_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """The keys that are legal where pydantic found an unknown one; "" where several blocks would be legal."""
    block: Any = model
    for key in location[:-1]:
        annotation = block.model_fields[key].annotation if key in block.model_fields else None
        blocks = [kind for kind in (annotation, *get_args(annotation)) if is_block(kind)]  # `Lora | None` too
        if len(blocks) != 1:
            return ""
        block = blocks[0]
    return "; legal keys: " + ", ".join(block.model_fields)


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
            lines.append(f"`{place}`: {fault['msg']}, got {fault['input']!r}")
    return "\n  ".join(lines)
