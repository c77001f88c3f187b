"""Types: whether a value of a row is what its dataclass says, at the cost of a microsecond a row."""

from collections.abc import Callable
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

LONGEST = 200  # characters of a value that an error repeats
Check = Callable[[Any], bool]


def shortened(value: object) -> str:
    """A value as an error shows it."""
    try:
        text = repr(value)
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deep to be shown"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text):,} characters)"


@cache
def checks_of(kind: type) -> dict[str, tuple[Check, str]]:
    """Of each field of a dataclass: the check of its values, and what is wanted, for people."""
    return {name: (check_of(hint), words_for(hint)) for name, hint in get_type_hints(kind).items()}


def words_for(hint: Any) -> str:
    """`str | None` for what the dataclass writes so."""
    return (
        hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")
    )


def check_of(hint: Any) -> Check:
    """Of JSON's types: a list stands for a tuple, a whole number for a float, and no boolean for a number."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        checks = [check_of(one) for one in inside]
        return lambda value: any(check(value) for check in checks)
    if origin is Literal:
        return lambda value: isinstance(value, str | NoneType) and value in inside
    if origin is tuple and inside[-1] is not Ellipsis:
        places = [check_of(one) for one in inside]
        return lambda value: (
            isinstance(value, list | tuple)
            and len(value) == len(places)
            and all(check(one) for check, one in zip(places, value, strict=True))
        )
    if origin in (list, tuple):
        one = check_of(inside[0])
        return lambda value: isinstance(value, list | tuple) and all(map(one, value))
    if origin is dict:
        each = check_of(inside[1])
        return lambda value: isinstance(value, dict) and all(map(each, value.values()))
    if hint is float:
        return lambda value: type(value) in (float, int)
    if hint in (str, int, bool, NoneType):
        return lambda value: type(value) is hint
    return lambda value: True  # a record within a record is checked where it is made
