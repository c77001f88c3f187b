"""Make the base checkpoint of the student `tiny`: a small Llama trained on procedural text
(tools/pretrain/text.py).

Not a DVC stage: it runs once, for about an hour on two cores, and its result is in Git under students/tiny.
In: nothing but a seed. Out: model.safetensors (bf16), tokenizer, recipe.json, log.csv, probes.json.
"""

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from tokenizers import Regex, Tokenizer, decoders, models, trainers
from tokenizers import pre_tokenizers as pre
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from stages.config.cli import progress, run
from stages.records.jsonl import write_json, write_text
from tools.pretrain.text import SKILLS, document

RECIPE: dict[str, Any] = {
    "layers": 4, "width": 128, "heads": 4, "feed_forward": 384, "vocabulary": 1024, "positions": 1024,
    "row_tokens": 256, "batch_rows": 32, "hard_share": 0.5, "hard_from_step": 5000,
    "lr": 3e-3, "warmup_steps": 200, "decay_fraction": 0.4, "weight_decay": 0.1, "betas": [0.9, 0.98], "clip": 1.0,
}  # fmt: skip
PROBE_SEED = 10**9  # training draws from seeds that are texts, "<seed>-<step>": the probes were never seen


def build_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE: lower-case words merge, capitalised words (names) stay letter by letter, digits stay
    single.

    A name that is one token hides its letters; spelling is what the symbolic tasks are about.
    """
    tokenizer = Tokenizer(models.BPE())
    name_then_letters = [
        pre.Split(Regex(p), "isolated") for p in (r" ?\p{Lu}\p{Ll}*", r"^ ?\p{Lu}|(?!^)\G\p{Ll}")
    ]
    tokenizer.pre_tokenizer = pre.Sequence(
        [pre.Digits(individual_digits=True), *name_then_letters, pre.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    rng = random.Random(seed)
    trainer = trainers.BpeTrainer(
        vocab_size=RECIPE["vocabulary"],
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=pre.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((document(rng) for _ in range(20_000)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", model_max_length=RECIPE["positions"]
    )


def build_model(seed: int, tokenizer: PreTrainedTokenizerFast) -> Any:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=RECIPE["vocabulary"], hidden_size=RECIPE["width"], num_hidden_layers=RECIPE["layers"], num_attention_heads=RECIPE["heads"],
        num_key_value_heads=RECIPE["heads"], intermediate_size=RECIPE["feed_forward"], max_position_embeddings=RECIPE["positions"],
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    # eager attention is faster than sdpa's CPU kernel at this width, once compiled
    return LlamaForCausalLM._from_config(config, attn_implementation="eager")


def rows(tokenizer: PreTrainedTokenizerFast, seed: int, start: int) -> Iterator[torch.Tensor]:
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


def probe(model: Any, tokenizer: PreTrainedTokenizerFast, n: int) -> dict[str, float]:
    """Exact-match rate per skill on `n` held-out documents, greedy."""
    model.eval()
    found = {}
    for skill in SKILLS:
        rng = random.Random(PROBE_SEED)
        cases = sorted((skill(rng) for _ in range(n)), key=lambda case: len(case[0]))
        inputs = tokenizer(
            [prompt for prompt, _ in cases],
            return_tensors="pt",
            padding=True,
            padding_side="left",
            return_token_type_ids=False,
        )
        longest = max(len(tokenizer(completion).input_ids) for _, completion in cases)
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            out = model.generate(**inputs, max_new_tokens=longest + 4, do_sample=False)
        texts = tokenizer.batch_decode(out[:, inputs.input_ids.shape[1] :], skip_special_tokens=True)
        found[skill.__name__] = sum(text == want for text, (_, want) in zip(texts, cases, strict=True)) / n
    model.train()
    return found


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


def train(model: Any, tokenizer: PreTrainedTokenizerFast, recipe: dict[str, Any], work: Path) -> list[str]:
    """Run the steps that are not done yet; the state in `work` makes a kill cost at most 500 steps. Returns
    the log's lines.
    """
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=0,
        weight_decay=RECIPE["weight_decay"],
        betas=tuple(RECIPE["betas"]),
        fused=True,
    )
    steps = recipe["steps"]
    seed = recipe["seed"]
    state = work / "state.pt"
    done, log = resume(state, model, optimizer, recipe)
    compiled = torch.compile(model)
    total = 0.0
    for step, batch in zip(
        progress(range(done, steps), "pretrain"), rows(tokenizer, seed, done), strict=False
    ):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = compiled(input_ids=batch[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), RECIPE["clip"])
        optimizer.step()
        optimizer.zero_grad()
        total += loss.item()
        if (step + 1) % 100 == 0:
            log.append(
                f"{step + 1},{(step + 1) * RECIPE['batch_rows'] * RECIPE['row_tokens']},{total / 100:.4f}\n"
            )
            total = 0.0
        if (step + 1) % 500 == 0:
            part = state.with_suffix(".part")
            torch.save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step + 1,
                    "log": log,
                    "recipe": recipe,
                },
                part,
            )
            part.replace(state)
            typer.echo(f"step {step + 1}: {json.dumps(probe(model, tokenizer, 32))}")
    return log


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
    """Train the base model of `tiny` and probe what it can do on text it has not seen."""
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer(seed)
    model = build_model(seed, tokenizer)
    size = sum(p.numel() for p in model.parameters())
    recipe = {
        **RECIPE,
        "seed": seed,
        "steps": math.ceil(tokens / (RECIPE["batch_rows"] * RECIPE["row_tokens"])),
        "tokens": tokens,
        "parameters": size,
    }
    log = train(model, tokenizer, recipe, work)
    model = model.to(torch.bfloat16)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    write_json(out / "recipe.json", recipe)
    write_text(out / "log.csv", "step,tokens,loss\n" + "".join(log))
    write_json(out / "probes.json", probe(model, tokenizer, 200))


if __name__ == "__main__":
    run(main)
