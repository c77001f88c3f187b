"""`methods.NAME` of params.yaml: a method's own settings, and how answers to it are read."""

from typing import Any

from stages.config.contracts import Method, load_plug_in
from stages.config.load import Block, check, find, read_params
from stages.records.completion import Reader

MAX_TOKENS = 128  # L_r of Fine-tune-CoT, tokens a step


class HowRead(Block):
    """What every method's block may say besides its own settings."""

    reader: Reader


def method_settings(name: str, method: Method, values: dict[str, Any]) -> tuple[Any, Reader]:
    """The method's own settings, and the reader: the block's, else the method's, else the published rule."""
    where = f"methods.{name}"
    own = {key: value for key, value in values.items() if key != "reader"}
    reader = values.get("reader", getattr(method, "READER", "kojima"))
    return check(where, own, method.Settings), check(where, {"reader": reader}, HowRead).reader


def max_tokens_of(method: Method) -> int:
    """Tokens of an answer where a teacher's block leaves it to the method."""
    return int(getattr(method, "MAX_TOKENS", MAX_TOKENS))


def read_method(name: str) -> tuple[Method, Any, Reader]:
    """A method of stages/methods, and what its block of params.yaml says, which may be missing: its settings
    have defaults.
    """
    method: Method = load_plug_in("methods", name, f"methods.{name}")
    values = find(read_params(), "methods").get(name) or {}
    return method, *method_settings(name, method, values)
