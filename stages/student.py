"""Load and save students: causal (GPT-2, OPT, Llama, Qwen) and encoder-decoder (T5, Flan-T5) models of `transformers`."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.utils import logging

from stages.config.student import Base


@dataclass(frozen=True)
class Loaded:
    model: Any  # a PreTrainedModel in float32 on `device`
    tokenizer: Any  # with a padding token
    device: torch.device

    @property
    def encoder_decoder(self) -> bool:
        return bool(self.model.config.is_encoder_decoder)

    @property
    def positions(self) -> int:
        """The longest row the model takes, in tokens; T5's relative positions have no bound."""
        return int(getattr(self.model.config, "max_position_embeddings", None) or 10**9)


def device() -> torch.device:
    """$COT_DEVICE, else the GPU if there is one. Not a parameter: where it runs must not decide what is rerun."""
    return torch.device(os.environ.get("COT_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu"))


def autocast(where: torch.device) -> Any:
    """bfloat16 arithmetic on CUDA, plain float32 elsewhere; the weights stay float32."""
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=where.type == "cuda")


def load(source: str | Path, revision: str | None = None) -> Loaded:
    """A model and its tokenizer from a folder or a hub id. Code from the hub is never run; weights are safetensors."""
    logging.disable_progress_bar()  # it would print into logs
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(source, **options)
        kind: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        model = kind.from_pretrained(source, config=config, dtype=torch.float32, use_safetensors=True, **options)
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except OSError as error:
        pinned = f" at revision {revision}" if revision else ""
        raise ValueError(f"cannot load the student {source}{pinned}: {error}. Without network, give `base: {{path, sha256}}` instead") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Loaded(model.to(device()), tokenizer, device())


def load_base(base: Base) -> Loaded:
    """The weights before fine-tuning, verified where they are local."""
    if base.hub:
        return load(base.hub, base.revision)
    weights = Path(str(base.path)) / "model.safetensors"
    if not weights.exists():
        raise ValueError(f"{weights} not found: `students.<name>.base.path` must hold config.json, a tokenizer and model.safetensors")
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if found != base.sha256:
        raise ValueError(f"{weights}: sha256 is {found}, params.yaml has {base.sha256}")
    return load(str(base.path))


def save(student: Loaded, folder: Path) -> None:
    """Weights as safetensors, config and tokenizer: whatever `transformers` needs to load it."""
    student.model.save_pretrained(folder)
    student.tokenizer.save_pretrained(folder)


def save_untrained(base: Base, folder: Path) -> None:
    """A method that trains nothing leaves a pointer to the base instead of a copy of its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.json").write_text(json.dumps(base.model_dump(exclude_none=True), sort_keys=True, indent=2) + "\n")


def load_trained(folder: Path) -> Loaded:
    """What the train stage left in `folder`."""
    pointer = folder / "base.json"
    return load_base(Base(**json.loads(pointer.read_text()))) if pointer.exists() else load(folder)
