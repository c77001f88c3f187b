"""Load and save students: causal (GPT-2, OPT, Llama, Qwen) and encoder-decoder (T5, Flan-T5) models of
`transformers`, or adapters for them.
"""

import hashlib
import json
import os
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
)
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging

from stages.config.base import Base
from stages.config.student import Student

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
    def start(self) -> int | None:
        """The token a decoder begins with; None for causal models."""
        token: int | None = self.model.generation_config.decoder_start_token_id
        return token if self.encoder_decoder else None

    @property
    def positions(self) -> int:
        """The longest row the model takes, in tokens; T5's relative positions have no bound."""
        return int(getattr(self.model.config, "max_position_embeddings", None) or 10**9)


def device() -> torch.device:
    """$COT_DEVICE, else the GPU if there is one (a process's own, of several). Not a parameter: where it runs
    must not decide what is rerun.
    """
    named = os.environ.get("COT_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(
        f"cuda:{os.environ['LOCAL_RANK']}" if named == "cuda" and "LOCAL_RANK" in os.environ else named
    )


def autocast(where: torch.device) -> Any:
    """bfloat16 arithmetic on CUDA, plain float32 elsewhere; the weights stay float32."""
    return torch.autocast(where.type, dtype=torch.bfloat16, enabled=where.type == "cuda")


def load(
    source: str | Path, revision: str | None = None, where: torch.device | None = None, four_bit: bool = False
) -> Loaded:
    """A model and its tokenizer from a folder or a hub id. Code from the hub is never run; weights are
    safetensors.

    Raises ValueError for what cannot be had, and for a model and a tokenizer that cannot work together.
    """
    if (Path(source) / "adapter_config.json").exists():
        return load_adapter(Path(source), where)
    logging.disable_progress_bar()  # it would print into logs
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(source, **options)
        kind: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        quantized = {"quantization_config": four_bits()} if four_bit else {}
        model = kind.from_pretrained(
            source, config=config, dtype=torch.float32, use_safetensors=True, **options, **quantized
        )
    except OSError as error:
        pinned = f" at revision {revision}" if revision else ""
        raise ValueError(
            f"cannot load the student {source}{pinned}: {error}. Without network, give `base: {{path,"
            " sha256}` instead"
        ) from error
    tokenizer = load_tokenizer(source, options, model)
    start = (
        model.generation_config.decoder_start_token_id or config.decoder_start_token_id
        if config.is_encoder_decoder
        else None
    )
    # a model's own generation settings (a repetition penalty, say) would make "greedy" mean something else
    # for each
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, decoder_start_token_id=start
    )
    where = where or device()
    return Loaded(model if four_bit else model.to(where), tokenizer, where)


