"""The base of `tiny`: its recipe, its tokenizer, its untrained model, and how what it learned is probed."""

import random
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, trainers
from tokenizers import pre_tokenizers as pre
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tools.pretrain.text import SKILLS, document

RECIPE: dict[str, Any] = {
    "layers": 4,
    "width": 128,
    "heads": 4,
    "feed_forward": 384,
    "vocabulary": 1024,
    "positions": 1024,
    "row_tokens": 256,
    "batch_rows": 32,
    "hard_share": 0.5,
    "hard_from_step": 5000,
    "lr": 3e-3,
    "warmup_steps": 200,
    "decay_fraction": 0.4,
    "weight_decay": 0.1,
    "betas": [0.9, 0.98],
    "clip": 1.0,
}
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
    """A Llama of random weights, about a million of them."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=RECIPE["vocabulary"],
        hidden_size=RECIPE["width"],
        num_hidden_layers=RECIPE["layers"],
        num_attention_heads=RECIPE["heads"],
        num_key_value_heads=RECIPE["heads"],
        intermediate_size=RECIPE["feed_forward"],
        max_position_embeddings=RECIPE["positions"],
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    # eager attention is faster than sdpa's CPU kernel at this width, once compiled
    return LlamaForCausalLM._from_config(config, attn_implementation="eager")


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
