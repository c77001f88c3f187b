"""Weights: models that will not be handed out or are refused, and the disk and memory that training takes."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from math import prod
from pathlib import Path

from stages.config.base import Base, check_terms
from stages.config.student import Student
from stages.fetching.model_file import mirrored, model_folder
from tools.doctor.findings import Finding
from tools.doctor.setting import Setting

FLOAT32 = 4  # bytes
BFLOAT16 = 2
TRAINED = 16  # bytes a weight that is trained: itself, its gradient and AdamW's two means, in float32
COPIES = 2  # of what a stage makes: in data/ and in DVC's cache, where the disk can share nothing
GIB = 2**30


def here(setting: Setting) -> Iterator[tuple[str, Student]]:
    """(name, settings) of the run's students in this process."""
    for name in setting.run.students:
        if isinstance(student := setting.checked.students[name], Student):
            yield name, student


def soft_teachers(setting: Setting) -> Iterator[tuple[str, Student, Student]]:
    """(name, settings, who learns its distribution) of students that teach others so (`distil`)."""
    for _, student in here(setting):
        if student.distil:
            teacher = setting.checked.students[student.distil.teacher]
            if isinstance(teacher, Student):
                yield student.distil.teacher, teacher, student


def bases(setting: Setting) -> Iterator[tuple[str, Base]]:
    """(block, base) of the run's students here, of who teaches them its distribution, and of its teachers in
    this process.
    """
    students = dict(here(setting)) | {name: teacher for name, teacher, _ in soft_teachers(setting)}
    for name, student in students.items():
        yield f"students.{name}", student.base
    for name, settings in setting.teachers():
        if settings.backend == "transformers":
            yield f"teachers.{name}", settings.base


def cached_on_disk(base: Base) -> bool:
    """Whether a base's files are here, so that nothing has to be fetched."""
    if base.path:
        return True
    if base.gguf:
        return any(path.is_file() for path in (model_folder(base) / base.gguf, *mirrored(base)))
    from huggingface_hub import try_to_load_from_cache  # takes a third of a second

    found = try_to_load_from_cache(str(base.hub), "model.safetensors", revision=base.revision)
    index = try_to_load_from_cache(str(base.hub), "model.safetensors.index.json", revision=base.revision)
    return isinstance(found, str) or isinstance(index, str)


def has_token() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None


def find_weights(setting: Setting) -> Iterator[Finding]:
    """Gated, unsafe or offline: what loading would fail of. The hub is not asked."""
    for where, base in bases(setting):
        try:
            check_terms(base)
        except ValueError as error:
            yield Finding("weights", "stops", where, str(error))
        if not base.safetensors:
            remedy = (
                "convert them once (`model.save_pretrained(folder)`) and give `base: {path, sha256}`, or name"
                " a commit that has"
            )
            why = f"{base.hub} has no safetensors at this commit, and pickled weights could run code"
            yield Finding("weights", "stops", where, why, remedy)
        elif base.gated and not cached_on_disk(base):
            yield gated(where, base)
        elif base.hub and os.environ.get("HF_HUB_OFFLINE") == "1" and not cached_on_disk(base):
            why = f"{base.hub} is not in the hub's cache, and HF_HUB_OFFLINE is 1"
            yield Finding("weights", "stops", where, why, "unset it, or give `base: {path, sha256}`")


def gated(where: str, base: Base) -> Finding:
    why = f"{base.hub} is gated ({base.licence or 'its page has the licence'})"
    accept = f"accept the licence at huggingface.co/{base.hub}"
    if has_token():
        return Finding(
            "weights", "warning", where, f"{why}: whether your token may have it is not asked", accept
        )
    return Finding(
        "weights", "stops", where, f"{why}, and no token is here", f"{accept}, then `hf auth login`"
    )


# ---- sizes


def parameters_of(base: Base) -> int | None:
    """How many numbers a base has; None: unknown. Of a GGUF file at most two a byte, where nothing tells."""
    if base.parameters:
        return base.parameters
    if base.gguf:
        return 2 * base.bytes if base.bytes else None
    file = Path(str(base.path), "model.safetensors")
    if not base.path or not file.is_file():
        return None
    from safetensors import safe_open

    with safe_open(file, "numpy") as tensors:
        shapes: list[list[int]] = [tensors.get_slice(name).get_shape() for name in tensors.keys()]  # noqa: SIM118
    return sum(map(prod, shapes))


