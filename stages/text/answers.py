"""Answers: read the answer out of a model's text, in one of three ways, and compare it with the gold answer.

No answer found is None: that is another outcome than a wrong answer, and never correct. What each type of
answer decides: stages/text/answer_types.py.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from stages.records.completion import Completion, Reader
from stages.records.example import Example
from stages.text.answer_types import rules_of
from stages.text.gold import LETTERS
from stages.text.stated import read_stated, stated_answer
from stages.text.thoughts import split_thoughts

LETTER = re.compile(r"\W*([A-Za-z])(?![\w'])")


class Reading(NamedTuple):
    """The answer in a text, read in two ways."""

    strict: str | None  # by the reader's rule, where the rule looks for it
    lenient: str | None  # as a person would read it, wherever it stands
    formatted: bool  # what introduces an answer is there


def read_answer(
    text: str, answer_prefix: str, answer_type: str, choices: Sequence[str] = (), reader: Reader = "kojima"
) -> Reading:
    """The answer in the last text of a completion, by one of the three readers. `choices` are the option
    texts; an `answer_prefix` of "" means that the text is the answer.
    """
    return READERS[reader](text, answer_prefix, answer_type, choices)


def read_kojima(text: str, answer_prefix: str, answer_type: str, choices: Sequence[str]) -> Reading:
    """The published rule (Kojima et al. 2022): the first answer behind the first prefix.

    strict: None without prefix or answer. lenient: the first one found there, else the last one of the whole
    text, as in the released evaluation of Fine-tune-CoT; but "the answer is (E)" of two options is none. A
    mathematical answer in a box needs no prefix.
    """
    rules = rules_of(answer_type)
    _, prefix, tail = text.partition(answer_prefix) if answer_prefix else ("", "", text)
    formatted = prefix == answer_prefix
    if rules.marked(text):
        tail = text
        formatted = True
    strict = rules.strict(tail, choices)[:1] if formatted else []
    behind = rules.lenient(tail, choices)[:1] if formatted else []
    lenient = behind
    if not behind and not (formatted and rules.lettered and names_none(tail, choices)):
        lenient = rules.lenient(text, choices)[-1:]
    return Reading(strict[0] if strict else None, lenient[0] if lenient else None, formatted)


def names_none(tail: str, choices: Sequence[str]) -> bool:
    """Whether a letter is stated that no option has."""
    letter = LETTER.match(tail)
    return bool(letter and letter[1].upper() not in LETTERS[: len(choices)])


def read_marked(text: str, answer_prefix: str, answer_type: str, choices: Sequence[str]) -> Reading:
    """What the method's own mark introduces, to the end of the line: the last mark where there are several,
    the value as today's models write it. lenient: without a mark, what is stated.
    """
    said, _ = split_thoughts(text)
    _, prefix, tail = said.rpartition(answer_prefix) if answer_prefix else ("", "", said)
    if prefix != answer_prefix:
        return Reading(None, stated_answer(said, answer_type, choices), False)
    line = next((line for line in tail.splitlines() if line.strip()), "")
    answer = rules_of(answer_type).stated(line, True, choices) or None
    return Reading(answer, answer, True)


def read_as_stated(text: str, answer_prefix: str, answer_type: str, choices: Sequence[str]) -> Reading:
    """What a chat or reasoning model states, whatever introduces it; formatted: something does."""
    answer, announced = read_stated(text, answer_type, choices)
    return Reading(answer, answer, announced)


READERS: dict[Reader, Callable[[str, str, str, Sequence[str]], Reading]] = {
    "kojima": read_kojima,
    "marked": read_marked,
    "stated": read_as_stated,
}


def reading_of(completion: Completion, example: Example) -> Reading:
    """The answer in a completion's last text by its reader, where it is stated first: what is scored.

    A corpus takes the last place: stages/corpus/filters.py.
    """
    choices = example.choices or []
    text = completion.texts[-1]
    return read_answer(text, completion.answer_prefix, example.answer_type, choices, completion.reader)


def is_correct(answer: str | None, gold: str, answer_type: str) -> bool:
    """Whether a read answer is the gold one; None never is. Raises ValueError for a number that is none."""
    rules = rules_of(answer_type)
    return answer is not None and rules.equal(answer, gold)
