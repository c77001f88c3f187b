"""Contracts: what a plug-in has, for whoever writes one and for `check`, which refuses what lacks a name.

A plug-in is a module: stages/methods/NAME.py, stages/teachers/NAME.py, and stages/datasets/NAME.py where a
data set needs a parser of its own.
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from textwrap import indent
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from stages.config.load import Block
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence


class Method(Protocol):
    """What is asked and what is trained, in one file, so that what is asked begins what was trained.

    LEARNS_FROM    a teacher's "rationales", the gold "answers", or "nothing": then it only asks
    TASKS          the tasks whose losses it adds up, in the segments it renders; () where it only asks
    Settings       its block `methods.NAME` of params.yaml, with a default for each field
    render         the texts to train on, from an example and its curated completions; [] where it only asks
    ask            the prompt of the next step, after the texts that earlier steps got; None: no more steps
    answer_prefix  the mark before the answer in the last text; "": the last text is the answer
    stops          the marks that end a text

    It may have more:
    MAX_TOKENS     tokens of an answer where the teacher's block says `max_tokens: auto` (default: 128)
    """

    @property
    def LEARNS_FROM(self) -> str: ...
    @property
    def TASKS(self) -> tuple[str, ...]: ...
    @property
    def Settings(self) -> type[Block]: ...
    def render(self, example: Example, completions: list[Completion], settings: Any) -> list[Sequence]: ...
    def ask(self, example: Example, texts: list[str], settings: Any, demonstrations: str) -> str | None: ...
    def answer_prefix(self, settings: Any) -> str: ...
    def stops(self, settings: Any) -> list[str]: ...


@runtime_checkable
class GivesWrongAnswers(Protocol):
    """Of a method that has a teacher argue for a wrong answer in some samples (CasCoD's SCOTT).

    given      the wrong answer of a sample, of those there are of each subtask and type; None: it is asked
               for its own
    ask_given  `ask` for a rationale of that answer
    """

    def given(
        self,
        example: Example,
        sample: int,
        answers: Mapping[tuple[str | None, str], tuple[str, ...]],
        settings: Any,
    ) -> str | None: ...
    def ask_given(
        self, example: Example, wrong: str, texts: list[str], settings: Any, demonstrations: str
    ) -> str | None: ...


class Teacher(Protocol):
    """A backend: where a teacher's completions come from.

    Settings  the blocks under `teachers` that name this backend, the key `backend` among its fields
    complete  every question's completions, in the order of the questions and of their samples. `raw` is the
              folder data/raw/NAME of the data set, `demonstrations` what stands before a few-shot question

    It may have more:
    complete, plan and missing(..., fewer={question: samples})   where its Settings has `samples_test`
    `samples` in its Settings        completions a question: `check` refuses a curation that wants more
    cannot_teach(dataset: str, settings) -> str | None   why not, before any work; `check` asks for it
    plan(examples, settings, demonstrations) -> str      what would be asked, and what it would cost
    missing(examples, settings, demonstrations) -> dict[str, int]   what did not come, by kind
    coverage(examples, settings, raw) -> object          for metrics/teachers: what each source had
    verbatim(settings) -> Settings   with these, `complete` asks each question as it stands: so it can judge
                                     and simulate
    solve(example, settings) -> str  the answer by rule: so it can simulate without a model
    """

    @property
    def Settings(self) -> type[Block]: ...
    def complete(
        self, examples: list[Example], settings: Any, raw: Path, demonstrations: str
    ) -> Iterator[Completion]: ...


class Parser(Protocol):
    """Of a data set whose YAML names neither `columns` nor a `reader`.

    parse  all examples of the folder data/raw/NAME, in the order of the published row numbers

    A generated task has `Settings` too, and `rationale(question, rng, wrong)`, the scripted teacher's rules.
    """

    def parse(self, raw: Path) -> list[Example]: ...


CONTRACTS: dict[str, type] = {"methods": Method, "teachers": Teacher, "datasets": Parser}
# what no signature shows
EXAMPLES = {
    "LEARNS_FROM": 'LEARNS_FROM = "rationales"  # or "answers", or "nothing"',
    "TASKS": 'TASKS = ("cot",)',
    "Settings": "class Settings(Block): ...",
}


def lines_of(contract: type) -> dict[str, str]:
    """Name -> the line to write for it."""
    lines = {}
    (body,) = ast.parse(inspect.getsource(contract)).body
    assert isinstance(body, ast.ClassDef)
    for node in body.body:
        if isinstance(node, ast.FunctionDef):
            node.args.args = node.args.args[1:]  # a module's function has no self
            signature = ast.unparse(node).replace("settings: Any", "settings: Settings")
            lines[node.name] = EXAMPLES.get(node.name, signature.replace("\n   ", ""))
    return lines


def missing(plug_in: ModuleType, contract: type) -> list[str]:
    """The lines to write for the names that a plug-in lacks."""
    return [line for name, line in lines_of(contract).items() if not hasattr(plug_in, name)]


def load_plug_in(folder: str, name: object, where: str) -> Any:
    """stages/FOLDER/NAME.py. Raises ValueError with the lines to write for what is not there."""
    contract = CONTRACTS[folder]
    file = f"stages/{folder}/{name}.py"
    if not isinstance(name, str) or not name.isidentifier() or find_spec(f"stages.{folder}.{name}") is None:
        lines = indent("\n".join(lines_of(contract).values()), "  ")
        raise ValueError(f"params.yaml: `{where}`: {file} does not exist. To write it, it has:\n{lines}")
    try:
        plug_in = import_module(f"stages.{folder}.{name}")
    except SyntaxError as error:
        raise ValueError(f"{file} line {error.lineno}: {error.msg}") from error
    if lacking := missing(plug_in, contract):
        lines = indent("\n".join(lacking), "  ")
        raise ValueError(f"{file} (`{where}`) is no {contract.__name__.lower()} yet. It lacks:\n{lines}")
    return plug_in
