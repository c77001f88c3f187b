"""Benchmark: training steps and generation against what others' code does with the same model and texts, in
one process.

Real lengths, random tokens and weights. Nothing here is a test, and no stage depends on it. Prints tables and
writes metrics/benchmarks/*.json; ratios are between the lines of one run.
"""

import gc
import os
from pathlib import Path
from typing import Annotated, Any

import torch
import transformers
import typer

from stages.config.cli import advance, fail_plainly, progress_bar
from tools.benchmark import decoding, trainers, training
from tools.benchmark.measure import keep, machine, show, with_ratios
from tools.benchmark.workloads import SHAPES, Workload, workload

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Measure training and generation against others' ways.",
)

GPU_MODELS = "gpt2-large,opt-1.3b,llama-7b-lora"
TRAIN_LINES = [*training.LINES, *trainers.TRAINERS]
CASCOD_30M = 16  # completions a step, which are enough to wait for

Only = Annotated[
    str,
    typer.Option(
        help=(
            "Names of workloads (runs) and of lines, with commas; all of a kind if none of that kind is"
            " named."
        )
    ),
]
Threads = Annotated[int, typer.Option(min=1, help="Of torch, on a CPU.")]
Device = Annotated[str, typer.Option(help="cpu or cuda; without it the GPU, if there is one.")]
Repetitions = Annotated[int, typer.Option(min=1, help="The fastest counts.")]
Out = Annotated[
    Path | None,
    typer.Option(
        help=(
            "Default metrics/benchmarks/COMMAND_DEVICE.json. What it has of this machine stays, if not"
            " measured anew."
        )
    ),
]


def picked(only: str, runs: list[str], lines: list[str]) -> tuple[list[str], list[str]]:
    """The runs and the lines that `--only` names, each list empty if none is named. Raises ValueError for a
    name that is neither.
    """
    named = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := [name for name in named if name not in runs and name not in lines]:
        raise ValueError(
            f"--only: unknown {', '.join(unknown)}; workloads: {', '.join(runs)}; lines: {', '.join(lines)}"
        )
    return [name for name in runs if name in named], [name for name in lines if name in named]


def prepared(threads: int, device: str) -> torch.device:
    """Torch set up. Raises ValueError for a device that is not there."""
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if where not in ("cpu", "cuda") or (where == "cuda" and not torch.cuda.is_available()):
        raise ValueError(f"--device {where}: wanted cpu, or cuda where torch finds a GPU")
    os.environ["COT_DEVICE"], os.environ["TOKENIZERS_PARALLELISM"] = where, "false"
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    return torch.device(where)


def train_lines(model: str, work: Workload, named: list[str], on_gpu: bool) -> list[str]:
    """What to measure: the lines named; without any, all that are worth their minutes on the device."""
    possible = training.names(work)
    for name in trainers.TRAINERS:
        why = trainers.missing(name, work)
        if why is None:
            possible.append(name)
        elif name in named or work.name == "gsm8k":
            typer.echo(f"{work.name}: no {name}: {why}", err=True)
    if named:
        return [name for name in possible if name in named]
    slow = (
        set()
        if on_gpu
        else {"longest"}
        if work.name == "bbh"
        else {"authors"}
        if model == "30M"
        else set[str]()
    )
    return [
        name
        for name in possible
        if name not in slow and (work.name == "gsm8k" or name not in trainers.TRAINERS)
    ]


def train_plan(only: str, model: str, sequences: int, on_gpu: bool) -> list[tuple[str, Workload, list[str]]]:
    """Models, workloads and the lines of each. Raises ValueError if there is none."""
    runs, lines = picked(only, list(SHAPES), TRAIN_LINES)
    wanted = [(name, runs or list(SHAPES)) for name in (model or (GPU_MODELS if on_gpu else "5M")).split(",")]
    if not model and not on_gpu and "cascod" in (runs or SHAPES):
        wanted.append(("30M", ["cascod"]))
    plan = []
    for model_name, names in wanted:
        for name in names:
            few = CASCOD_30M if name == "cascod" and model_name == "30M" else None
            work = workload(name, sequences or few)
            plan.append((model_name, work, train_lines(model_name, work, lines, on_gpu)))
    if not any(names for *_, names in plan):
        raise ValueError(f"--only {only}: none of these lines belongs to these workloads")
    return [part for part in plan if part[2]]


def train_run(
    model: str, work: Workload, lines: list[str], device: torch.device, repetitions: int, done: Any
) -> dict[str, Any]:
    found, about = training.measure(model, work, device, repetitions, lines, done)
    for name in lines:
        if name in trainers.TRAINERS:
            found.append(trainers.measure(model, name, work, device, repetitions, done))
    texts = len(work.texts)
    labels = sum(work.labels.values())
    title = (
        f"{work.name}, {model}: one step of {texts} texts, {labels} labels, {work.diversity} completions a"
        " question"
    )
    return {
        "name": f"{work.name} {model}",
        "title": title,
        "texts": texts,
        "labels": labels,
        **about,
        "lines": with_ratios(found, training.BASELINE),
    }


