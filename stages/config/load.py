"""params.yaml: read a block, check it against its pydantic model, and say plainly what is wrong with it."""

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.config.faults import faults


class Block(BaseModel):
    """A block of params.yaml: unknown keys are errors, values are not coerced beyond int -> float, and
    numbers are finite.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def as_json(values: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError for what JSON cannot say: YAML reads 2026-01-31 as a date."""
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"it goes into a request as JSON, and {error}; is a text without its quotes?"
        ) from error
    return values


Fields = Annotated[dict[str, Any], AfterValidator(as_json)]  # of a request's body
AnyBlock = TypeVar("AnyBlock", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """A file of named values, read as DVC reads params.yaml (YAML 1.2: 2e-05 is a number)."""
    return parse_yaml(path, str(path))


def parse_yaml(source: Path | str, where: str, yaml: YAML | None = None) -> dict[str, Any]:
    """Named values of a file or a text. Raises ValueError, which names the place, for anything else."""
    try:
        values: Any = (yaml or YAML(typ="safe")).load(source)
    except YAMLError as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{where}: not YAML: {told}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{where}: got {type(values).__name__}, wanted blocks of named values")
    return values


def read_params(path: Path = Path("params.yaml")) -> dict[str, Any]:
    """All of params.yaml."""
    if not path.exists():
        raise ValueError(f"{path.resolve()} not found: run stages from the repository's root")
    return read_yaml(path)


def find(params: dict[str, Any], where: str) -> dict[str, Any]:
    """The mapping at a dotted path such as `students.tiny`."""
    value: Any = params
    for depth, key in enumerate(where.split(".")):
        if not isinstance(value, dict) or key not in value:
            known = ", ".join(map(str, value)) if isinstance(value, dict) else "nothing"
            parent = ".".join(where.split(".")[:depth]) or "top level"
            raise ValueError(f"params.yaml: no block `{where}`; {parent} has: {known}")
        value = value[key]
    if not isinstance(value, dict):
        raise ValueError(f"params.yaml: `{where}` is {value!r}, wanted a block of named values")
    return value


def check(where: str, values: dict[str, Any], model: type[AnyBlock], file: str = "params.yaml") -> AnyBlock:
    """`values` of `file` as `model`. `where`: the block's dotted path; "" for the whole file.

    Raises ValueError naming file, block, key, value and what is legal, a line for each fault.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{file}: " + faults(where, error, model)) from error


def block(where: str, model: type[AnyBlock]) -> AnyBlock:
    """The checked block at a dotted path of ./params.yaml."""
    return check(where, find(read_params(), where), model)
