"""Plan: what a run would do, what it would ask of teachers, judges and simulators, and what that would cost.

Nothing is asked.
"""

from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from stages import allot, las, teach
from stages.checking.blocks import check_blocks
from stages.config.load import check, find, read_params
from stages.config.run import Axes, Run, declared_cells
from stages.corpus.inputs import read_inputs
from stages.corpus.known import graded
from stages.corpus.sieve import parts_of
from stages.judging import grade, simulate
from stages.records.example import read_examples
from tools.doctor.asked import Question, print_questions, questions
from tools.doctor.cells import print_stages
from tools.doctor.examine import new_shelf
from tools.doctor.setting import Setting
from tools.terminal import checkout, made_by

DATA = Path("data")


def plan_teacher(teacher: str, dataset: str) -> None:
    """Say what is not in the store of what a teacher is asked about a data set."""
    examples = made_by(f"prepare@{dataset}", DATA / f"examples/{dataset}.jsonl")
    demonstrations = made_by(f"prepare@{dataset}", DATA / f"demonstrations/{dataset}.txt")
    questions = read_examples(examples)
    values = find(read_params(), f"teachers.{teacher}")
    not_learned = allot.not_learned(values, questions, DATA / f"raw/{dataset}")
    told = teach.plan(teacher, questions, demonstrations.read_text("utf-8"), not_learned)
    typer.echo(f"{teacher}, {dataset}\n{told}")


def plan_simulator(simulator: str, cell: str, at: Axes) -> None:
    """Say what is not in the store of what a simulator is asked about a cell; of cells that are there."""
    predictions = DATA / f"predictions/{cell}.jsonl"
    if not predictions.is_file():
        typer.echo(f"{simulator}: {cell} has no predictions yet")
        return
    dataset = at["dataset"]
    split = at["split"]
    examples = made_by(f"prepare@{dataset}", DATA / f"examples/{dataset}.jsonl")
    demonstrations = made_by(f"prepare@{dataset}", DATA / f"demonstrations/{dataset}.txt")
    parts = made_by(f"split@{dataset}-{split}", DATA / f"splits/{dataset}-{split}.json")
    rows, _ = las.read_answered(examples, parts, predictions)
    asked = las.questions_to_ask(rows)
    typer.echo(f"{simulator}, {cell}\n{simulate.plan(simulator, asked, demonstrations.read_text('utf-8'))}")


def plan_judge(curation: str, dataset: str, split: str, teacher: str) -> None:
    """Say what is not in the store of what a curation's judge is asked; of completions that are there."""
    completions = DATA / f"completions/{dataset}-{teacher}.jsonl"
    if not completions.is_file():
        typer.echo(f"curations.{curation}.judge: {dataset}-{teacher} has no completions yet")
        return
    examples = made_by(f"prepare@{dataset}", DATA / f"examples/{dataset}.jsonl")
    parts = made_by(f"split@{dataset}-{split}", DATA / f"splits/{dataset}-{split}.json")
    questions, by_id, ids, block, given = read_inputs(curation, examples, parts, completions)
    asked = graded(questions, by_id, parts_of(ids), block, given)
    told = grade.grades_plan(block.judge.by, asked) if block.judge else ""
    typer.echo(f"curations.{curation}.judge, {dataset}-{split}-{teacher}\n{told}")


def plan_judges(params: dict[str, Any], run: Run, datasets: list[str]) -> None:
    """Of the run's curations those that ask one."""
    asking = [name for name in run.curations if params["curations"][name].get("judge")]
    for curation, dataset, split, teacher in product(asking, datasets, run.splits, run.teachers):
        plan_judge(curation, dataset, split, teacher)


def who_is_asked(params: dict[str, Any], run: Run, name: str | None) -> tuple[list[str], list[str]]:
    """Teachers and simulators: those of the run, or the one called `name`, in the run or not."""
    if name is None:
        return run.teachers, run.simulators
    teachers = [name] if name in params["teachers"] else []
    simulators = [name] if name in params["simulators"] else []
    if not (teachers or simulators):
        known = ", ".join(sorted({*params["teachers"], *params["simulators"]}))
        raise ValueError(f"{name!r} is no teacher and no simulator of params.yaml; there are: {known}")
    return teachers, simulators


def refuse_unprepared(dataset: str, run: Run) -> None:
    """Raises ValueError for a data set that is not here, and that no stage of this run prepares."""
    path = DATA / f"examples/{dataset}.jsonl"
    known = [*run.datasets, *run.extra_datasets]
    if dataset not in known and not path.is_file():
        raise ValueError(
            f"{path} not found, and {dataset!r} is no data set of this run; `run.datasets` and"
            f" `run.extra_datasets` list: {', '.join(known)}"
        )


def foreseen(params: dict[str, Any], datasets: list[str]) -> list[Question]:
    """What teachers at endpoints will be asked about data sets that are not prepared yet."""
    with new_shelf() as shelf:
        asked = questions(Setting(params, check_blocks(params), shelf))
    return [question for question in asked if question.dataset in datasets]


def main(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A teacher or simulator; all of this run by default."),
    ] = None,
    datasets: Annotated[
        list[str] | None, typer.Argument(metavar="DATASET", help="All of this run by default.")
    ] = None,
) -> None:
    """Say what a run would do, what of its questions is not in the store, and what asking would cost.

    Nothing is asked. Exact after `dvc repro prepare`, before that in numbers alone. For a judge: cot judge
    pairs --dry-run.
    """
    checkout()
    params = read_params()
    run = check("run", params["run"], Run)
    teachers, simulators = who_is_asked(params, run, name)
    wanted = datasets or run.datasets
    for dataset in wanted:
        refuse_unprepared(dataset, run)
    if name is None:
        print_stages([params])
        unseen = [dataset for dataset in wanted if not (DATA / f"examples/{dataset}.jsonl").is_file()]
        print_questions(foreseen(params, unseen) if unseen else [])
        wanted = [dataset for dataset in wanted if dataset not in unseen]
    for teacher in teachers:
        for dataset in wanted:
            plan_teacher(teacher, dataset)
    for simulator in simulators:
        for cell, at in declared_cells(run).items():
            if at["teacher"] and not at["first"] and not at["mentor"] and at["dataset"] in wanted:
                plan_simulator(simulator, cell, at)
    if name is None:
        plan_judges(params, run, wanted)
