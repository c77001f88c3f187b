"""Answers: read the answer out of a model's text, and compare it with the gold answer.

No answer found is None: that is another outcome than a wrong answer, and never correct. What each type of
answer decides: stages/text/answer_types.py.
"""

from collections.abc import Sequence
from typing import NamedTuple

from stages.records.completion import Completion
from stages.records.example import Example
from stages.text.answer_types import rules_of


class Reading(NamedTuple):
    """The answer in a text, read in two ways."""

    strict: str | None  # by the published rule, only after the answer prefix
    lenient: str | None  # as a person would read it, wherever it stands
    formatted: bool  # the answer prefix is there


def read_answer(text: str, answer_prefix: str, answer_type: str, choices: Sequence[str] = ()) -> Reading:
    """The answer in the last text of a completion.

    strict: the first one found after the first `answer_prefix` ("": from the start); None without prefix or
    answer. lenient: the first one found there, else the last one of the whole text, as in the released
    evaluation of Fine-tune-CoT. `choices` are the option texts. A mathematical answer in a box needs no
    prefix.
    """
    rules = rules_of(answer_type)
    _, prefix, tail = text.partition(answer_prefix) if answer_prefix else ("", "", text)
    formatted = prefix == answer_prefix
    if rules.marked(text):
        tail = text
        formatted = True
    strict = rules.strict(tail, choices)[:1] if formatted else []
    behind = rules.lenient(tail, choices)[:1] if formatted else []
    lenient = behind or rules.lenient(text, choices)[-1:]
    return Reading(strict[0] if strict else None, lenient[0] if lenient else None, formatted)


def reading_of(completion: Completion, example: Example) -> Reading:
    """The answer in a completion's last text, where it is stated first: what is scored.

    A corpus takes the last place: stages/corpus/filters.py.
    """
    text = completion.texts[-1]
    return read_answer(text, completion.answer_prefix, example.answer_type, example.choices or [])


def is_correct(answer: str | None, gold: str, answer_type: str) -> bool:
    """Whether a read answer is the gold one; None never is. Raises ValueError for a number that is none."""
    rules = rules_of(answer_type)
    return answer is not None and rules.equal(answer, gold)