def load_tokenizer(source: str | Path, options: dict[str, Any], model: Any) -> Any:
    """Raises ValueError for a tokenizer that is missing, cannot end a text, or knows more tokens than the
    model.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        if not tokenizer.vocab_size:  # what GPT-2's class makes of nothing
            raise ValueError("it knows no token")
    except (
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
    ) as error:  # each kind of tokenizer says it in its own way
        raise ValueError(
            f"the student {source} has no tokenizer that can be loaded (tokenizer.json,"
            f" tokenizer_config.json): {error}"
        ) from error
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"the student {source}: its tokenizer has no end-of-text token: name one as `eos_token` in its"
            " tokenizer_config.json"
        )
    largest = max(tokenizer.vocab_size - 1, tokenizer.eos_token_id)
    known = model.get_input_embeddings().num_embeddings
    if largest >= known:  # tokens added to a tokenizer are another matter: some have them and never use them
        raise ValueError(
            f"the student {source}: its tokenizer has token ids up to {largest}, its model {known}"
            " embeddings: they do not belong together"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def four_bits() -> Any:
    """QLoRA's numbers. Raises ValueError where they cannot be had."""
    if find_spec("bitsandbytes") is None or not torch.cuda.is_available():
        raise ValueError(
            "`four_bit: true` needs CUDA and the optional package bitsandbytes (`pip install bitsandbytes`);"
            " set it to false otherwise"
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def content(folder: Path) -> str:
    """sha256 over the files of a local base that decide what it says. DVC does not watch the folder:
    params.yaml holds this instead.
    """
    present = [folder / name for name in FILES if (folder / name).exists()]
    return hashlib.sha256(
        b"".join(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes() for path in present)
    ).hexdigest()


def load_base(base: Base, where: torch.device | None = None, four_bit: bool = False) -> Loaded:
    """The weights before fine-tuning, verified where they are local."""
    if base.hub:
        return load(base.hub, base.revision, where, four_bit)
    folder = Path(str(base.path))
    if not (folder / "model.safetensors").exists():
        raise ValueError(
            f"{folder}/model.safetensors not found: `students.<name>.base.path` must hold config.json, a"
            " tokenizer and model.safetensors"
        )
    if (found := content(folder)) != base.sha256:
        raise ValueError(f"{folder}: sha256 of {', '.join(FILES)} is {found}, params.yaml has {base.sha256}")
    return load(folder, None, where, four_bit)


def load_for_training(settings: Student, seed: int) -> Loaded:
    """The base, with new adapters if there are to be any. A model that will be sharded over GPUs stays in
    main memory until then.
    """
    sharded = os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"
    loaded = load_base(settings.base, torch.device("cpu") if sharded else None, settings.four_bit)
    return add_adapters(loaded, settings, seed) if settings.lora else loaded


def add_adapters(loaded: Loaded, settings: Student, seed: int = 0) -> Loaded:
    """Raises ValueError for targets that the model does not have."""
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    lora = settings.lora
    model = loaded.model
    assert lora is not None
    linear = {
        name.split(".")[-1]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D)
    }
    if unknown := set(lora.targets) - linear:
        raise ValueError(
            f"`lora.targets`: {', '.join(sorted(unknown))} not in this student, whose linear layers are"
            f" {', '.join(sorted(linear))}"
        )
    if settings.four_bit:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    torch.manual_seed(seed)
    config = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=sorted(lora.targets),
        task_type="SEQ_2_SEQ_LM" if loaded.encoder_decoder else "CAUSAL_LM",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )  # fmt: skip
    return replace(loaded, model=get_peft_model(model, config))


def load_adapter(folder: Path, where: torch.device | None = None) -> Loaded:
    """A student that is adapters and a pointer to its base, as one model."""
    from peft import PeftModel

    base = load_base(Base(**json.loads((folder / "base.json").read_text())), where)
    return replace(base, model=PeftModel.from_pretrained(base.model, folder).merge_and_unload())


def save(student: Loaded, folder: Path) -> None:
    """Weights as safetensors, config and tokenizer: whatever `transformers` needs to load it."""
    student.model.save_pretrained(folder)
    student.tokenizer.save_pretrained(folder)


def save_trained(settings: Student, weights: Path, folder: Path) -> None:
    """A student from the weights that training left. The base is read anew: in the model that was trained, it
    may be sharded or quantised.
    """
    student = load_base(settings.base, torch.device("cpu"))
    if settings.lora:
        student = add_adapters(student, settings.model_copy(update={"four_bit": False}))
    student.model.load_state_dict(
        torch.load(weights, map_location="cpu", weights_only=True), strict=not settings.lora
    )
    if settings.lora and settings.lora.merge:
        student = replace(student, model=student.model.merge_and_unload())
    save(student, folder)
    if settings.lora and not settings.lora.merge:
        save_untrained(settings.base, folder)
        (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card
        # its sets have no order of their own
        config = json.loads((folder / "adapter_config.json").read_text())
        ordered = {
            name: sorted(value) if isinstance(value, list) else value for name, value in config.items()
        }
        (folder / "adapter_config.json").write_text(json.dumps(ordered, sort_keys=True, indent=2) + "\n")


def save_untrained(base: Base, folder: Path) -> None:
    """A method that trains nothing leaves a pointer to the base instead of a copy of its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.json").write_text(
        json.dumps(base.model_dump(exclude_none=True), sort_keys=True, indent=2) + "\n"
    )


def load_trained(folder: Path) -> Loaded:
    """What the train stage left in `folder`."""
    pointer = folder / "base.json"
    if pointer.exists() and not (folder / "adapter_config.json").exists():
        return load_base(Base(**json.loads(pointer.read_text())))
    return load(folder)
