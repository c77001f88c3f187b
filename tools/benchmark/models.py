"""Random models in the shapes of real students, and what a step of theirs costs in arithmetic."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, OPTConfig
from transformers.pytorch_utils import Conv1D

from stages.config.student import Lora
from stages.training.objective import inner_model
from tools.benchmark.lengths import VOCABULARY

# dense bfloat16 FLOP/s by the makers' data sheets
PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}
# CasCoD Table 7, but dropout: losses are compared
LORA = Lora(r=64, alpha=32, dropout=0.0, targets=["q_proj", "v_proj"])


ENDS: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}


def llama(width: int, layers: int, heads: int, inner: int, vocabulary: int, tied: bool) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=4096,
        tie_word_embeddings=tied,
        **ENDS,
    )


def config(name: str) -> Any:
    """Sizes as published; without dropout, so that layouts can be held against each other. Raises ValueError
    for an unknown name.
    """
    made = {
        "0.1M": lambda: llama(32, 2, 2, 64, VOCABULARY, tied=True),
        "5M": lambda: llama(256, 6, 4, 672, VOCABULARY, tied=True),
        "30M": lambda: llama(512, 8, 8, 1344, VOCABULARY, tied=True),
        "gpt2-large": lambda: GPT2Config(
            n_embd=1280, n_layer=36, n_head=20, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, **ENDS
        ),
        "opt-1.3b": lambda: OPTConfig(
            hidden_size=2048,
            num_hidden_layers=24,
            num_attention_heads=32,
            ffn_dim=8192,
            word_embed_proj_dim=2048,
            dropout=0.0,
            **ENDS,
        ),
        "llama-7b-lora": lambda: llama(4096, 32, 32, 11008, 32000, tied=False),
    }
    if name not in made:
        raise ValueError(f"unknown model {name!r}, wanted one of {', '.join(made)}")
    return made[name]()


def build(name: str, device: torch.device) -> Any:
    """A model of random weights, the same ones each time, in float32; with adapters on a frozen base where
    the name ends so.
    """
    torch.manual_seed(0)
    with device:
        model = AutoModelForCausalLM.from_config(config(name), attn_implementation="sdpa").train()
    if name.endswith("-lora"):
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(
            model,
            LoraConfig(
                r=LORA.r,
                lora_alpha=LORA.alpha,
                lora_dropout=LORA.dropout,
                target_modules=LORA.targets,
                task_type="CAUSAL_LM",
            ),
        )
    return model


@dataclass(frozen=True)
class Arithmetic:
    """What the layers cost: weights that multiply, forward and backward."""

    body: int  # weights of all layers' matrices
    head: int
    layers: int
    width: int
    frozen: bool  # gradients are passed on, but the weights have none of their own

    def flops(self, tokens: int, labels: int, pairs: int) -> float:
        """Of a step: 2 a weight and token forward, as much for each kind of gradient; queries times keys,
        which have both kinds always.
        """
        passes = 4 if self.frozen else 6
        return passes * (self.body * tokens + self.head * labels) + 12 * self.layers * self.width * pairs


def arithmetic(model: Any) -> Arithmetic:
    inner = inner_model(model)
    head = inner.get_output_embeddings().weight
    settings = inner.config
    matrices = [module.weight for module in inner.modules() if isinstance(module, torch.nn.Linear | Conv1D)]
    body = sum(weights.numel() for weights in matrices if weights is not head)
    frozen = any(not weights.requires_grad for weights in matrices)
    return Arithmetic(body, head.numel(), settings.num_hidden_layers, settings.hidden_size, frozen)


def peak_flops(device: torch.device) -> float | None:
    """Of the GPU in bfloat16, None where it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((flops for part, flops in PEAK.items() if part in name.replace("-", " ").split()), None)
