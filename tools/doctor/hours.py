"""Hours: what trainings and answers take, from rates that were measured here and counts of tokens.

An estimate, and it says on what it rests. Tokens: questions by their characters, rationales as in
metrics/rendered, else as in tools/benchmark/lengths.json. Rates: tools/doctor/rates.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from stages.config.decoding import Decoding
from stages.config.load import check
from stages.config.mentor import mentor_of
from stages.config.second import second_settings
from stages.config.student import Student
from stages.records.jsonl import read_object
from stages.teachers.released import SOURCES
from tools.benchmark import LENGTHS
from tools.doctor.findings import Finding
from tools.doctor.rates import HOUR, duration, gpu_seconds, rate
from tools.doctor.setting import Setting
from tools.doctor.weights import free_memory, sized
from tools.presets.reading import DEFAULT, read_overlay

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


def default_texts() -> set[str]:
    """Names of the default grid's files in metrics/rendered, which every clone has."""
    run = read_overlay(DEFAULT)["run"]
    cut = run["datasets"], run["splits"]
    taught = product(*cut, run["teachers"], run["curations"], run["methods"])
    return {"-".join(axes) for axes in (*taught, *product(*cut, run["baselines"]))}


@cache
def rendered_tokens(new: bool) -> dict[tuple[str, str], float]:
    """(data set, method) -> tokens of a target, as the tree's cells have them. new: of those in a clone."""
    found = {}
    cloned = default_texts() if new else set()
    for path in sorted(RENDERED.glob("*.json")):
        if new and path.stem not in cloned:
            continue
        told = read_object(path)
        tasks = told["train"]["tasks"].values()
        if sequences := told["train"].get("sequences"):
            characters = sum(task["characters"] for task in tasks)
            found[path.stem.split("-")[0], told["method"]] = characters / sequences / CHARACTERS
    return found


@cache
def published_tokens() -> dict[str, float]:
    """Data set -> tokens of a published rationale."""
    lengths = read_object(LENGTHS)["datasets"]
    return {name: one["means"][1] for name, one in lengths.items()}


def target_tokens(setting: Setting, dataset: str, method: str) -> float:
    if (known := rendered_tokens(setting.shelf.new).get((dataset, method))) is not None:
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


class Texts(NamedTuple):
    """Questions of a split's parts, and tokens of one."""

    train: int
    learned: int  # of train and validation
    test: int
    question: float


def texts(setting: Setting, dataset: str, split: str) -> Texts | None:
    """None: not here."""
    book = setting.book(dataset)
    try:
        parts = book.parts(setting.checked.splits[split])
    except ValueError:  # another finding
        return None
    if parts is None:
        return None
    train, validation, test = (len(parts[part]) for part in ("train", "validation", "test"))
    return Texts(train, train + validation, test, book.characters / CHARACTERS)


def cells_of(setting: Setting, name: str, student: Student) -> list[tuple[str, int, Student]]:
    """(method, completions a question, settings of the training) of each training on a data set's split."""
    run, params = setting.run, setting.params
    corpora = [completions_kept(setting, *pair) for pair in product(run.teachers, run.curations)]
    cells = [(method, kept, student) for method in run.methods for kept in corpora]
    again = [(one, second_settings(one, params["methods"], student)) for one in run.second_methods]
    cells += [(method, kept, how) for _ in run.first_methods for method, how in again for kept in corpora]
    rounds = mentor_of(name, params).rounds if name in run.mentors else 1
    drawn = [mentor_of(one, params).samples for one in run.mentors] if name in run.mentored else []
    cells += [
        (method, kept + more, student)
        for more in drawn
        for method in rounds * run.methods
        for kept in corpora
    ]
    return cells + [(method, 1, student) for method in run.baselines]


def asked_as_mentor(setting: Setting, name: str, dataset: str, learned: int) -> float:
    """Tokens that a student writes for others, or for itself, about questions of a data set; with hints at
    most twice.
    """
    run = setting.run
    if name not in run.mentors:
        return 0.0
    mentor = mentor_of(name, setting.params)
    asked = learned * mentor.rounds * mentor.samples * (1 + mentor.hints)
    each = asked * len(run.teachers) * len(run.curations)
    return sum(each * target_tokens(setting, dataset, method) for method in run.methods)


def work_of(setting: Setting, name: str, student: Student) -> Work:
    run = setting.run
    trained = written = 0.0
    unknown = []
    decodings = decodings_of(setting)
    cells = cells_of(setting, name, student)
    for dataset, split in product(run.datasets, run.splits):
        targets = [texts(setting, dataset, split)]
        targets += [texts(setting, target, split_of(setting, target, split)) for target in run.transfers]
        if targets[0] is None or None in targets:
            unknown.append(dataset)
        own = targets[0] or Texts(0, 0, 0, 0.0)
        tests = sum(one.test for one in targets if one)
        for method, kept, how in cells:
            learns = setting.method(method)[0].LEARNS_FROM != "nothing"
            target = target_tokens(setting, dataset, method)
            if learns:
                trained += seen(how, own.train * kept) * (own.question + target)
            for one in decodings:
                length = min(target, one.max_new_tokens) if learns else one.max_new_tokens
                written += tests * one.samples * length
        written += asked_as_mentor(setting, name, dataset, own.learned)
    known = rendered_tokens(setting.shelf.new)
    assumed = [name for name in run.datasets if not any(at == name for at, _ in known)]
    seeds = len(run.seeds)
    return Work(trained * seeds, written * seeds, tuple(dict.fromkeys(unknown)), tuple(assumed))


def split_of(setting: Setting, target: str, split: str) -> str:
    return "extra" if target in setting.run.extra_datasets else split


def seen(student: Student, sequences: int) -> int:
    """Texts of a training, each as often as it is seen."""
    return student.max_steps * student.batch_size if student.max_steps else student.epochs * sequences


def seconds_of(work: Work, parameters: int) -> tuple[float, float]:
    """Of one core, by measured rates, and of an A100, by arithmetic."""
    core = work.trained / rate("train", parameters) + work.written / rate("write", parameters)
    return core, gpu_seconds(parameters, work.trained, work.written)


def find_hours(setting: Setting) -> Iterator[Finding]:
    _, device = free_memory()
    for where, student, parameters in sized(setting):
        if parameters is None:
            continue
        work = work_of(setting, where.partition(".")[2], student)
        core, gpu = seconds_of(work, parameters)
        told = (
            f"at most {work.trained / 1e6:,.1f} M tokens trained and {work.written / 1e6:,.1f} M written:"
            f" {duration(core)} of one core by measured rates, {duration(gpu)} of an A100"
            " by arithmetic"
        )
        if work.assumed:
            told += f"; rationales of {', '.join(work.assumed)} are taken to be as long as published ones"
        if {*work.unknown} >= {*setting.run.datasets}:
            told = f"unknown: of {', '.join(work.unknown)} nothing is here yet; `dvc repro split` fetches it"
        elif work.unknown:
            told += f" (without {', '.join(work.unknown)}, not here yet: it is more)"
        if student.distil:
            told += f"; without what students.{student.distil.teacher} computes to teach it"
        slow = device == "CPU" and core > DAY * HOUR
        remedy = "take a GPU, or a smaller size" if slow else ""
        yield Finding("hours", "warning" if slow else "ok", where, told, remedy)
