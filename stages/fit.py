"""The training loop: seeded order, micro-batches, a state on disk from which a killed run continues bit by bit (on CPU)."""

import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model

from stages.cli import advance, progress_bar
from stages.config.student import Student
from stages.records.sequence import Sequence
from stages.student import Loaded, autocast, save
from stages.tokens import IGNORE, Row, collate, encode


def encode_parts(sequences: list[Sequence], student: Loaded, max_tokens: int) -> dict[str, list[Row]]:
    """Tokenised train and validation rows. Raises ValueError for a text whose target is cut away wholly."""
    limit = min(max_tokens, student.positions)
    rows: dict[str, list[Row]] = {"train": [], "validation": []}
    for sequence in sequences:
        row = encode(sequence, student.tokenizer, student.encoder_decoder, limit)
        if row.trained == 0:
            raise ValueError(
                f"{sequence.example_id}: its prompt alone fills the {limit} tokens a row may have; raise max_tokens or drop the question"
            )
        rows[sequence.part].append(row)
    if not rows["train"]:
        raise ValueError("no sequence of the train part: nothing to train on")
    return rows


def loss_sum(student: Loaded, rows: list[Row]) -> torch.Tensor:
    """Summed cross-entropy over the labels of `rows`, one forward pass."""
    batch = {key: value.to(student.device) for key, value in collate(rows, student.tokenizer.pad_token_id).items()}
    labels = batch.pop("labels")
    if student.encoder_decoder:
        batch["decoder_input_ids"] = student.model.prepare_decoder_input_ids_from_labels(labels)
    with autocast(student.device):
        logits = student.model(**batch, use_cache=False).logits
    if not student.encoder_decoder:  # position t predicts token t + 1
        logits, labels = logits[:, :-1], labels[:, 1:]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORE, reduction="sum")


def micro_batches(rows: list[Row]) -> list[list[Row]]:
    """$COT_MICRO_BATCH rows at a time (all by default): a matter of memory, the step is the same."""
    size = int(os.environ.get("COT_MICRO_BATCH") or len(rows))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def step(student: Loaded, optimizer: torch.optim.Optimizer, rows: list[Row], clip: float, where: str) -> float:
    """One update on the mean loss over all labels of the batch; returns that loss."""
    labels, total = sum(row.trained for row in rows), 0.0
    try:
        for part in micro_batches(rows):
            loss = loss_sum(student, part) / labels
            loss.backward()
            total += loss.item()
    except torch.OutOfMemoryError as error:
        raise ValueError(f"{where}: out of memory; set COT_MICRO_BATCH below {len(rows)} (the result is the same) or max_tokens lower") from error
    if not math.isfinite(total):
        raise ValueError(f"{where}: the loss is {total}; lower `lr`, or look at the rows with `python -m stages.render --show 3 ...`")
    torch.nn.utils.clip_grad_norm_(student.model.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad()
    return total


@torch.no_grad()
def mean_loss(student: Loaded, rows: list[Row], batch_size: int) -> float | None:
    """Mean cross-entropy over all labels of `rows`, without dropout; None without rows."""
    if not rows:
        return None
    student.model.eval()
    ordered = sorted(rows, key=lambda row: len(row.inputs))
    total = sum(loss_sum(student, ordered[i : i + batch_size]).item() for i in range(0, len(ordered), batch_size))
    return total / sum(row.trained for row in rows)


def save_state(state: Path, student: Loaded, optimizer: torch.optim.Optimizer, at: dict[str, Any]) -> None:
    random = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if student.device.type == "cuda" else []}
    part = state.with_suffix(".part")
    torch.save({"model": student.model.state_dict(), "optimizer": optimizer.state_dict(), "random": random, "at": at}, part)
    part.replace(state)


def restore_state(state: Path, student: Loaded, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    saved = torch.load(state, weights_only=True, map_location=student.device)
    student.model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    torch.set_rng_state(saved["random"]["cpu"].cpu())
    if saved["random"]["cuda"]:
        torch.cuda.set_rng_state_all([state.cpu() for state in saved["random"]["cuda"]])
    at: dict[str, Any] = saved["at"]
    return at


def end_epoch(student: Loaded, validation: list[Row], settings: Student, at: dict[str, Any], steps: int, work: Path) -> None:
    """Score the epoch on the validation slice and keep its weights if they are the best so far (or the last, without a slice)."""
    loss = mean_loss(student, validation, settings.batch_size)
    if loss is not None and not math.isfinite(loss):
        raise ValueError(f"epoch {at['epoch'] + 1}: the validation loss is {loss}; lower `lr`")
    at["history"].append({"epoch": at["epoch"] + 1, "train_loss": at["sum"] / steps, "validation_loss": loss})
    if loss is None or loss < at["least"]:
        at["least"], at["best"] = loss if loss is not None else at["least"], at["epoch"] + 1
        save_model(student.model, str(work / "best.safetensors"))
    if settings.keep_epochs:
        save(student, work / "epochs" / f"{at['epoch'] + 1:02d}")
    at.update(epoch=at["epoch"] + 1, step=0, sum=0.0)


def fit(student: Loaded, rows: dict[str, list[Row]], settings: Student, seed: int, work: Path) -> tuple[list[dict[str, Any]], int]:
    """Fine-tune in place; returns the loss per epoch and the number of the chosen epoch, whose weights the student then has.

    The state is saved at most every $COT_CHECKPOINT_SECONDS (60), and never for more than a twentieth of the time.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(student.model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    state, pause = work / "state.pt", float(os.environ.get("COT_CHECKPOINT_SECONDS") or 60)
    at: dict[str, Any] = {"epoch": 0, "step": 0, "sum": 0.0, "best": 0, "least": float("inf"), "history": []}
    if state.exists():
        at = restore_state(state, student, optimizer)
    size, train = settings.batch_size, rows["train"]
    steps, saved = -(-len(train) // size), time.monotonic()
    with progress_bar() as bar:
        task = bar.add_task("train", total=settings.epochs * steps, completed=at["epoch"] * steps + at["step"], rate="")
        while at["epoch"] < settings.epochs:
            order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed * 100_003 + at["epoch"])).tolist()
            while at["step"] < steps:
                student.model.train()
                batch = [train[i] for i in order[at["step"] * size : (at["step"] + 1) * size]]
                at["sum"] += step(student, optimizer, batch, settings.clip, f"epoch {at['epoch'] + 1}, step {at['step'] + 1}")
                at["step"] += 1
                advance(bar, task)
                if time.monotonic() - saved >= pause:
                    began = time.monotonic()
                    save_state(state, student, optimizer, at)
                    saved = time.monotonic()
                    pause = max(pause, 20 * (saved - began)) if pause else 0
            end_epoch(student, rows["validation"], settings, at, steps, work)
    if at["best"] != settings.epochs:
        load_model(student.model, str(work / "best.safetensors"))
    return at["history"], at["best"]