@app.command()
def train(
    only: Only = "",
    model: Annotated[str, typer.Option(help=f"With commas, of 5M, 30M, {GPU_MODELS}.")] = "",
    sequences: Annotated[
        int, typer.Option(min=0, help="Completions a step. 0: 64; csqa 60; cascod 24, for 30M 16.")
    ] = 0,
    repetitions: Repetitions = 2,
    threads: Threads = 1,
    device: Device = "",
    out: Out = None,
) -> None:
    """One optimizer step in every layout; losses and gradients are the same. About 11 minutes on one CPU thread.

    Without --model: on a CPU 5M, and cascod for 30M too; on a GPU gpt2-large, opt-1.3b and llama-7b-lora.
    What takes minutes on a CPU is left out unless --only names it: bbh's `longest`, the 30M model's
    `authors`, trainers but for gsm8k.
    """
    where = prepared(threads, device)
    plan = train_plan(only, model, sequences, where.type == "cuda")
    path = out or Path(f"metrics/benchmarks/train_{where.type}.json")
    about = machine(where)
    with progress_bar() as bar:
        task = bar.add_task("train", total=repetitions * sum(len(names) for *_, names in plan), rate="")
        for model_name, work, names in plan:
            try:
                found = train_run(model_name, work, names, where, repetitions, lambda: advance(bar, task))
            except torch.OutOfMemoryError as error:
                typer.echo(
                    f"{work.name}, {model_name}: left out, out of memory ({str(error).splitlines()[0]}); see"
                    " --sequences, --only",
                    err=True,
                )
            else:
                show(found)
                keep(path, about, [found])
            gc.collect()
            torch.cuda.empty_cache()


@app.command()
def generate(
    only: Only = "",
    model: Annotated[
        str, typer.Option(help=f"One of 5M, 30M, {GPU_MODELS}. Default: 5M, on a GPU opt-1.3b.")
    ] = "",
    questions: Annotated[
        int, typer.Option(min=1, help="Of the runs `plain` and `runaways`; an eighth of them for `samples`.")
    ] = 160,
    repetitions: Repetitions = 1,
    threads: Threads = 1,
    device: Device = "",
    out: Out = None,
) -> None:
    """Answers of known lengths; with run-aways, with 8 samples a question, after a header of 700 tokens.
    About 8.5 minutes on one CPU thread.

    What takes minutes is left out unless --only names it: most plain ways with run-aways.
    """
    where = prepared(threads, device)
    runs, lines = picked(only, [run.name for run in decoding.asked(1)], decoding.LINES)
    name = model or ("5M" if where.type == "cpu" else "opt-1.3b")
    plan = [
        (run, lines or list(run.by_default))
        for run in decoding.asked(questions)
        if run.name in runs or not runs
    ]
    path = out or Path(f"metrics/benchmarks/generate_{where.type}.json")
    about = machine(where)
    student = decoding.student_model(name, where)
    with progress_bar() as bar:
        task = bar.add_task("generate", total=repetitions * sum(len(names) for _, names in plan), rate="")
        for run, names in plan:
            measured = decoding.measure(student, where, run, names, repetitions, lambda: advance(bar, task))
            found = {
                "name": f"{run.name} {name}",
                "title": f"{name}: {run.title}; {run.useful} tokens",
                "lines": measured,
            }
            show(found)
            keep(path, about, [found])


@app.command()
def groups(
    cells: Annotated[
        list[str],
        typer.Argument(
            help=(
                "DATASET-SPLIT-TEACHER-CURATION-METHOD: files of data/sequences, with several completions a"
                " question."
            )
        ),
    ],
    student: Annotated[str, typer.Option(help="A block under `students`.")] = "tiny",
    sizes: Annotated[
        str,
        typer.Option(
            help="Completions of a question in one step, with commas; 1 is what they are compared with."
        ),
    ] = "1,4",
    seeds: Annotated[int, typer.Option(min=1, help="0 .. SEEDS-1.")] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Completions a step.")] = 32,
    epochs: Annotated[
        int, typer.Option(min=1, help="Equal epochs; equal time is as many more as the tokens saved allow.")
    ] = 5,
    threads: Threads = 1,
    device: Device = "",
    out: Out = None,
) -> None:
    """What `group_size` costs in accuracy, at equal epochs and at equal time. About 3 minutes a cell, size
    and seed on one CPU thread.
    """
    from tools.benchmark import groups as study

    where = prepared(threads, device)
    if bad := [size for size in sizes.split(",") if not size.strip().isdecimal() or int(size) < 1]:
        raise ValueError(f"--sizes {sizes}: got {bad}, wanted whole numbers from 1, with commas")
    wanted = sorted({1, *map(int, sizes.split(","))})
    found = [study.read_cell(name, student, batch, epochs) for name in cells]
    path = out or Path(f"metrics/benchmarks/groups_{where.type}.json")
    about = machine(where)
    with progress_bar() as bar:
        task = bar.add_task("groups", total=len(found) * len(wanted) * seeds, rate="")
        for cell in found:
            run = study.measure(cell, wanted, list(range(seeds)), lambda: advance(bar, task))
            show(run)
            keep(path, about, [run])


if __name__ == "__main__":
    fail_plainly(app)
