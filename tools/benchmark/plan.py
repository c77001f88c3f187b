"""Plan: which models, workloads and lines a benchmark of training has, and one run of it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import typer

from tools.benchmark import GPU_MODELS, trainers, training
from tools.benchmark.measure import with_ratios
from tools.benchmark.workloads import SHAPES, Workload, workload

TRAIN_LINES = [*training.LINES, *trainers.TRAINERS]
CASCOD_30M = 16  # completions a step, which are enough to wait for

Part = tuple[str, Workload, list[str]]  # a model, a workload, the lines to measure


def picked(only: str, runs: Sequence[str], lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """The runs and the lines that `--only` names, each list empty if none is named. Raises ValueError for a
    name that is neither.
    """
    named = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := [name for name in named if name not in runs and name not in lines]:
        raise ValueError(
            f"--only: unknown {', '.join(unknown)}; workloads: {', '.join(runs)}; lines: {', '.join(lines)}"
        )
    return [name for name in runs if name in named], [name for name in lines if name in named]


def slow_lines(model: str, work: Workload) -> set[str]:
    """What takes minutes on a CPU, and is left out there unless it is named."""
    if work.name == "bbh":
        return {"longest"}
    return {"authors"} if model == "30M" else set()


def train_lines(model: str, work: Workload, named: list[str], on_gpu: bool) -> list[str]:
    """What to measure: the lines named; without any, all that are worth their minutes on the device."""
    possible = training.layout_names(work)
    for name in trainers.TRAINERS:
        why = trainers.missing(name, work)
        if why is None:
            possible.append(name)
        elif name in named or work.name == "gsm8k":
            typer.echo(f"{work.name}: no {name}: {why}", err=True)
    if named:
        return [name for name in possible if name in named]
    left_out = set() if work.name == "gsm8k" else set(trainers.TRAINERS)
    if not on_gpu:
        left_out |= slow_lines(model, work)
    return [name for name in possible if name not in left_out]


def train_plan(only: str, model: str, sequences: int, on_gpu: bool) -> list[Part]:
    """Models, workloads and the lines of each. Raises ValueError if there is none."""
    runs, lines = picked(only, list(SHAPES), TRAIN_LINES)
    models = (model or (GPU_MODELS if on_gpu else "5M")).split(",")
    wanted = [(name, runs or list(SHAPES)) for name in models]
    if not model and not on_gpu and "cascod" in (runs or SHAPES):
        wanted.append(("30M", ["cascod"]))
    plan: list[Part] = []
    for model_name, names in wanted:
        for name in names:
            few = CASCOD_30M if name == "cascod" and model_name == "30M" else None
            work = workload(name, sequences or few)
            plan.append((model_name, work, train_lines(model_name, work, lines, on_gpu)))
    if not any(names for *_, names in plan):
        raise ValueError(f"--only {only}: none of these lines belongs to these workloads")
    return [part for part in plan if part[2]]


def train_run(
    model: str,
    work: Workload,
    lines: list[str],
    device: torch.device,
    repetitions: int,
    done: Callable[[], None],
) -> dict[str, Any]:
    """A run: layouts, and trainers where `lines` names some."""
    found, about = training.measure(model, work, device, repetitions, lines, done)
    for name in lines:
        if name in trainers.TRAINERS:
            found.append(trainers.measure(model, name, work, device, repetitions, done))
    texts = len(work.texts)
    labels = sum(work.labels.values())
    step = f"one step of {texts} texts, {labels} labels, {work.diversity} completions a question"
    return {
        "name": f"{work.name} {model}",
        "title": f"{work.name}, {model}: {step}",
        "texts": texts,
        "labels": labels,
        **about,
        "lines": with_ratios(found, training.BASELINE),
    }
