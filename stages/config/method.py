"""`methods.NAME` of params.yaml: a method's own settings, and how answers to it are read."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from stages.config.contracts import Method, load_plug_in
from stages.config.load import Block, check, find, read_params
from stages.config.normalisation import Normalisation
from stages.records.completion import Reader
from stages.text.formats import system_of

LIKE = "like"  # of a variant's block: whose file and values it has
MAX_TOKENS = 128  # L_r of Fine-tune-CoT, tokens a step


class SecondTraining(Block):
    """What a second training (`run.second_methods`) has in place of the student's own settings."""

    lr: float | None = Field(None, gt=0)
    batch_size: int | None = Field(None, ge=1)
    epochs: int | None = Field(None, ge=1)
    max_steps: int | None = Field(None, ge=1)
    weight_decay: float | None = Field(None, ge=0)
    normalisation: Normalisation | None = None


class Besides(Block):
    """What every method's block may say besides its own settings."""

    reader: Reader
    second: SecondTraining = Field(default_factory=lambda: SecondTraining.model_validate({}))


def method_settings(name: str, method: Method, values: dict[str, Any]) -> tuple[Any, Reader]:
    """The method's own settings, and the reader that its block names, else the one for how it is asked."""
    where = f"methods.{name}"
    besides = {key: value for key, value in values.items() if key in Besides.model_fields}
    own = check(where, {key: values[key] for key in values.keys() - besides.keys()}, method.Settings)
    return own, check(where, {"reader": default_reader(method, own), **besides}, Besides).reader


def default_reader(method: Method, settings: Block) -> Reader:
    """In the papers' formats the published rule. Through a chat template what is stated; by a method that
    trained a mark of its own, what that mark introduces.
    """
    if system_of(settings) is None:
        return "kojima"
    return "marked" if method.TASKS else "stated"


def max_tokens_of(method: Method) -> int:
    """Tokens of an answer where a teacher's block leaves it to the method."""
    return int(getattr(method, "MAX_TOKENS", MAX_TOKENS))


def method_block(name: str, methods: Mapping[str, Any]) -> dict[str, Any]:
    """What `methods.NAME` says; nothing where it is missing or null, for settings have defaults.

    Raises ValueError for what is no block.
    """
    values = methods.get(name)
    if values is not None and not isinstance(values, dict):
        raise ValueError(
            f"params.yaml: `methods.{name}` is {values!r}, wanted a block of named values, such as"
            f" {{{LIKE}: cascod, alpha: 0.5}}"
        )
    return values or {}


def resolve_method(name: str, methods: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The file of stages/methods that a block under `methods` names, and what it says. The block may be
    missing: settings have defaults.

    A variant, `cascod_alpha_0_5: {like: cascod, alpha: 0.5}`, is the file and the block of `cascod` with its
    own values over them, and those of `second` one by one. Raises ValueError where that block is not there,
    or is a variant itself.
    """
    own = method_block(name, methods)
    if LIKE not in own:
        return name, own
    base = own[LIKE]
    if not isinstance(base, str) or base not in methods or base == name:
        whole = ", ".join(one for one in methods if one != name and LIKE not in method_block(one, methods))
        raise ValueError(
            f"params.yaml: `methods.{name}.{LIKE}` is {base!r}, wanted another block, one of: {whole}"
        )
    below = method_block(base, methods)
    if LIKE in below:
        raise ValueError(
            f"params.yaml: `methods.{name}.{LIKE}`: {base!r} is like {below[LIKE]!r} itself: name that one,"
            " and repeat here what differs from it"
        )
    values = {**below, **{key: value for key, value in own.items() if key != LIKE}}
    seconds = [block["second"] for block in (below, own) if isinstance(block.get("second"), dict)]
    if len(seconds) == 2:
        values["second"] = seconds[0] | seconds[1]
    return base, values


def method_of(name: str, methods: Mapping[str, Any], where: str = "") -> tuple[Method, Any, Reader]:
    """A method by the name of its block under `methods`, its settings and reader. `where` names it."""
    file, values = resolve_method(name, methods)
    method: Method = load_plug_in("methods", file, where or f"methods.{name}")
    return method, *method_settings(name, method, values)


def read_method(name: str, params: dict[str, Any] | None = None) -> tuple[Method, Any, Reader]:
    """A method by the name of its block of `params` (none given: ./params.yaml), its settings and reader."""
    return method_of(name, find(read_params() if params is None else params, "methods"))
