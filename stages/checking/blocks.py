"""The blocks before work: each of params.yaml against its model, each plug-in against its contract."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stages.config.choosing import pinned
from stages.config.contamination import read_contamination
from stages.config.contracts import Method, Teacher, load_plug_in
from stages.config.curation import Curation, golden_file
from stages.config.dataset import Dataset
from stages.config.decoding import GREEDY, Decoding
from stages.config.endpoint import Endpoint, Price
from stages.config.load import Block, check, find
from stages.config.mentor import mentor_of
from stages.config.method import method_of
from stages.config.run import Run
from stages.config.split import Split
from stages.config.student import HostedStudent, Student, check_student
from stages.judging.consult import read_consulted
from stages.judging.simulate import read_simulator
from stages.parsing.checks import check_dataset
from stages.students.vocabularies import tokenizers_differ
from stages.teachers import joined

Params = dict[str, Any]
PLAIN: dict[str, type[Block]] = {
    "curations": Curation,
    "decodings": Decoding,
    "endpoints": Endpoint,
    "prices": Price,
    "splits": Split,
}
SINGLE = ("run", "contamination")
KNOWN = (*SINGLE, "datasets", "teachers", "simulators", "judges", "mentors", "methods", "students", *PLAIN)


class Checked(NamedTuple):
    """What the blocks mean, by name."""

    run: Run
    datasets: dict[str, Dataset]  # those that the run or a block names
    splits: Mapping[str, Split]
    teachers: dict[str, tuple[Teacher, Any]]  # backend and settings
    methods: dict[str, Method]
    students: dict[str, Student | HostedStudent]


def check_names(params: Params) -> None:
    if "decoding" in params:
        raise ValueError(
            "params.yaml: the block `decoding` has a name now, and a run lists the names: write"
            f" `decodings: {{{GREEDY}: ...}}` with what stood in it, and `run.decodings: [{GREEDY}]`"
        )
    for key in params:
        if key not in KNOWN:
            raise ValueError(f"params.yaml: unknown block `{key}`; legal blocks: {', '.join(KNOWN)}")


def check_endpoint(params: Params, values: Mapping[str, Any]) -> None:
    """Whatever is asked at an endpoint names one that there is."""
    if "endpoint" in values:
        find(params, f"endpoints.{values['endpoint']}")


def check_datasets(params: Params, run: Run) -> dict[str, Dataset]:
    varied = find(params, "datasets") if "datasets" in params else {}
    known = [name for pair in read_contamination(params).allow for name in pair]
    named = [*run.datasets, *run.extra_datasets, *varied, *known]
    return {name: check_dataset(name, params) for name in dict.fromkeys(named)}


def check_teachers(params: Params) -> dict[str, tuple[Teacher, Any]]:
    asked = find(params, "run").get("teachers") or []
    found = {}
    for name, values in find(params, "teachers").items():
        where = f"teachers.{name}"
        backend: Teacher = load_plug_in("teachers", find(params, where).get("backend"), f"{where}.backend")
        settings = check(where, values, backend.Settings)
        found[name] = (backend, settings)
        if method := getattr(settings, "method", None):
            method_of(method, find(params, "methods"), f"{where}.method")
        check_endpoint(params, values)
        if isinstance(settings, joined.Settings):
            joined.members(settings, params)
        given = values.get("answers") if name in asked else None
        if given and not Path(given).is_file():
            raise ValueError(f"params.yaml: `{where}.answers`: no file {given}")
    return found


def check_consulted(params: Params) -> None:
    """Simulators and judges: models that are asked ready texts; of simulators also rules."""
    for blocks, legal in (("simulators", read_simulator), ("judges", read_consulted)):
        for name in find(params, blocks):
            values = find(params, f"{blocks}.{name}")
            legal(f"{blocks}.{name}", values)
            check_endpoint(params, values)


def check_methods(params: Params) -> dict[str, Method]:
    methods = find(params, "methods")
    found = {}
    for name in methods:
        found[name], *_ = method_of(name, methods)
    return found


def check_students(params: Params) -> dict[str, Student | HostedStudent]:
    blocks = find(params, "students")
    for name in blocks:
        check_endpoint(params, find(params, f"students.{name}"))
    found = {name: check_student(f"students.{name}", values) for name, values in blocks.items()}
    for name, student in found.items():
        if isinstance(student, Student) and student.distil:
            check_distil(f"students.{name}.distil.teacher", student, student.distil.teacher, found)
    return found


def check_distil(
    where: str, student: Student, name: str, students: Mapping[str, Student | HostedStudent]
) -> None:
    """A teacher's probabilities are had, and of the student's tokens, as far as files of this machine say."""
    teacher = students.get(name)
    if not isinstance(teacher, Student):
        why = "no such block" if teacher is None else "a student at OpenAI, whose probabilities nobody has"
        known = ", ".join(other for other, one in students.items() if isinstance(one, Student))
        raise ValueError(f"params.yaml: `{where}`: got {name!r}, {why}; wanted one of {known}")
    files = [Path(base.path) / "tokenizer.json" for base in (student.base, teacher.base) if base.path]
    if len(files) == 2 and all(file.is_file() for file in files):
        ours, theirs = (json.loads(file.read_text(encoding="utf-8")) for file in files)
        if why := tokenizers_differ(ours, theirs):
            raise ValueError(f"params.yaml: `{where}`: {name!r} has another tokenizer: {why}")


def check_greedy(params: Params) -> None:
    """Tables leave this name out, so it has to be what it says."""
    greedy = check(f"decodings.{GREEDY}", params["decodings"].get(GREEDY) or {}, Decoding)
    if greedy.temperature > 0 or greedy.beams > 1:
        raise ValueError(
            f"params.yaml: `decodings.{GREEDY}` has a temperature or beams, and tables do not name it: give"
            " a block of another name to `run.decodings`, such as self_consistency_30"
        )


def check_curations(params: Params, run: Run) -> None:
    """What the curations of the run name is there: a list, files of known bytes."""
    for name in run.curations:
        if name not in find(params, "curations"):
            continue  # the grid says which there are
        where = f"curations.{name}"
        curation = check(where, find(params, where), Curation)
        if curation.golden:
            golden_file(curation.golden)
        if curation.length and curation.length.tokenizer:
            pinned(curation.length.tokenizer, f"{where}.length.tokenizer")
        if curation.verdicts:
            pinned(curation.verdicts, f"{where}.verdicts")
        if curation.judge:
            find(params, f"judges.{curation.judge.by}")


def check_blocks(params: Params) -> Checked:
    """Raises ValueError for the first fault found."""
    check_names(params)
    run = check("run", find(params, "run"), Run)
    datasets = check_datasets(params, run)
    teachers = check_teachers(params)
    check_consulted(params)
    methods = check_methods(params)
    for name in find(params, "mentors") if params.get("mentors") else {}:
        find(params, f"students.{name}")
        mentor_of(name, params)
    for axis, model in PLAIN.items():
        for name, values in find(params, axis).items():
            check(f"{axis}.{name}", values, model)
    check_greedy(params)
    check_curations(params, run)
    splits = {name: check(f"splits.{name}", values, Split) for name, values in find(params, "splits").items()}
    return Checked(run, datasets, splits, teachers, methods, check_students(params))
