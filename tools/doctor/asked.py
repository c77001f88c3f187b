"""Asked: who is asked at which endpoint - models without a name, servers that do not answer, missing keys."""

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stages.asking.conversation import with_wrong_answers
from stages.asking.reseed import reseed
from stages.config.endpoint import Endpoint
from stages.config.student import HostedStudent
from stages.endpoint.estimate import Plan
from stages.endpoint.keys import api_key
from stages.endpoint.transport import mode_of, plan_figures
from stages.teach import less_often
from stages.teachers import openai
from tools.doctor.findings import Finding
from tools.doctor.setting import Setting
from tools.tables import print_table

PLACEHOLDER = "MODEL"  # what params.yaml says where only the user knows the name
HERE = ("localhost", "127.0.0.1", "::1")
PATIENCE = 0.3  # seconds for a server of this machine to take a call
MOST = 400  # conversations that are rehearsed of a data set, and
LEAST = 50  # questions of it at least: figures of all are scaled


@dataclass(frozen=True)
class Question:
    """What a teacher is asked about a data set; None: unknown until the data set is here."""

    teacher: str
    dataset: str
    endpoint: str
    model: str
    completions: int | None  # wanted in all
    missing: int | None  # answers that are not in the store
    plan: Plan | None = None
    seen: float = 1.0  # share of the questions that the figures rest on


def wanted_at(setting: Setting) -> Iterator[tuple[str, Any]]:
    """(block, settings) of all that are asked at an endpoint besides teachers."""
    curations = [setting.params["curations"][name] for name in setting.run.curations]
    judges = dict.fromkeys(values["judge"]["by"] for values in curations if values.get("judge"))
    consulted = [("simulators", name) for name in setting.run.simulators]
    for blocks, name in [*consulted, *(("judges", name) for name in judges)]:
        values = setting.params[blocks][name]
        if values.get("backend") == "openai":
            yield f"{blocks}.{name}", openai.Settings.model_validate(values)
    for name in setting.run.students:
        if isinstance(student := setting.checked.students[name], HostedStudent):
            yield f"students.{name}", student


def questions(setting: Setting) -> list[Question]:
    """What the run's teachers at endpoints are asked, data set by data set."""
    teachers = [(name, one) for name, one in setting.teachers() if one.backend == "openai"]
    return [
        question(setting, name, one, dataset)
        for (name, one), dataset in product(teachers, setting.run.datasets)
    ]


def question(setting: Setting, name: str, settings: openai.Settings, dataset: str) -> Question:
    book = setting.book(dataset)
    told = (name, dataset, settings.endpoint, settings.model)
    text = shown(setting, dataset)
    if book.examples is None or text is None:
        completions = None if book.rows is None else book.rows * settings.samples
        return Question(*told, completions, None if settings.answers else completions)
    store = setting.shelf.store
    reseed(store, Path(settings.answers) if settings.answers else None)
    fewer = less_often(name, settings, not_learned(setting, settings, dataset)).get("fewer")
    asked = with_wrong_answers(openai.asking(settings, text, fewer, setting.params), book.examples)
    completions = sum(map(asked.samples_of, book.examples))
    some = book.examples[:: ceil(len(book.examples) / max(LEAST, MOST // settings.samples))]
    try:
        plan, _ = plan_figures(some, asked, setting.endpoint(settings.endpoint), setting.prices(), store)
    except ValueError:  # without demonstrations: another finding
        return Question(*told, completions, completions)
    share = len(some) / len(book.examples)
    return Question(*told, completions, round((plan.samples + plan.under_way) / share), plan, share)


def shown(setting: Setting, dataset: str) -> str | None:
    """A data set's demonstrations; None where they are not here, or will not be."""
    try:
        return setting.book(dataset).demonstrations
    except ValueError:
        return None


def not_learned(setting: Setting, settings: openai.Settings, dataset: str) -> list[str]:
    """As stages/allot.py finds them."""
    book = setting.book(dataset)
    if settings.samples_test is None or book.examples is None or book.folder is None:
        return []
    from stages.corpus.parts import learned_from  # numpy and scipy take half a second

    splits = [setting.checked.splits[name] for name in setting.run.splits]
    learned = learned_from(book.examples, splits, book.folder)
    return [example.id for example in book.examples if example.id not in learned]


# ---- findings


def still_asked(setting: Setting, asked: list[Question]) -> dict[str, tuple[str, str]]:
    """Block -> (endpoint, model), of those that need an answer which the store does not have."""
    blocks = {f"teachers.{one.teacher}": (one.endpoint, one.model) for one in asked if one.missing != 0}
    return blocks | {where: (one.endpoint, one.model) for where, one in wanted_at(setting)}


def find_placeholders(setting: Setting, asked: list[Question]) -> Iterator[Finding]:
    """A model that nobody named."""
    for where, (endpoint, model) in still_asked(setting, asked).items():
        if model == PLACEHOLDER:
            address = setting.endpoint(endpoint).base_url
            remedy = f"set `{where}.model` to the name by which {address} serves it"
            yield Finding(
                "placeholders", "stops", where, f"its model is {PLACEHOLDER}, a placeholder", remedy
            )


def find_keys(setting: Setting, asked: list[Question]) -> Iterator[Finding]:
    """An endpoint's key that is not in the environment. What it holds is told nowhere."""
    for name in dict.fromkeys(endpoint for endpoint, _ in still_asked(setting, asked).values()):
        endpoint = setting.endpoint(name)
        if mode_of(endpoint) == "replay":
            continue
        try:
            api_key(name, endpoint)
        except ValueError as error:
            yield Finding("keys", "stops", f"endpoints.{name}", str(error))


def find_servers(setting: Setting, asked: list[Question]) -> Iterator[Finding]:
    """A server of this machine that takes no call. Servers elsewhere are not called."""
    for name in dict.fromkeys(endpoint for endpoint, _ in still_asked(setting, asked).values()):
        endpoint = setting.endpoint(name)
        if mode_of(endpoint) != "replay" and answers(endpoint) is False:
            remedy = f"start it{f': `cot serve {name}`' if endpoint.serve else ''}"
            where = f"endpoints.{name}"
            yield Finding("servers", "warning", where, f"nothing answers at {endpoint.base_url}", remedy)


def answers(endpoint: Endpoint) -> bool | None:
    """Whether a server of this machine takes calls; None: it is elsewhere."""
    address = urlsplit(endpoint.base_url)
    if address.hostname not in HERE:
        return None
    return takes_calls(address.hostname, address.port or (443 if address.scheme == "https" else 80))


@cache
def takes_calls(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), PATIENCE):
            return True
    except OSError:
        return False


def scaled(plan: Plan, share: float) -> Plan:
    """The figures of all questions, from those of a share of them."""

    def whole(value: float | None) -> float | None:
        return None if value is None else value / share

    return replace(plan, dollars=whole(plan.dollars), at_most=whole(plan.at_most))


def print_questions(asked: Iterable[Question]) -> None:
    """Who is asked how much."""
    rows = [(one.teacher, one.dataset, one.model, one.completions, one.missing) for one in asked]
    print_table(("teacher", "data set", "model", "completions", "not in the store"), rows)
