"""A student that is fine-tuned at OpenAI: the files it learns from, and the numbers that come back
(Fine-tune-CoT appendix A.4).

The job, its journal and all that talks to the server is stages/endpoint/fine_tune.py: it decides no result.
"""

import csv
import io
import json
import shutil
from collections.abc import Iterable
from math import ceil
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.config.student import HostedStudent
from stages.records.jsonl import write_json
from stages.records.sequence import Segment, Sequence
from stages.training.curve import Curve

LEAST = 10  # training examples that the API wants
PROMPT = "prompt"  # the task of prompt tokens that carry loss too


def split_prompt(segments: list[Segment]) -> tuple[list[Segment], list[Segment]]:
    """(prompt, completion): what stands before the first task; prompt tokens with a loss of their own are
    still prompt.
    """
    tasks = [segment.task for segment in segments]
    first = next((place for place, task in enumerate(tasks) if task not in (None, PROMPT)), len(tasks))
    return segments[:first], segments[first:]


def joined_text(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def refusal(sequence: Sequence, settings: HostedStudent) -> str | None:
    """Why OpenAI's one loss, over all tokens of the completion alike, is not the loss of this sequence."""
    prompt, completion = split_prompt(sequence.segments)
    if sequence.system is not None and settings.api != "chat":
        return "its method has `format: chat`: give the student `api: chat`, or the method another format"
    if any(segment.runs is not None for segment in sequence.segments):
        return (
            "its method weighs tokens one by one, but the API weighs whole messages, with 0 or 1: use a local"
            " student"
        )
    if sequence.draw:
        return (
            "one of its sequences is drawn per epoch, but the API trains on every line of a file in every"
            " epoch"
        )
    has_context = any(segment.task in (None, PROMPT) for segment in completion)
    if has_context or any(segment.end for segment in completion[:-1]):
        return "it has context or an end of text behind its first trained token"
    weights = {segment.weight for segment in prompt if segment.task == PROMPT}
    if weights - {settings.prompt_loss_weight}:
        return (
            f"its method gives the prompt the loss weight {min(weights)}: give the student the same"
            " `prompt_loss_weight`, or the method none"
        )
    if not joined_text(prompt).strip() or not joined_text(completion).strip():
        return "its prompt or its completion is empty"
    return None


def check_sequences(sequences: list[Sequence], settings: HostedStudent) -> None:
    """Raises ValueError for what cannot be trained there as the method means it."""
    segments = [segment for sequence in sequences for segment in sequence.segments]
    tasks = {segment.task for segment in segments if segment.task and segment.task != PROMPT}
    if len(tasks) > 1:
        raise ValueError(
            f"the method weighs several tasks ({', '.join(sorted(tasks))}), but OpenAI has one loss: use a"
            " local student"
        )
    for sequence in sequences:
        if why := refusal(sequence, settings):
            raise ValueError(f"{sequence.example_id} cannot be trained at OpenAI: {why}")
    if (count := sum(sequence.part == "train" for sequence in sequences)) < LEAST:
        raise ValueError(
            f"{count} training sequences, but OpenAI wants at least {LEAST}: use a larger corpus or a local"
            " student"
        )


def json_lines(sequences: Iterable[Sequence], api: str) -> str:
    """The sequences as a file in the API's format."""
    rows: list[dict[str, Any]] = []
    for sequence in sequences:
        prompt, completion = map(joined_text, split_prompt(sequence.segments))
        if api == "chat":
            turns = [("system", sequence.system), ("user", prompt), ("assistant", completion)]
            messages = [{"role": role, "content": text} for role, text in turns if text]
            rows.append({"messages": messages})
        else:
            rows.append({"prompt": prompt, "completion": completion})
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def hyperparameters(settings: HostedStudent, examples: int) -> dict[str, float]:
    """What the job is given; what is left out is the server's choice."""
    given = {
        "n_epochs": settings.epochs,
        "batch_size": settings.batch_size or min(256, max(1, examples // 500)),  # 0.2 %
        "learning_rate_multiplier": settings.learning_rate_multiplier,
        "prompt_loss_weight": settings.prompt_loss_weight,
    }
    return {name: value for name, value in given.items() if value is not None}


def loss_curve(results: str, epochs: int) -> Curve:
    """The curve from the steps of a job's result file, which are shared out evenly over the epochs.

    Train: mean over the epoch's steps. Validation: over the whole file at the end of the epoch where the
    server gives it, else the mean of its batches.
    """
    steps = [row for row in csv.DictReader(io.StringIO(results)) if row.get("step")]
    last = max((float(row["step"]) for row in steps), default=0.0)
    curve: Curve = []
    for epoch in range(1, epochs + 1):
        rows = [row for row in steps if ceil(float(row["step"]) * epochs / last) == epoch]
        train, batches, whole = (
            [float(row[column]) for row in rows if row.get(column)]
            for column in ("train_loss", "valid_loss", "full_valid_loss")
        )
        validation = whole[-1] if whole else fmean(batches) if batches else None
        if train:
            curve.append((epoch, fmean(train), validation))
    return curve


def job_counts(sequences: list[Sequence], tuned: dict[str, Any], curve: Curve) -> dict[str, Any]:
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


def train_at_openai(
    settings: HostedStudent, seed: int, sequences: list[Sequence], out: Path
) -> tuple[Curve, dict[str, Any]]:
    """Fine-tune at the endpoint and leave a pointer to the model in `out`: the loss curve and the counts.

    A method that trains nothing leaves a pointer to the base model. Raises ValueError for what cannot be
    trained there, and for a job that fails.
    """
    pointer: dict[str, Any] = {
        "api": settings.api,
        "base": settings.model,
        "endpoint": settings.endpoint,
        "job": None,
        "model": settings.model,
        "trained_tokens": 0,
    }
    curve: Curve = []
    counts: dict[str, Any] = {"sequences_train": 0}
    if sequences:
        check_sequences(sequences, settings)
        from stages.endpoint import fine_tune

        train, validation = (
            json_lines((row for row in sequences if row.part == part), settings.api)
            for part in ("train", "validation")
        )
        given = hyperparameters(settings, sum(row.part == "train" for row in sequences))
        order = fine_tune.Order(settings.model, train, validation, given, seed)
        tuned = fine_tune.fine_tune(order, settings.endpoint)
        pointer |= {name: tuned[name] for name in ("model", "job", "trained_tokens")}
        curve = loss_curve(tuned["results"], settings.epochs)
        counts = job_counts(sequences, tuned, curve)
    shutil.rmtree(out, ignore_errors=True)
    write_json(out / "openai.json", pointer)
    return curve, counts