def trainings_of(setting: Setting, where: str) -> int:
    """Trainings of one student, `students.NAME`: those of the grid, but for methods that only ask."""
    run = setting.run
    student = where.partition(".")[2]
    mentors = run.mentors if student in run.mentored else []
    again = len(run.first_methods) * len(run.second_methods)
    taught = len(run.teachers) * len(run.curations) * (len(run.methods) * (1 + len(mentors)) + again)
    learning = [name for name in run.baselines if setting.method(name)[0].LEARNS_FROM != "nothing"]
    return len(run.datasets) * len(run.splits) * (taught + len(learning)) * len(run.seeds)


def base_bytes(base: Base, parameters: int, new: bool = False) -> int:
    """Bytes of a base that is fetched, and made into a student. new: of a machine that has none yet."""
    there = base.path or (not new and cached_on_disk(base))
    fetched = 0 if there else base.bytes or parameters * FLOAT32
    return fetched + (COPIES * parameters * FLOAT32 if base.gguf else 0)


def left_bytes(setting: Setting, where: str, student: Student, parameters: int, new: bool = False) -> int:
    """Bytes of what every training of a student leaves, in data/ and in DVC's cache."""
    if student.lora and not student.lora.merge:
        return 0
    # a GPU's student is saved in bfloat16
    half = not new and student.precision != "float32" and free_memory()[1] == "GPU"
    each = parameters * (BFLOAT16 if half else FLOAT32)
    return COPIES * saved_states(student) * trainings_of(setting, where) * each


def state_bytes(student: Student, parameters: int) -> int:
    """Bytes of a student's state while it is trained."""
    if student.lora and not student.lora.merge:
        return 0
    return (saved_states(student) + 2) * parameters * FLOAT32


def saved_states(student: Student) -> int:
    return student.epochs if student.keep_epochs else 1


def disk_bytes(setting: Setting, where: str, student: Student, parameters: int, new: bool = False) -> int:
    """Bytes for one student: its base, its state while it is trained, and what every training leaves.

    new: of a machine that has no base yet, and computes in float32.
    """
    once = base_bytes(student.base, parameters, new) + state_bytes(student, parameters)
    return once + left_bytes(setting, where, student, parameters, new)


def memory_bytes(student: Student, parameters: int) -> int:
    """Bytes of a training's weights and their means; what it computes with comes on top."""
    return parameters * (BFLOAT16 if student.lora else TRAINED)


@cache
def free_memory() -> tuple[int, str]:
    """(bytes, where) of the GPU with the most memory, else what this machine has free."""
    if program := shutil.which("nvidia-smi"):
        query = [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
        told = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
        if told and all(number.isdigit() for number in told):
            return max(map(int, told)) * 2**20, "GPU"
    lines = Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else []
    free = next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), 0)
    return free * 1024, "CPU"


def sized(setting: Setting) -> Iterator[tuple[str, Student, int | None]]:
    """(block, student, parameters) of the run's students here."""
    for name, student in here(setting):
        yield f"students.{name}", student, parameters_of(student.base)


def find_disk(settings: Sequence[Setting]) -> Iterator[Finding]:
    """Of grids that are run one after the other: what they leave adds up, a base is there once."""
    once: dict[str, int] = {}
    unknown: dict[str, None] = {}
    left = 0
    for setting in settings:
        for where, student, parameters in sized(setting):
            if parameters is None:
                unknown[where] = None
                continue
            own = base_bytes(student.base, parameters) + state_bytes(student, parameters)
            once[where] = max(once.get(where, 0), own)
            left += left_bytes(setting, where, student, parameters)
        for name, teacher, _ in soft_teachers(setting):
            if parameters := parameters_of(teacher.base):
                once.setdefault(f"students.{name}", base_bytes(teacher.base, parameters))
            else:
                unknown[f"students.{name}"] = None
    for where in unknown:
        remedy = f"say `{where}.base.parameters`"
        yield Finding("disk", "warning", where, "the size of its weights is unknown", remedy)
    needed = sum(once.values()) + left
    free = shutil.disk_usage(Path.cwd()).free
    told = f"weights take at most {gib(needed)}, {gib(free)} are free"
    yield Finding("disk", "stops" if needed > free else "ok", "this disk", told)


def find_memory(setting: Setting) -> Iterator[Finding]:
    free, device = free_memory()
    for where, student, parameters in sized(setting):
        if parameters is not None and trainings_of(setting, where):
            needed = memory_bytes(student, parameters)
            if student.distil and student.distil.on_policy:  # its teacher is asked beside it
                needed += sum(
                    FLOAT32 * (parameters_of(teacher.base) or 0)
                    for _, teacher, learner in soft_teachers(setting)
                    if learner is student
                )
            told = f"training holds {gib(needed)} of weights; the {device} has {gib(free)}"
            if free:
                yield Finding("memory", "stops" if needed > free else "ok", where, told)


def gib(count: float) -> str:
    return f"{count / GIB:,.1f} GiB"
