"""Load and save students: causal (GPT-2, OPT, Llama, Qwen) and encoder-decoder (T5, Flan-T5) models of `transformers`."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging

from stages.config.student import Base

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


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
    start = model.generation_config.decoder_start_token_id or config.decoder_start_token_id if config.is_encoder_decoder else None
    # a model's own generation settings (a repetition penalty, say) would make "greedy" mean something else for each
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, decoder_start_token_id=start)
    return Loaded(model.to(device()), tokenizer, device())


def content(folder: Path) -> str:
    """sha256 over the files of a local base that decide what it says. DVC does not watch the folder: params.yaml holds this instead."""
    present = [folder / name for name in FILES if (folder / name).exists()]
    return hashlib.sha256(b"".join(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes() for path in present)).hexdigest()


def load_base(base: Base) -> Loaded:
    """The weights before fine-tuning, verified where they are local."""
    if base.hub:
        return load(base.hub, base.revision)
    folder = Path(str(base.path))
    if not (folder / "model.safetensors").exists():
        raise ValueError(
            f"{folder}/model.safetensors not found: `students.<name>.base.path` must hold config.json, a tokenizer and model.safetensors"
        )
    if (found := content(folder)) != base.sha256:
        raise ValueError(f"{folder}: sha256 of {', '.join(FILES)} is {found}, params.yaml has {base.sha256}")
    return load(folder)


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
