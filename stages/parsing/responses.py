"""Responses: rows that come with what teachers said to a question - a text, several, or a conversation, with
thoughts beside or within them - as examples and their responses.

The gold answer is its column's, else what a worked solution states, else what the responses themselves state
first. It is never put beside a response: what that answers is read from it (stages/text/stated.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeGuard

from stages.config.dataset import Columns, Responses
from stages.parsing.fields import RawRow
from stages.records.completion import UNKNOWN
from stages.records.example import Example
from stages.text.answer_types import AnswerRules
from stages.text.stated import stated_answer
from stages.text.thoughts import spoken

ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
}
ENDED = ("true", "1", "stop", "eos", "end_turn")  # in a column that says how a response ended, in any case


class Response(NamedTuple):
    said: str
    thought: str
    finish_reason: str  # "stop" | "length" | UNKNOWN, where the rows do not tell


@dataclass
class Answered:
    """A question and what was said to it, in one row or in several."""

    example: Example
    responses: list[Response] = field(default_factory=list)


def turns(value: list[Any], where: str) -> list[tuple[str, str]]:
    """(user | assistant | system, text) of {role, content} or {from, value} turns."""
    found = []
    for turn in value:
        if not isinstance(turn, dict):
            raise ValueError(f"{where}: got {str(turn)[:80]!r} in a conversation, wanted a turn with a role")
        role = ROLES.get(str(turn.get("role", turn.get("from"))))
        text = turn.get("content", turn.get("value"))
        if role is None or not isinstance(text, str):
            raise ValueError(
                f"{where}: got the turn {str(turn)[:120]!r}, wanted role and content, or from and value;"
                f" roles are {', '.join(ROLES)}"
            )
        found.append((role, text))
    return found


def is_conversation(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def question_text(row: RawRow, name: str, where: str) -> str:
    """The question of a column, which may be a conversation of one question. Raises ValueError."""
    value = row.get(name)
    if is_conversation(value):
        asked = [text for role, text in turns(value, f"{where}, {name}") if role == "user"]
        if len(asked) != 1:
            raise ValueError(f"{where}: {name} has {len(asked)} turns of a user, wanted one question")
        return asked[0].strip()
    if not isinstance(value, str):
        raise ValueError(f"{where}: {name} is {str(value)[:80]!r}, wanted a text or a conversation")
    return value.strip()


def texts_of(row: RawRow, name: str, where: str) -> list[str]:
    """The texts of a column: one, a list, or what an assistant says last in one or several conversations."""
    value = row.get(name, "")
    several = value if isinstance(value, list) and not is_conversation(value) else [value]
    found = []
    for one in several:
        if is_conversation(one):
            said = [text for role, text in turns(one, f"{where}, {name}") if role == "assistant"]
            one = said[-1] if said else ""
        if not isinstance(one, str | None):
            raise ValueError(f"{where}: {name} holds {str(one)[:80]!r}, wanted a text or a conversation")
        found.append(one or "")
    return found


def responses_of(row: RawRow, columns: Responses, where: str) -> list[Response]:
    """A row's responses that say or think anything, in the order of the columns."""
    said = [text for name in columns.columns for text in texts_of(row, name, where)]
    thoughts = [text for name in columns.thoughts for text in texts_of(row, name, where)]
    told = row.get(columns.finished) if columns.finished else None
    ended = told if isinstance(told, list) else [told] * len(said) * (told is not None)
    for what, values in (("thoughts", thoughts), ("finished", ended)):
        if values and len(values) != len(said):
            raise ValueError(f"{where}: {len(said)} responses and {len(values)} `{what}`, wanted as many")
    found = []
    for place, text in enumerate(said):
        spoken_text, inline = taken_apart(text, columns)
        thought = "\n\n".join(filter(None, [thoughts[place].strip() if thoughts else "", inline]))
        reason = ("stop" if has_ended(ended[place]) else "length") if ended else UNKNOWN
        if spoken_text.strip() or thought:
            found.append(Response(spoken_text.strip(), thought, reason))
    return found


def has_ended(told: object) -> bool:
    return str(told).strip().lower() in ENDED


def taken_apart(text: str, columns: Responses) -> tuple[str, str]:
    """(what is said, what is thought), by the delimiters that the map names, else by the usual tags."""
    thought = ""
    if columns.thought_marks:
        before, opened, rest = text.partition(columns.thought_marks[0])
        if opened:
            thought, _, after = rest.partition(columns.thought_marks[1])
            text = before + after
    else:
        text, thought = spoken(text)
    if columns.said_marks and columns.said_marks[0] in text:
        text = text.partition(columns.said_marks[0])[2].partition(columns.said_marks[1])[0]
    return text, thought.strip()


def gold_answer(
    row: RawRow,
    columns: Columns,
    rules: AnswerRules,
    choices: list[str],
    responses: Iterable[Response],
    where: str,
) -> str | None:
    """As the docstring above has it; None for a row that states none."""
    if columns.answer and (given := row.get(columns.answer)) not in (None, ""):
        return rules.canonical(given, where, choices)
    if columns.answer:
        return None
    solutions = (
        texts_of(row, columns.solution, where) if columns.solution else [one.said for one in responses]
    )
    for text in solutions:
        stated = stated_answer(text, columns.answer_type, choices)
        if stated is not None and not rules.wanted(stated, where, choices):
            return stated
    return None
