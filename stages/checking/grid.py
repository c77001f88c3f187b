"""The grid before work: every value of an axis has a block, and what is combined goes together."""

from itertools import product

from stages.asking.prices import price_of
from stages.checking.blocks import Checked, Params
from stages.config.base import check_terms
from stages.config.curation import Curation
from stages.config.endpoint import Price
from stages.config.load import check, find
from stages.config.mentor import mentor_of
from stages.config.method import method_of
from stages.config.run import Run, methods_of
from stages.config.split import cannot_split
from stages.config.student import HostedStudent, Student
from stages.text.formats import system_of

BLOCKS = {  # of the axes: where a value's block stands in params.yaml
    "splits": "splits",
    "teachers": "teachers",
    "curations": "curations",
    "methods": "methods",
    "baselines": "methods",
    "first_methods": "methods",
    "second_methods": "methods",
    "students": "students",
    "decodings": "decodings",
    "simulators": "simulators",
}


def check_values(params: Params, run: Run) -> None:
    """Every value of an axis has a block."""
    for axis, blocks in BLOCKS.items():
        for value in getattr(run, axis):
            if value not in params[blocks]:
                raise ValueError(
                    f"params.yaml: `run.{axis}` names {value!r}, but there is no block `{blocks}.{value}`;"
                    f" there are: {', '.join(params[blocks])}"
                )


def check_methods(checked: Checked, run: Run) -> None:
    """Methods learn from a teacher or from gold answers, baselines need no teacher."""
    unfit = (
        ("baselines", "rationales", "methods"),
        ("methods", "nothing", "baselines"),
        ("second_methods", "nothing", "baselines"),
    )
    for axis, learns_from, instead in unfit:
        for name in getattr(run, axis):
            if learns_from == checked.methods[name].LEARNS_FROM:
                raise ValueError(
                    f"params.yaml: `run.{axis}` names {name!r}, which learns from {learns_from}: list it"
                    f" under `run.{instead}`"
                )


def check_again(checked: Checked, run: Run) -> None:
    """What goes on from other students has them: mentors, and first trainings, are cells of the run."""
    among = (
        ("mentors", "students"),
        ("mentored", "students"),
        ("first_methods", "methods"),
    )
    for axis, lists in among:
        if unknown := [name for name in getattr(run, axis) if name not in getattr(run, lists)]:
            raise ValueError(
                f"params.yaml: `run.{axis}` names {unknown}, wanted names of `run.{lists}`, whose students"
                f" it goes on from: {', '.join(getattr(run, lists))}"
            )
    for axis, other in (("mentors", "mentored"), ("first_methods", "second_methods")):
        one, two = getattr(run, axis), getattr(run, other)
        if bool(one) != bool(two):
            raise ValueError(
                f"params.yaml: `run.{axis}` is {one} and `run.{other}` {two}: they span cells together, give"
                " both or none"
            )
    if both := sorted({*run.mentors} & {*run.first_methods}):
        raise ValueError(
            f"params.yaml: {both} in `run.mentors` and in `run.first_methods`: their cells would have the"
            " same names, rename one block"
        )
    hosted = [name for name in run.students if isinstance(checked.students[name], HostedStudent)]
    if run.second_methods and hosted:
        raise ValueError(
            f"params.yaml: `run.second_methods` go on from the weights of every student, and {hosted} are at"
            " OpenAI: drop one or the other"
        )


def check_mentors(params: Params, checked: Checked, run: Run) -> None:
    """Rounds are of a student that teaches itself. A curation has something to say of what a mentor says."""
    for curation in run.curations if run.mentors else []:
        values = params["curations"][curation]
        if own := [key for key in ("verdicts", "mix") if values.get(key)]:
            raise ValueError(
                f"params.yaml: `curations.{curation}.{own[0]}` chooses among the teacher's completions,"
                " and `run.mentors` adds others: drop one or the other"
            )
    for name in run.mentors:
        if mentor_of(name, params).rounds == 1:
            continue
        if run.mentored != [name] or isinstance(checked.students[name], HostedStudent):
            raise ValueError(
                f"params.yaml: `mentors.{name}.rounds` trains a student of this machine that teaches itself:"
                f" wanted {name!r} alone in `run.mentored`, got {run.mentored}; else `rounds: 1`"
            )


def check_transfers(params: Params, run: Run) -> None:
    """Extra data sets are not trained on and are cut by `splits.extra`; targets are of either kind."""
    if both := sorted({*run.datasets} & {*run.extra_datasets}):
        raise ValueError(
            f"params.yaml: {both} in `run.datasets` and in `run.extra_datasets`: what is trained on is"
            " prepared anyway, keep it in one"
        )
    there = [*run.datasets, *run.extra_datasets]
    if unknown := [name for name in run.transfers if name not in there]:
        raise ValueError(
            f"params.yaml: `run.transfers` names {unknown}, wanted names of `run.datasets` or"
            f" `run.extra_datasets`: {', '.join(there)}"
        )
    if run.extra_datasets:
        find(params, "splits.extra")


