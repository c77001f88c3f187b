"""Hosted: a student that is fine-tuned at OpenAI - the files it learns from, and the numbers that come back
(Fine-tune-CoT appendix A.4).

The job itself, its journal and everything else that talks to the server is stages/endpoint/fine_tune.py: no
stage depends on that, for it decides no result.
"""

import csv
import io
import json
import shutil
from collections.abc import Iterable
from importlib import import_module
from math import ceil
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.config.student import HostedStudent
from stages.records.jsonl import write_json, write_text
from stages.records.sequence import Segment, Sequence

LEAST = 10  # training examples that the API wants
PROMPT = "prompt"  # the task of prompt tokens that carry loss too


def split(segments: list[Segment]) -> tuple[list[Segment], list[Segment]]:
    """(prompt, completion): what stands before the first task; prompt tokens with a loss of their own are
    still prompt.
    """
    first = next(
        (place for place, segment in enumerate(segments) if segment.task and segment.task != PROMPT),
        len(segments),
    )
    return segments[:first], segments[first:]


def refusal(sequence: Sequence, settings: HostedStudent) -> str | None:
    """Why OpenAI's one loss, over all tokens of the completion alike, is not the loss of this sequence."""
    prompt, completion = split(sequence.segments)
    if sequence.draw:
        return (
            "one of its sequences is drawn per epoch, but the API trains on every line of a file in every"
            " epoch"
        )
    if any(segment.task in (None, PROMPT) for segment in completion) or any(
        segment.end for segment in completion[:-1]
    ):
        return "it has context or an end of text behind its first trained token"
    weights = {segment.weight for segment in prompt if segment.task == PROMPT}
    if weights - {settings.prompt_loss_weight}:
        return (
            f"its method gives the prompt the loss weight {min(weights)}: give the student the same"
            " `prompt_loss_weight`, or the method none"
        )
    if (
        not "".join(segment.text for segment in prompt).strip()
        or not "".join(segment.text for segment in completion).strip()
    ):
        return "its prompt or its completion is empty"
    return None


def check_sequences(sequences: list[Sequence], settings: HostedStudent) -> None:
    """Raises ValueError for what cannot be trained there as the method means it."""
    tasks = {
        segment.task
        for sequence in sequences
        for segment in sequence.segments
        if segment.task and segment.task != PROMPT
    }
    if len(tasks) > 1:
        raise ValueError(
            f"the method weighs several tasks ({', '.join(sorted(map(str, tasks)))}), but OpenAI has one"
            " loss: use a local student"
        )
    for sequence in sequences:
        if why := refusal(sequence, settings):
            raise ValueError(f"{sequence.example_id} cannot be trained at OpenAI: {why}")
    if (count := sum(sequence.part == "train" for sequence in sequences)) < LEAST:
        raise ValueError(
            f"{count} training sequences, but OpenAI wants at least {LEAST}: use a larger corpus or a local"
            " student"
        )


def lines(sequences: Iterable[Sequence], api: str) -> str:
    """JSON lines in the API's format."""
    rows = []
    for sequence in sequences:
        prompt, completion = ("".join(segment.text for segment in part) for part in split(sequence.segments))
        chat = {
            "messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
        }
        rows.append(
            json.dumps(
                chat if api == "chat" else {"prompt": prompt, "completion": completion}, ensure_ascii=False
            )
        )
    return "".join(f"{row}\n" for row in rows)


def hyperparameters(settings: HostedStudent, examples: int) -> dict[str, float]:
    """What the job is given; what is left out is the server's choice."""
    given = {
        "n_epochs": settings.epochs,
        "batch_size": settings.batch_size or min(256, max(1, examples // 500)),  # 0.2 %
        "learning_rate_multiplier": settings.learning_rate_multiplier,
        "prompt_loss_weight": settings.prompt_loss_weight,
    }
    return {name: value for name, value in given.items() if value is not None}


def losses(results: str, epochs: int) -> list[tuple[int, float, float | None]]:
    """(epoch, train loss, validation loss) from the steps of a result file; the steps are shared out evenly
    over the epochs.

    Train: mean over the epoch's steps. Validation: over the whole file at the end of the epoch where the
    server gives it, else the mean of its batches.
    """
    steps = [row for row in csv.DictReader(io.StringIO(results)) if row.get("step")]
    last = max((float(row["step"]) for row in steps), default=0.0)
    curve = []
    for epoch in range(1, epochs + 1):
        rows = [row for row in steps if ceil(float(row["step"]) * epochs / last) == epoch]
        train, part, full = (
            [float(row[name]) for row in rows if row.get(name)]
            for name in ("train_loss", "valid_loss", "full_valid_loss")
        )
        if train:
            curve.append((epoch, fmean(train), full[-1] if full else fmean(part) if part else None))
    return curve


def write_curve(path: Path, curve: list[tuple[int, float, float | None]]) -> None:
    rows = [
        f"{epoch},{train:.6f},{'' if validation is None else format(validation, '.6f')}\n"
        for epoch, train, validation in curve
    ]
    write_text(path, "epoch,train_loss,validation_loss\n" + "".join(rows))


def counts(
    sequences: list[Sequence], tuned: dict[str, Any], curve: list[tuple[int, float, float | None]]
) -> dict[str, Any]:
    """What was trained, as numbers to diff. Unknown dollars are null."""
    return {
        "sequences_train": sum(sequence.part == "train" for sequence in sequences),
        "sequences_validation": sum(sequence.part == "validation" for sequence in sequences),
        "questions_train": len({sequence.example_id for sequence in sequences if sequence.part == "train"}),
        "trained_tokens": tuned["trained_tokens"],
        "dollars": tuned["dollars"],
        "hyperparameters": tuned["hyperparameters"],
        "validation_loss": curve[-1][2] if curve else None,
    }


def train(
    settings: HostedStudent,
    seed: int,
    sequences: list[Sequence],
    out: Path,
    loss_csv: Path,
    counts_json: Path,
) -> None:
    """Fine-tune at the endpoint and leave a pointer to the model; a method that trains nothing leaves one to
    the base model.
    """
    pointer: dict[str, Any] = {
        "model": settings.model,
        "base": settings.model,
        "job": None,
        "trained_tokens": 0,
    }
    pointer |= {"api": settings.api, "endpoint": settings.endpoint}
    curve: list[tuple[int, float, float | None]] = []
    numbers: dict[str, Any] = {"sequences_train": 0}
    if sequences:
        check_sequences(sequences, settings)
        parts = {
            part: lines([row for row in sequences if row.part == part], settings.api)
            for part in ("train", "validation")
        }
        given = hyperparameters(settings, sum(row.part == "train" for row in sequences))
        fine_tune = import_module("stages.endpoint.fine_tune")
        tuned = fine_tune.fine_tune(
            fine_tune.Order(settings.model, parts["train"], parts["validation"], given, seed),
            settings.endpoint,
        )
        pointer |= {name: tuned[name] for name in ("model", "job", "trained_tokens")}
        curve = losses(tuned["results"], settings.epochs)
        numbers = counts(sequences, tuned, curve)
    shutil.rmtree(out, ignore_errors=True)
    write_json(out / "openai.json", pointer)
    write_curve(loss_csv, curve)
    write_json(counts_json, numbers)
