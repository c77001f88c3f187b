"""Stamps: data/code/NAME, one for each stage and plug-in; a cell depends on its own and on no other code.

A stamp has a line "<sha256>  <part>" for everything that decides what the stage writes and that DVC does not
see by itself: the files of its code, blocks of params.yaml, parts of a data set's YAML, files of local/.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.checking.code import ROOT
from stages.checking.parts import Params, Stamp, block, code, local_files, method_code, value_hash
from stages.config.curation import golden_file
from stages.config.dataset import demonstrations_file, prepare_part, source_part
from stages.config.decoding import GREEDY
from stages.config.load import find, read_yaml
from stages.config.run import Run, methods_of
from stages.config.second import second_block
from stages.config.student import Student, check_student
from stages.records.files import sha256_of

ANSWERS = "stages/training/accuracy.py"  # chooses an epoch by what the student answers
GRADES = "stages/judging/grade.py"  # asks a judge about completions
SOFT = "stages/training/distil.py"  # the loss of a student that learns what another model says at labels
TEACHER = "stages/training/teacher.py"  # asks that model
ON_POLICY = "stages/training/on_policy.py"  # trains a student on what it says itself

# Stages whose code is the same for all of their cells.
PLAIN = ("split", "contamination", "cost", "appraise", "score", "summarize", "cost_accuracy")


def of_dataset(name: str, params: Params) -> dict[str, Stamp]:
    """Its download depends on where the files come from, its examples on everything but page and licence."""
    source = source_part(name, params)
    prepared = prepare_part(name, params)
    shown = demonstrations_file(name)
    return {
        f"download-{name}": code("stages.download") | {f"data set {name}: source": value_hash(source)},
        f"prepare-{name}": code("stages.prepare", datasets=name)
        | {f"data set {name}": value_hash(prepared)}
        | ({shown.relative_to(ROOT).as_posix(): sha256_of(shown)} if shown else {})
        | local_files(prepared),
    }


def of_teacher(dataset: str, values: Mapping[str, Any], method: str | None, params: Params) -> Stamp:
    """Its backend, the data set's rules where the backend asks for them, the method that it is asked with,
    and the answers that it gave before.
    """
    plug_ins = {"datasets": dataset, "teachers": values["backend"]}
    stamp = (
        method_code("stages.teach", method, params, **plug_ins)
        if method
        else code("stages.teach", methods=None, **plug_ins)
    )
    prepared = prepare_part(dataset, params)
    if (prepared["columns"] or {}).get("responses"):  # the teacher reads the data set's rows anew
        stamp |= {f"data set {dataset}": value_hash(prepared)} | local_files(prepared)
    given = values.get("answers")
    return (
        stamp
        | (block(params, "methods", method) if method else {})
        | ({str(given): sha256_of(Path(given))} if given else {})
        | local_files(values)
    )


def of_teaching(dataset: str, teacher: str, methods: Mapping[str, str | None], params: Params) -> Stamp:
    """A teacher and those that it joins. `methods`: what each is asked with, if anything."""
    values = params["teachers"][teacher]
    stamp = of_teacher(dataset, values, methods[teacher], params)
    for name in values.get("teachers") or []:
        own = params["teachers"][name]
        stamp |= block(params, "teachers", name) | of_teacher(dataset, own, methods[name], params)
    return stamp


def of_allotment(values: Mapping[str, Any], splits: list[str], params: Params) -> Stamp:
    """The splits of the run, where a teacher is asked less often about what none of them learns from."""
    stamp = code("stages.allot")
    if values.get("samples_test") is not None:
        stamp["params.yaml: samples_test"] = value_hash(True)
        for split in splits:
            stamp |= block(params, "splits", split)
    return stamp


def of_curation(values: Mapping[str, Any], params: Params, module: str = "stages.curate") -> Stamp:
    """With the judge that it asks, where it asks one; files that it pins are known by their sha256."""
    if not (judge := values.get("judge")):
        return code(module, (GRADES,)) | of_golden(values)
    asked = find(params, f"judges.{judge['by']}")
    plug_ins = {"datasets": None, "teachers": asked["backend"], "methods": "bare"}
    stamp = code(module, **plug_ins) | block(params, "judges", judge["by"]) | local_files(asked)
    return stamp | of_golden(values)


def of_golden(values: Mapping[str, Any]) -> Stamp:
    """The list that a curation names, of local/ or of ours."""
    if not values.get("golden"):
        return {}
    path = golden_file(values["golden"])
    return {(path if path.parts[0] == "local" else path.relative_to(ROOT)).as_posix(): sha256_of(path)}


def of_simulator(dataset: str, values: Mapping[str, Any]) -> Stamp:
    stamp = code("stages.las", datasets=dataset, teachers=values["backend"], methods="bare")
    return stamp | local_files(values)


def of_base(student: str, params: Params) -> Stamp:
    """What a student starts from: the rest of its block is how it is trained."""
    values = params["students"][student]
    part = {f"params.yaml: students.{student}.base": value_hash(values.get("base") or values["model"])}
    return code("stages.base") | part


def of_training(student: str, params: Params, run: Run) -> Stamp:
    """How students are asked and read decides a training only if that chooses its epoch; soft labels only
    one that learns them.
    """
    values = params["students"][student]
    distil = values.get("distil") or {}
    live = {}
    unused = [SOFT, ON_POLICY]
    if distil.get("on_policy") is not None:
        unused = []
        teacher = find(params, f"students.{distil['teacher']}")["base"]
        live = {"params.yaml: who teaches": value_hash(teacher)}
    elif distil:
        unused = [ON_POLICY]
    if values.get("select") != "accuracy":
        return code("stages.train", (ANSWERS, *unused), methods=None) | live
    find(params, f"decodings.{GREEDY}")  # says what there is, where this one is not
    found = block(params, "decodings", GREEDY)
    for method in methods_of(run):
        found |= method_code("stages.train", method, params) | block(params, "methods", method)
    return {name: sha for name, sha in found.items() if name not in unused} | live


def of_logits(student: str, params: Params) -> Stamp:
    """What a teacher says at labels: the code, and of the blocks what decides it. It names no student, so
    that students who want the same have the same stamp.
    """
    values = params["students"][student]
    distil = values.get("distil")
    if not distil or distil.get("on_policy") is not None:
        return code("stages.logits", (TEACHER,))
    settings = check_student(f"students.{student}", values)
    assert isinstance(settings, Student)
    assert settings.distil
    part = {
        "teacher": find(params, f"students.{settings.distil.teacher}")["base"],
        **settings.model_dump(include={"base", "max_tokens", "max_prompt_tokens", "precision"}),
        **settings.distil.model_dump(include={"top_k", "temperature"}),
    }
    return code("stages.logits") | {"params.yaml: what decides a teacher's logits": value_hash(part)}


def of_exam(student: str, params: Params) -> Stamp:
    """Whether its answers choose its epoch, and then the code: else nothing is asked."""
    chosen = params["students"][student].get("select") == "accuracy"
    return code("stages.exam") | {f"params.yaml: students.{student}.select": value_hash(chosen)}


def of_mentor(mentor: str, params: Params) -> Stamp:
    """How a student is asked that teaches; absent, a block holds nothing but defaults."""
    told = (params.get("mentors") or {}).get(mentor) or {}
    return {f"params.yaml: mentors.{mentor}": value_hash(told)}


def of_mentors(params: Params, run: Run) -> dict[str, Stamp]:
    """What mentors say depends on how they are asked and, in rounds, trained; joined corpora on the first."""
    found = {}
    joined = {name: of_curation(params["curations"][name], params, "stages.join") for name in run.curations}
    for mentor in run.mentors:
        told = of_mentor(mentor, params)
        again = of_training(mentor, params, run)
        for stamp in joined.values():
            again |= stamp
        for method in run.methods:
            asked = method_code("stages.mentor", method, params, teachers=None, datasets=None)
            found[f"mentor-{method}-{mentor}"] = asked | block(params, "methods", method) | again | told
        for curation, stamp in joined.items():
            found[f"join-{curation}-{mentor}"] = stamp | told
    return found


def of_report() -> Stamp:
    printed = sorted((ROOT / "stages/reporting/published").glob("*.yaml"))
    tables = {path.relative_to(ROOT).as_posix(): value_hash(read_yaml(path)) for path in printed}
    return code("stages.report", methods=None) | tables


def stamps(params: Params, run: Run, methods: Mapping[str, str | None]) -> dict[str, Stamp]:
    """Every stamp of the declared cells, by name. `methods`: what each teacher is asked with, if anything."""
    found = {stage: code(f"stages.{stage}", methods=None) for stage in PLAIN} | {"report": of_report()}
    for dataset in dict.fromkeys([*run.datasets, *run.extra_datasets]):
        found |= of_dataset(dataset, params)
    for method in methods_of(run):
        found[f"render-{method}"] = method_code("stages.render", method, params)
        found[f"predict-{method}"] = method_code("stages.predict", method, params)
    for student in run.students:
        found[f"base-{student}"] = of_base(student, params)
        found[f"exam-{student}"] = of_exam(student, params)
        found[f"logits-{student}"] = of_logits(student, params)
        found[f"train-{student}"] = of_training(student, params, run)
    for method in run.second_methods:
        told = second_block(method, params["methods"])
        found[f"second-{method}"] = {f"params.yaml: methods.{method}.second": value_hash(told)}
    found |= of_mentors(params, run)
    for curation in run.curations:
        found[f"curate-{curation}"] = of_curation(params["curations"][curation], params)
    for teacher in run.teachers:
        found[f"allot-{teacher}"] = of_allotment(params["teachers"][teacher], run.splits, params)
    for dataset in run.datasets:
        for teacher in run.teachers:
            found[f"teach-{dataset}-{teacher}"] = of_teaching(dataset, teacher, methods, params)
        for simulator in run.simulators:
            found[f"las-{dataset}-{simulator}"] = of_simulator(dataset, params["simulators"][simulator])
    return found