def check_hosted(params: Params, checked: Checked, run: Run) -> None:
    """OpenAI has one loss, over all tokens of a completion: methods that weigh tasks need local students."""
    students = {name: checked.students[name] for name in run.students}
    hosted = {name: one for name, one in students.items() if isinstance(one, HostedStudent)}
    weighing = [name for name in methods_of(run) if len(checked.methods[name].TASKS) > 1]
    if hosted and weighing:
        raise ValueError(
            f"params.yaml: `run` pairs the methods {weighing}, which weigh several tasks, with the students"
            f" {[*hosted]} at OpenAI, which has one loss for all: drop one or the other"
        )
    beams = [name for name in run.decodings if (params["decodings"][name] or {}).get("beams", 1) > 1]
    if hosted and beams:
        raise ValueError(
            f"params.yaml: `run.decodings` names {beams}, of beam search, which the API of the students"
            f" {[*hosted]} does not have: drop one or the other"
        )
    for (student, block), name in product(hosted.items(), methods_of(run)):
        _, settings, _ = method_of(name, params["methods"])
        if system_of(settings) is not None and block.api != "chat":
            raise ValueError(
                f"params.yaml: `run` pairs `methods.{name}`, of `format: chat`, with student {student!r},"
                " which has no `api: chat`: give it that, or the method another format"
            )


def check_training_prices(params: Params, checked: Checked, run: Run) -> None:
    """A budget can only be kept to where the price of training is known."""
    prices = {name: check(f"prices.{name}", values, Price) for name, values in params["prices"].items()}
    for name in run.students:
        student = checked.students[name]
        if not isinstance(student, HostedStudent):
            continue
        price = price_of(prices, f"ft:{student.model}")
        known = price is not None and price.training is not None
        if not known and params["endpoints"][student.endpoint].get("budget") is not None:
            raise ValueError(
                f"params.yaml: `run` names student {name!r}, but no price of training {student.model!r} is"
                f" known and endpoint {student.endpoint!r} has a budget: add it, with `training`, under"
                f" `prices.ft:{student.model}`"
            )


def check_bases(checked: Checked, run: Run) -> None:
    """The terms of what is to be fetched are accepted, before hours of other cells."""
    for name in run.students:
        student = checked.students[name]
        if isinstance(student, HostedStudent):
            continue
        check_terms(student.base)
        if student.distil:
            teacher = checked.students[student.distil.teacher]
            assert isinstance(teacher, Student)  # so checked
            check_terms(teacher.base)


def check_distilled(checked: Checked, run: Run) -> None:
    """Soft labels are made for the first training of a student without a mentor."""
    again = {*run.mentored, *(run.students if run.second_methods else [])}
    for name in sorted(again):
        student = checked.students[name]
        if isinstance(student, Student) and student.distil:
            raise ValueError(
                f"params.yaml: `run` trains student {name!r}, which has `distil`, with a mentor or a second"
                " time: no soft labels are made for that; name a block without it"
            )


def check_splits(checked: Checked, run: Run) -> None:
    """Each data set can be cut by each split, as far as that is known before a download."""
    pairs = [*product(run.datasets, run.splits)]
    pairs += [(dataset, "extra") for dataset in run.extra_datasets]
    for dataset, split in pairs:
        if why := cannot_split(checked.datasets[dataset], checked.splits[split]):
            raise ValueError(f"params.yaml: `run` pairs data set {dataset!r} with split {split!r}: {why}")


def check_teaching(checked: Checked, run: Run) -> None:
    """Each data set can be taught by each teacher, as far as its backend knows before work."""
    for dataset, teacher in product(run.datasets, run.teachers):
        own = checked.teachers[teacher][1]
        for name in own.teachers if own.backend == "joined" else [teacher]:
            backend, settings = checked.teachers[name]
            cannot_teach = getattr(backend, "cannot_teach", None)
            if cannot_teach and (why := cannot_teach(dataset, settings)):
                of = "" if name == teacher else f"teachers.{name}: "
                raise ValueError(
                    f"params.yaml: `run` pairs data set {dataset!r} with teacher {teacher!r}: {of}{why}"
                )


def check_samples(params: Params, checked: Checked, run: Run) -> None:
    """No curation wants more completions a question than a teacher gives, where its block says how many."""
    for teacher, curation in product(run.teachers, run.curations):
        given = getattr(checked.teachers[teacher][1], "samples", None)
        where = f"curations.{curation}"
        key, wanted = check(where, params["curations"][curation], Curation).budget
        if given is not None and wanted is not None and wanted > given:
            raise ValueError(
                f"params.yaml: `run` pairs teacher {teacher!r} with curation {curation!r}: `{where}.{key}` is"
                f" {wanted}, and `teachers.{teacher}.samples` {given}: raise that, or take another curation"
            )


def check_grid(params: Params, checked: Checked) -> None:
    """Raises ValueError for the first fault found."""
    run = checked.run
    check_values(params, run)
    check_methods(checked, run)
    check_again(checked, run)
    check_mentors(params, checked, run)
    check_transfers(params, run)
    check_hosted(params, checked, run)
    check_training_prices(params, checked, run)
    check_bases(checked, run)
    check_distilled(checked, run)
    check_splits(checked, run)
    check_teaching(checked, run)
    check_samples(params, checked, run)
