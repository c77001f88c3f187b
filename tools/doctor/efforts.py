"""Efforts: what a preset takes on any machine, for docs/papers.md: hours, dollars and disk, all at most.

Of a machine without models and answers, and in float32; the files of the data sets have to be here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from stages.checking.blocks import Params, check_blocks
from stages.checking.grid import check_grid
from tools.doctor.asked import answers, questions, scaled, wanted_at
from tools.doctor.examine import new_shelf
from tools.doctor.hours import seconds_of, work_of
from tools.doctor.rates import HOUR
from tools.doctor.setting import Setting
from tools.doctor.shelf import Shelf
from tools.doctor.weights import disk_bytes, sized
from tools.presets.reading import preset_names, sizes_of
from tools.presets.writing import preset_params

GB = 1e9


@dataclass(frozen=True)
class Effort:
    core_hours: float = 0.0  # of one core, by the rates of metrics/benchmarks
    gpu_hours: float = 0.0  # of an A100, by arithmetic (tools/doctor/rates.py)
    gigabytes: float = 0.0
    dollars: float = 0.0  # of the teachers at paid endpoints, if each answer is as long as it may be
    # what is in none of them: data sets that are not here, models without a size, a price or a name, teachers
    # in this process, and whoever is asked about texts that there are not yet
    unknown: tuple[str, ...] = field(default=())

    def __add__(self, other: "Effort") -> "Effort":
        return Effort(
            self.core_hours + other.core_hours,
            self.gpu_hours + other.gpu_hours,
            self.gigabytes + other.gigabytes,
            self.dollars + other.dollars,
            tuple(dict.fromkeys([*self.unknown, *other.unknown])),
        )


def students_effort(setting: Setting) -> Iterator[Effort]:
    for where, student, parameters in sized(setting):
        if parameters is None:
            yield Effort(unknown=(where,))
            continue
        soft = (f"students.{student.distil.teacher}",) if student.distil else ()
        work = work_of(setting, where.partition(".")[2], student)
        core, gpu = seconds_of(work, parameters)
        yield Effort(
            core / HOUR,
            gpu / HOUR,
            disk_bytes(setting, where, student, parameters, new=True) / GB,
            unknown=(*work.unknown, *soft),
        )


def askings_effort(setting: Setting) -> Iterator[Effort]:
    """Dollars; a server of the user's own costs none."""
    for name, settings in setting.teachers():
        if settings.backend == "transformers":
            yield Effort(unknown=(f"teachers.{name}",))
    for one in questions(setting):
        if answers(setting.endpoint(one.endpoint)) is not None or one.missing == 0:
            continue
        told = scaled(one.plan, one.seen).at_most if one.plan else None
        yield Effort(unknown=(f"teachers.{one.teacher}",)) if told is None else Effort(dollars=told)
    for where, settings in wanted_at(setting):
        if answers(setting.endpoint(settings.endpoint)) is None:
            yield Effort(unknown=(where,))


def effort_of(grids: Mapping[str, Params], shelf: Shelf) -> Effort:
    """Of all grids of a preset, as if they shared nothing. Raises ValueError for one that `check` refuses."""
    total = Effort()
    for params in grids.values():
        checked = check_blocks(params)
        check_grid(params, checked)
        setting = Setting(params, checked, shelf)
        total = sum([*students_effort(setting), *askings_effort(setting)], total)
    return total


def rounded(effort: Effort) -> dict[str, Any]:
    """Two digits that count: it is an estimate."""
    return {
        name: value if name == "unknown" else float(f"{value:.2g}") for name, value in asdict(effort).items()
    }


def all_efforts() -> dict[str, dict[str, dict[str, Any]]]:
    """Preset -> size -> what it takes."""
    with new_shelf(new=True) as shelf:
        return {
            name: {size: rounded(effort_of(preset_params(name, size), shelf)) for size in sizes_of(name)}
            for name in preset_names()
        }
