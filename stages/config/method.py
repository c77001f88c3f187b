"""`methods.NAME` of params.yaml: a method's own settings, and how answers to it are read."""

from typing import Any

from stages.config.contracts import Method, load_plug_in
from stages.config.load import Block, check, find, read_params
from stages.records.completion import Reader
from stages.text.formats import system_of

MAX_TOKENS = 128  # L_r of Fine-tune-CoT, tokens a step


class HowRead(Block):
    """What every method's block may say besides its own settings."""

    reader: Reader


def method_settings(name: str, method: Method, values: dict[str, Any]) -> tuple[Any, Reader]:
    """The method's own settings, and the reader that its block names, else the one for how it is asked."""
    where = f"methods.{name}"
    own = check(where, {key: value for key, value in values.items() if key != "reader"}, method.Settings)
    reader = values.get("reader", default_reader(method, own))
    return own, check(where, {"reader": reader}, HowRead).reader


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


def read_method(name: str, params: dict[str, Any] | None = None) -> tuple[Method, Any, Reader]:
    """A method of stages/methods, and what its block of `params` (none given: ./params.yaml) says, which may
    be missing: its settings have defaults.
    """
    method: Method = load_plug_in("methods", name, f"methods.{name}")
    values = find(read_params() if params is None else params, "methods").get(name) or {}
    return method, *method_settings(name, method, values)
