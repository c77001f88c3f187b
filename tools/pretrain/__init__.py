"""Pretrain: the base checkpoint of the student `tiny`, a small Llama trained on procedural text.

Not a DVC stage: it runs once, for about an hour on two cores, and its result is in Git under students/tiny.
In: nothing but a seed. Out: model.safetensors (bf16), tokenizer, recipe.json, log.csv, probes.json.
"""

import math
from pathlib import Path
from typing import Annotated

import typer

from stages.records.jsonl import write_json, write_text


def main(
    out: Annotated[Path, typer.Argument(help="Folder for the finished base checkpoint.")] = Path(
        "students/tiny"
    ),
    tokens: Annotated[int, typer.Option(help="Tokens to train on.")] = 82_000_000,
    seed: Annotated[int, typer.Option(help="Seed of weights and text.")] = 0,
    work: Annotated[
        Path, typer.Option(help="Folder for the running state; a second run goes on from it.")
    ] = Path(".pretrain"),
) -> None:
    """Train the base model of `tiny`, and probe what it can do on text it has not seen.

    About an hour on two cores. Compiled bf16 arithmetic on several threads does not repeat bit by bit.
    """
    import torch

    from tools.pretrain.base import RECIPE, build_model, build_tokenizer, probe
    from tools.pretrain.training import train

    work.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer(seed)
    model = build_model(seed, tokenizer)
    weights = sum(p.numel() for p in model.parameters())
    steps = math.ceil(tokens / (RECIPE["batch_rows"] * RECIPE["row_tokens"]))
    recipe = {**RECIPE, "seed": seed, "steps": steps, "tokens": tokens, "parameters": weights}
    log = train(model, tokenizer, recipe, work)
    model = model.to(torch.bfloat16)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    write_json(out / "recipe.json", recipe)
    write_text(out / "log.csv", "step,tokens,loss\n" + "".join(log))
    write_json(out / "probes.json", probe(model, tokenizer, 200))
