"""Curations: what choosing completions needs - a list, log-probabilities, an optional package."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from stages.config.curation import Curation, golden_file
from stages.config.load import check
from stages.config.student import Student
from stages.corpus.similarity import minilm_folder
from tools.doctor.findings import Finding
from tools.doctor.setting import Setting


def find_curations(setting: Setting) -> Iterator[Finding]:
    """What `curate` would stop at, once all answers are paid."""
    for name in setting.run.curations:
        where = f"curations.{name}"
        curation = check(where, setting.params["curations"][name], Curation)
        if curation.golden:
            yield from other_lists(setting, where, golden_file(curation.golden))
        if curation.select and curation.select.embed == "minilm":
            try:
                minilm_folder()
            except ValueError as error:
                yield Finding("curations", "stops", where, str(error))
        if curation.select and curation.select.by == "likelihood":
            yield from without_scores(setting, where)


def other_lists(setting: Setting, where: str, golden: Path) -> Iterator[Finding]:
    """Data sets of which a golden list names no question, as far as they are here."""
    from stages.corpus.inputs import read_golden  # half a second

    for dataset in setting.run.datasets:
        examples = setting.book(dataset).examples
        try:
            if examples is not None:
                read_golden(golden, {example.id: example for example in examples})
        except ValueError as error:
            yield Finding("curations", "stops", f"{where} on {dataset}", str(error))


def without_scores(setting: Setting, where: str) -> Iterator[Finding]:
    """Teachers whose completions have no log-probabilities to choose by."""
    for teacher, settings in setting.teachers():
        if not getattr(settings, "logprobs", False):
            remedy = (
                f"say `teachers.{teacher}.logprobs: true`, where its server tells them, or drop one of both"
            )
            why = f"chooses by likelihood, and teachers.{teacher} tells no log-probabilities"
            yield Finding("curations", "stops", where, why, remedy)


def find_packages(setting: Setting) -> Iterator[Finding]:
    """An optional package that a student needs."""
    for name in setting.run.students:
        student = setting.checked.students[name]
        if isinstance(student, Student) and student.four_bit and find_spec("bitsandbytes") is None:
            remedy = "`pip install bitsandbytes`, or `four_bit: false`"
            why = "`four_bit: true` needs the optional package bitsandbytes"
            yield Finding("packages", "stops", f"students.{name}", why, remedy)
