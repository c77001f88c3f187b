"""Check: every block of params.yaml against its model, and every axis value against its block, before any
work starts.

In: params.yaml. Out: one constant line, so that a changed parameter reruns this second of work and not the
stages behind it.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from stages.config.cli import run
from stages.config.curation import Curation
from stages.config.decoding import Decoding
from stages.config.endpoint import Endpoint, Price
from stages.config.load import Block, check, find, read_params
from stages.config.run import Run
from stages.config.split import Split
from stages.config.student import HostedStudent, check_student
from stages.judging.consult import consulted
from stages.judging.simulate import rules
from stages.parsing.checks import check_dataset
from stages.records.jsonl import write_text

AXES = ("datasets", "splits", "teachers", "curations", "methods", "students", "simulators")


def plug_in(folder: str, name: object, where: str) -> ModuleType:
    """The module stages/<folder>/<name>.py. Raises ValueError naming the files there are."""
    if not isinstance(name, str) or find_spec(f"stages.{folder}.{name}") is None:
        there = sorted(
            path.stem
            for path in Path(__file__).with_name(folder).glob("*.py")
            if path.stem not in ("__init__", "columns", "fields")
        )
        raise ValueError(
            f"params.yaml: `{where}`: got {name!r}, but stages/{folder}/{name}.py does not exist; there are:"
            f" {', '.join(there)}"
        )
    return import_module(f"stages.{folder}.{name}")


def check_axes(params: dict[str, Any], declared: Run) -> None:
    """Every value of an axis has a block; methods learn from a teacher or from gold answers, baselines need
    no teacher.
    """
    for axis in AXES:
        listed = [*declared.methods, *declared.baselines] if axis == "methods" else getattr(declared, axis)
        for value in listed:
            if axis == "datasets":
                check_dataset(value, params)
            elif value not in params[axis]:
                raise ValueError(
                    f"params.yaml: `run.{axis}` names {value!r}, but there is no block `{axis}.{value}`;"
                    f" there are: {', '.join(params[axis])}"
                )
    for axis, unfit, instead in (("baselines", "rationales", "methods"), ("methods", "nothing", "baselines")):
        for name in getattr(declared, axis):
            if unfit == plug_in("methods", name, f"run.{axis}").LEARNS_FROM:
                raise ValueError(
                    f"params.yaml: `run.{axis}` names {name!r}, which learns from {unfit}: list it under"
                    f" `run.{instead}`"
                )


def check_transfers(params: dict[str, Any], declared: Run) -> None:
    """Extra datasets are others than those trained on, and are cut by `splits.extra`; targets are of either
    kind.
    """
    both = sorted({*declared.datasets}.intersection(declared.extra_datasets))
    if both:
        raise ValueError(
            f"params.yaml: {both} in `run.datasets` and in `run.extra_datasets`: what is trained on is"
            " prepared anyway, keep it in one"
        )
    there = [*declared.datasets, *declared.extra_datasets]
    if unknown := [name for name in declared.transfers if name not in there]:
        raise ValueError(
            f"params.yaml: `run.transfers` names {unknown}, wanted names of `run.datasets` or"
            f" `run.extra_datasets`: {', '.join(there)}"
        )
    for name in declared.extra_datasets:
        check_dataset(name, params)
        find(params, "splits.extra")


def check_consulted(params: dict[str, Any]) -> None:
    """Simulators and judges: models that are asked ready texts; of simulators also rules."""
    for blocks, legal in (("simulators", rules), ("judges", consulted)):
        for name in find(params, blocks):
            legal(f"{blocks}.{name}", values := find(params, f"{blocks}.{name}"))
            if "endpoint" in values:
                find(params, f"endpoints.{values['endpoint']}")


def check_hosted(students: list[str], methods: list[str]) -> None:
    """OpenAI has one loss, over all tokens of a completion alike: methods that weigh tasks are for local
    students.
    """
    weighing = [name for name in methods if len(plug_in("methods", name, "run.methods").TASKS) > 1]
    if students and weighing:
        raise ValueError(
            f"params.yaml: `run` pairs the methods {weighing}, which weigh several tasks, with the students"
            f" {students} at OpenAI, which has one loss for all: drop one or the other"
        )


def check_all(params: dict[str, Any]) -> None:
    """Raises ValueError for the first fault found."""
    known = ["run", *AXES, "judges", "decoding", "endpoints", "prices"]
    for key in params:
        if key not in known:
            raise ValueError(f"params.yaml: unknown block `{key}`; legal blocks: {', '.join(known)}")
    for name in find(params, "datasets"):
        check_dataset(name, params)
    for name, values in find(params, "teachers").items():
        backend = plug_in(
            "teachers", find(params, f"teachers.{name}").get("backend"), f"teachers.{name}.backend"
        )
        check(f"teachers.{name}", values, backend.Settings)
        if "endpoint" in values:
            find(params, f"endpoints.{values['endpoint']}")
    check_consulted(params)
    for name, values in find(params, "methods").items():
        check(f"methods.{name}", values, plug_in("methods", name, f"methods.{name}").Settings)
    models: dict[str, type[Block]] = {
        "splits": Split,
        "curations": Curation,
        "endpoints": Endpoint,
        "prices": Price,
    }
    for axis, model in models.items():
        for name, values in find(params, axis).items():
            check(f"{axis}.{name}", values, model)
    students = {
        name: check_student(f"students.{name}", values) for name, values in find(params, "students").items()
    }
    hosted = {name: student for name, student in students.items() if isinstance(student, HostedStudent)}
    for student in hosted.values():
        find(params, f"endpoints.{student.endpoint}")
    check("decoding", find(params, "decoding"), Decoding)
    check_axes(params, declared := check("run", find(params, "run"), Run))
    check_transfers(params, declared)
    check_hosted(
        [name for name in declared.students if name in hosted], [*declared.methods, *declared.baselines]
    )


def main(out: Annotated[Path | None, typer.Argument(help="Where to note that all is well.")] = None) -> None:
    """Check params.yaml."""
    check_all(read_params())
    if out:
        write_text(out, "params.yaml is valid\n")


if __name__ == "__main__":
    run(main)
