"""Hours: what trainings and answers take, from rates that were measured here and counts of tokens.

An estimate, and it says on what it rests. Tokens: questions by their characters, rationales as in
metrics/rendered, else as in tools/benchmark/lengths.json. Rates: tools/doctor/rates.py.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from stages.config.decoding import Decoding
from stages.config.load import check
from stages.config.mentor import mentor_of
from stages.config.student import Student
from stages.teachers.released import SOURCES
from tools.benchmark import LENGTHS
from tools.doctor.findings import Finding
from tools.doctor.rates import HOUR, duration, gpu_seconds, rate
from tools.doctor.setting import Setting
from tools.doctor.weights import free_memory, sized

RENDERED = Path("metrics/rendered")
CHARACTERS = 4  # a token of English prose (OpenAI's rule of thumb)
ANSWER = 6  # tokens of a bare answer with its marks
DAY = 24.0  # hours on one core from which on a GPU is advised


@dataclass(frozen=True)
class Work:
    """Of one student: tokens that are trained and written, at most, without data sets that are not here."""

    trained: float
    written: float
    unknown: tuple[str, ...]
    assumed: tuple[str, ...]  # data sets whose rationales are taken to be as long as published ones


@cache
def rendered_tokens() -> dict[tuple[str, str], float]:
    """(data set, method) -> tokens of a target, as the tree's cells have them."""
    found = {}
    for path in sorted(RENDERED.glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        tasks = told["train"]["tasks"].values()
        if sequences := told["train"].get("sequences"):
            characters = sum(task["characters"] for task in tasks)
            found[path.stem.split("-")[0], told["method"]] = characters / sequences / CHARACTERS
    return found


@cache
def published_tokens() -> dict[str, float]:
    """Data set -> tokens of a published rationale."""
    lengths = json.loads(LENGTHS.read_text(encoding="utf-8"))["datasets"]
    return {name: one["means"][1] for name, one in lengths.items()}


def target_tokens(setting: Setting, dataset: str, method: str) -> float:
    if (known := rendered_tokens().get((dataset, method))) is not None:
        return known
    if setting.method(method)[0].LEARNS_FROM == "answers":
        return ANSWER
    means = published_tokens()
    return means.get(dataset, means["bbh_cascod"] if dataset == "bbh" else mean(means.values()))


def samples_of(settings: Any) -> int:
    """Completions a question, at most."""
    sources = getattr(settings, "sources", None)
    if sources:
        return sum(SOURCES[source].samples for source in sources)
    return int(getattr(settings, "samples", None) or 1)


def completions_kept(setting: Setting, teacher: str, curation: str) -> int:
    """Completions a question that become texts, at most: if all are right."""
    there = sum(samples_of(setting.checked.teachers[one][1]) for one in setting.joined(teacher))
    budget = setting.params["curations"][curation]
    if budget.get("mix"):
        return 1
    wanted = budget.get("per_question") or (budget.get("select") or {}).get("keep")
    return min(there, wanted) if wanted else there


def decodings_of(setting: Setting) -> list[Decoding]:
    """The ways in which every student is asked."""
    blocks = setting.params["decodings"]
    return [check(f"decodings.{name}", blocks[name], Decoding) for name in setting.run.decodings]


def texts(setting: Setting, dataset: str, split: str) -> tuple[int, int, float] | None:
    """(train questions, test questions, tokens of a question); None: not here."""
    book = setting.book(dataset)
    try:
        parts = book.parts(setting.checked.splits[split])
    except ValueError:  # another finding
        return None
    if parts is None:
        return None
    return len(parts["train"]), len(parts["test"]), book.characters / CHARACTERS


def work_of(setting: Setting, name: str, student: Student) -> Work:
    run = setting.run
    rounds = mentor_of(name, setting.params).rounds if name in run.mentors else 1
    mentors = run.mentors if name in run.mentored else []
    trained = written = 0.0
    unknown = []
    decodings = decodings_of(setting)
    corpora = [completions_kept(setting, *pair) for pair in product(run.teachers, run.curations)]
    for dataset, split in product(run.datasets, run.splits):
        targets = [texts(setting, dataset, split)]
        targets += [texts(setting, target, split_of(setting, target, split)) for target in run.transfers]
        if targets[0] is None or None in targets:
            unknown.append(dataset)
        train, _, question = targets[0] or (0, 0, 0.0)
        tests = sum(one[1] for one in targets if one)
        methods = run.methods + len(run.first_methods) * run.second_methods
        cells = [(method, kept) for method in methods for kept in corpora]
        drawn = [mentor_of(mentor, setting.params).samples for mentor in mentors]
        cells += [
            (method, kept + more) for more in drawn for method in rounds * run.methods for kept in corpora
        ]
        cells += [(method, 1) for method in run.baselines]
        for method, kept in cells:
            learns = setting.method(method)[0].LEARNS_FROM != "nothing"
            target = target_tokens(setting, dataset, method)
            if learns:
                trained += seen(student, train * kept) * (question + target)
            for one in decodings:
                length = min(target, one.max_new_tokens) if learns else one.max_new_tokens
                written += tests * one.samples * length
        if name in run.mentors:
            each = train * rounds * mentor_of(name, setting.params).samples * len(corpora)
            written += sum(each * target_tokens(setting, dataset, method) for method in run.methods)
    assumed = [name for name in run.datasets if not any(at == name for at, _ in rendered_tokens())]
    seeds = len(run.seeds)
    return Work(trained * seeds, written * seeds, tuple(dict.fromkeys(unknown)), tuple(assumed))


def split_of(setting: Setting, target: str, split: str) -> str:
    return "extra" if target in setting.run.extra_datasets else split


def seen(student: Student, sequences: int) -> int:
    """Texts of a training, each as often as it is seen."""
    return student.max_steps * student.batch_size if student.max_steps else student.epochs * sequences


def find_hours(setting: Setting) -> Iterator[Finding]:
    _, device = free_memory()
    for where, student, parameters in sized(setting):
        if parameters is None:
            continue
        work = work_of(setting, where.partition(".")[2], student)
        core = work.trained / rate("train", parameters) + work.written / rate("write", parameters)
        gpu = gpu_seconds(parameters, work.trained, work.written)
        told = (
            f"at most {work.trained / 1e6:,.1f} M tokens trained and {work.written / 1e6:,.1f} M written:"
            f" {duration(core)} of one core by measured rates, {duration(gpu)} of an A100"
            " by arithmetic"
        )
        if work.assumed:
            told += f"; rationales of {', '.join(work.assumed)} are taken to be as long as published ones"
        if work.unknown:
            told += f" (without {', '.join(work.unknown)}, not here yet)"
        slow = device == "CPU" and core > DAY * HOUR
        remedy = "take a GPU, or a smaller size" if slow else ""
        yield Finding("hours", "warning" if slow else "ok", where, told, remedy)
