"""Training of the base: an endless text, AdamW, and a state from which a killed run goes on."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import typer
from transformers import PreTrainedTokenizerFast

from stages.config.cli import progress
from tools.pretrain.base import RECIPE, probe
from tools.pretrain.text import document

LOGGED = 100  # steps of which a line of the log is the mean
SAVED = 500  # steps from one state to the next, which a kill costs at most


def batches(tokenizer: PreTrainedTokenizerFast, seed: int, start: int) -> Iterator[torch.Tensor]:
    """Endless batches int64[batch_rows, row_tokens + 1]; step k is a function of (seed, k) alone, so a resume
    sees the same text.
    """
    need = RECIPE["batch_rows"] * (RECIPE["row_tokens"] + 1)
    step = start
    while True:
        rng = random.Random(f"{seed}-{step}")
        ids: list[int] = []
        hard_share = RECIPE["hard_share"] if step >= RECIPE["hard_from_step"] else 0.0
        while len(ids) < need:
            ids += [
                *tokenizer.backend_tokenizer.encode(document(rng, hard_share)).ids,
                tokenizer.eos_token_id,
            ]
        yield torch.tensor(ids[:need]).view(RECIPE["batch_rows"], -1)
        step += 1


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up, flat, linear decay to zero over the last `decay_fraction`."""
    share = min(1.0, (step + 1) / RECIPE["warmup_steps"], (steps - step) / (steps * RECIPE["decay_fraction"]))
    return float(RECIPE["lr"] * share)


def resume(
    state: Path, model: Any, optimizer: torch.optim.Optimizer, recipe: dict[str, Any]
) -> tuple[int, list[str]]:
    """Steps done and the log so far. Raises ValueError for a state of another recipe."""
    if not state.exists():
        return 0, []
    saved = torch.load(state, weights_only=True)
    if saved["recipe"] != recipe:
        raise ValueError(
            f"{state} belongs to another recipe or seed: {saved['recipe']}; remove it or give another --work"
        )
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    return saved["step"], saved["log"]


def save(state: Path, **values: Any) -> None:
    """Whole or not at all."""
    part = state.with_suffix(".part")
    torch.save(values, part)
    part.replace(state)


def train(model: Any, tokenizer: PreTrainedTokenizerFast, recipe: dict[str, Any], work: Path) -> list[str]:
    """Run the steps that are not done yet. Returns the log's lines: step, tokens, loss in nats a token."""
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=0,
        weight_decay=RECIPE["weight_decay"],
        betas=tuple(RECIPE["betas"]),
        fused=True,
    )
    steps = recipe["steps"]
    state = work / "state.pt"
    done, log = resume(state, model, optimizer, recipe)
    compiled = torch.compile(model)
    total = 0.0
    text = batches(tokenizer, recipe["seed"], done)
    for step, batch in zip(progress(range(done, steps), "pretrain"), text, strict=False):
        total += train_step(compiled, optimizer, batch, learning_rate(step, steps))
        if (step + 1) % LOGGED == 0:
            tokens = (step + 1) * RECIPE["batch_rows"] * RECIPE["row_tokens"]
            log.append(f"{step + 1},{tokens},{total / LOGGED:.4f}\n")
            total = 0.0
        if (step + 1) % SAVED == 0:
            weights = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            save(state, **weights, step=step + 1, log=log, recipe=recipe)
            typer.echo(f"step {step + 1}: {json.dumps(probe(model, tokenizer, 32))}")
    return log


def train_step(model: Any, optimizer: torch.optim.Optimizer, batch: torch.Tensor, rate: float) -> float:
    """One step on int64[rows, tokens + 1]. Returns the mean loss in nats a token."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=batch[:, :-1], use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), RECIPE["clip"])
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()
