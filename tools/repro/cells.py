"""What `dvc repro` would do, cut in three by DVC's own graph: what comes before the trainings, the cells, and
what reads several of them.
"""

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.utils.serialize import load_yaml, modify_yaml

TRAINING = re.compile(r"train(_\w+)?(@|$)")
LOCK = "dvc.lock"


@dataclass(frozen=True)
class Plan:
    """Names of stages, each list in the order of `dvc repro`."""

    before: list[str]
    cells: list[list[str]]  # a training, then what depends on it alone
    after: list[str]

    @property
    def first(self) -> list[str]:
        """What comes before those in `after`."""
        return [*self.before, *(name for cell in self.cells for name in cell)]

    def order(self) -> list[str]:
        return [*self.first, *self.after]

    @property
    def trains_again(self) -> bool:
        """Whether a training waits for others: of a mentor's students, or of a second training."""
        return any(map(TRAINING.match, self.after))


@dataclass(frozen=True)
class Cell:
    """What a worker is given; all of it goes through JSON."""

    name: str
    stages: list[str]  # to be reproduced, in order
    needs: list[str]  # paths that they read and do not make
    lock: dict[str, Any]  # what dvc.lock says of them
    work: int  # a guess, to begin with the longest
    remote: bool = False  # done on another disk: data and results go through DVC's default remote

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def make_plan(repo: Repo, targets: list[str], done: Collection[str] = ()) -> tuple[Plan, list[str]]:
    """The plan of what is not `done`, and all stages in the order in which `dvc repro` takes them."""
    graph = get_active_graph(repo.index.graph)
    stages = plan_repro(graph, collect_stages(repo, targets or ["dvc.yaml"]))
    trainings: dict[Any, set[str]] = {}  # those that a stage comes after
    cells: dict[str, list[str]] = {}
    before, after = [], []
    for stage in stages:
        name = stage.addressing
        if name in done:
            trainings[stage] = set()
            continue
        found = {name} if TRAINING.match(name) else set()
        trainings[stage] = found.union(*(trainings[upstream] for upstream in graph.successors(stage)))
        match sorted(trainings[stage]):
            case []:
                before.append(name)
            case [training]:
                cells.setdefault(training, []).append(name)
            case _:
                after.append(name)
    return Plan(before, list(cells.values()), after), [stage.addressing for stage in stages]


def size_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def within(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


def stale_stages(repo: Repo, names: list[str]) -> list[Any]:
    """The stages of a cell from the first changed ones on, with what comes after them."""
    stale: list[Any] = []
    for stage in [found for name in names for found in repo.stage.collect(name)]:
        made = [out.def_path for other in stale for out in other.outs]
        reads_made = any(within(dep.def_path, out) for dep in stage.deps for out in made)
        if reads_made or stage.changed():
            stale.append(stage)
    return stale


def as_cell(root: Path, names: list[str], stale: list[Any], locked: dict[str, Any]) -> Cell:
    made = [out.def_path for stage in stale for out in stage.outs]
    needs = {
        dep.def_path
        for stage in stale
        for dep in stage.deps
        if not any(within(dep.def_path, out) for out in made)
    }
    # grows with the texts and with the student: the product of what the first stage reads. A student that is
    # only asked has an empty file of texts, and comes last
    work = prod(size_of(root / dep.def_path) for dep in stale[0].deps)
    names_left = [stage.addressing for stage in stale]
    lock = {name: locked[name] for name in names_left if name in locked}
    return Cell(names[0].partition("@")[2] or names[0], names_left, sorted(needs), lock, work)


def read_lock(root: Path) -> dict[str, Any]:
    """The stages of dvc.lock; none where there is no such file."""
    path = root / LOCK
    stages: dict[str, Any] = load_yaml(str(path)).get("stages", {}) if path.exists() else {}
    return stages


def stale_cells(root: Path, plan: Plan) -> list[Cell]:
    """The cells that have something to do, longest first. What comes before them is up to date."""
    repo = Repo(str(root))
    locked = read_lock(root)
    with lock_repo(repo):
        found = [(names, stale_stages(repo, names)) for names in plan.cells]
    cells = [as_cell(root, names, stale, locked) for names, stale in found if stale]
    return sorted(cells, key=lambda cell: -cell.work)


def put_in_order(root: Path, before: list[str], order: list[str]) -> None:
    """Stages new in dvc.lock stand where one `dvc repro` had put them: behind the old ones, in its order."""
    if not (root / LOCK).exists():
        return
    places = {name: place for place, name in enumerate(dict.fromkeys([*before, *order]))}
    with modify_yaml(str(root / LOCK)) as lock:
        names = sorted(lock["stages"], key=lambda name: places.get(name, len(places)))
        if names != list(lock["stages"]):
            lock["stages"] = {name: lock["stages"][name] for name in names}
