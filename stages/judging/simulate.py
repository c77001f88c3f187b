"""Simulate: what another model takes a student's answer to be, from the question alone or with the student's
rationale (CasCoD section 4.6).

The two prompts have the parts of its Tables 10 and 11: instruction, task description, question, rationale,
the place of the answer.
Differs: own words, and no "Task description:" where the data has none. The system's message is the block's
`system` (difference 43).
"""

import re
from collections.abc import Sequence
from typing import Any

from stages.config.contracts import load_plug_in
from stages.config.load import check, find, read_params
from stages.judging import consult
from stages.records.demonstrations import demonstrations_for
from stages.records.example import Example
from stages.text.answer_types import rules_of
from stages.text.answers import read_answer

# an answer prefix that no text has: a lenient reading then takes the last answer of the whole text
NOWHERE = "\0"

Asked = Sequence[tuple[Example, str]]  # a question, and a rationale or "" for the question alone


def task_of(demonstrations: str, example: Example) -> str:
    """The task's description: what stands before the first demonstration, "" where nothing does."""
    return re.split(r"(?:^|\n\s*)Q: ", demonstrations_for(example, demonstrations).strip())[0].strip()


def simulator_prompt(example: Example, rationale: str, demonstrations: str) -> str:
    """Question alone (Table 10), or question and rationale (Table 11)."""
    sources = "the question and the rationale" if rationale else "the question"
    task = task_of(demonstrations, example)
    parts = [f"Read {sources}. Then reply with your answer to the question alone, without an explanation."]
    parts += [f"Task description: {task}"] if task else []
    parts += [f"Question: {example.question.strip()}"]
    parts += [f"Rationale: {rationale}"] if rationale else []
    return "\n\n".join([*parts, "Your answer:"])


def prompts(asked: Asked, demonstrations: str) -> list[str]:
    return [simulator_prompt(example, rationale, demonstrations) for example, rationale in asked]


def by_rule(example: Example, rationale: str, backend: Any, settings: Any) -> str:
    """No model: the last answer that the rationale names (of free text the last word), else where the
    backend's rules lead.
    """
    ending = rationale.split()[-1:] if rules_of(example.answer_type).any_word else [rationale]
    named = read_answer("".join(ending), NOWHERE, example.answer_type, example.choices or []).lenient
    return named or str(backend.solve(example, settings))


def read_simulator(where: str, values: dict[str, Any]) -> tuple[Any, Any]:
    """Backend and settings of a block such as `simulators.gpt`: of rules, which `solve` a question, or of a
    model that is asked ready texts. Raises ValueError for a faulty block of either kind.
    """
    backend = load_plug_in("teachers", values.get("backend"), f"{where}.backend")
    if hasattr(backend, "solve"):
        return backend, check(where, values, backend.Settings)
    return consult.read_consulted(where, values)


def simulate(name: str, asked: Asked, demonstrations: str) -> list[str | None]:
    """What the simulator `simulators.<name>` says to each question, with its rationale where there is one;
    None: nothing came.
    """
    where = f"simulators.{name}"
    backend, settings = read_simulator(where, find(read_params(), where))
    if hasattr(backend, "solve"):
        return [by_rule(example, rationale, backend, settings) for example, rationale in asked]
    return consult.consult(where, prompts(asked, demonstrations))


def plan(name: str, asked: Asked, demonstrations: str) -> str:
    """What `simulate` would ask for, and what it would cost."""
    where = f"simulators.{name}"
    backend, _ = read_simulator(where, find(read_params(), where))
    if hasattr(backend, "solve"):
        return f"{where} is not paid: nothing to estimate"
    return consult.plan(where, prompts(asked, demonstrations))
