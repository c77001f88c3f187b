"""Load a student: a causal (GPT-2, OPT, Llama, Qwen) or encoder-decoder (T5, Flan-T5) model of
`transformers`, or adapters for one.
"""

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
from transformers.utils import logging

from stages.config.base import ADAPTERS, FILES, Base, base_sha256, read_pointer, read_prompt_limit
from stages.config.kernels import kernels_are_fixed
from stages.config.precision import Precision
from stages.students.device import decoding_dtype, device
from stages.students.products import use_named_products


@dataclass(frozen=True)
class Loaded:
    model: Any  # a PreTrainedModel on `device`; in float32, unless it was loaded to answer in bfloat16
    tokenizer: Any  # with a padding token
    device: torch.device
    max_prompt_tokens: int | None = None  # longer prompts are cut (stages/students/tokens.py)

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


def load(
    source: str | Path,
    revision: str | None = None,
    where: torch.device | None = None,
    four_bit: bool = False,
    precision: Precision = "float32",
) -> Loaded:
    """A model and its tokenizer from a folder or a hub id. Code from the hub is never run; weights are
    safetensors, as pickled ones could run code too. `precision`: of a model that answers.

    Raises ValueError for what cannot be had, and for a model and a tokenizer that cannot work together.
    """
    if (Path(source) / ADAPTERS).exists():
        if four_bit:
            raise ValueError(
                f"{source}: adapters, wanted whole weights for `four_bit`: train it with `lora.merge: true`"
            )
        return load_adapter(Path(source), where, precision)
    where = where or device()
    if kernels_are_fixed() and "WORLD_SIZE" not in os.environ:  # FSDP resizes what numpy would hold
        use_named_products()
    logging.disable_progress_bar()  # it would print into logs
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(source, **options)
        kind: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        quantized = {"quantization_config": four_bits()} if four_bit else {}
        dtype = decoding_dtype(precision, config.dtype or torch.float32, where)
        model = kind.from_pretrained(
            source, config=config, dtype=dtype, use_safetensors=True, **options, **quantized
        )
    except OSError as error:
        pinned = f" at revision {revision}" if revision else ""
        raise ValueError(
            f"cannot load the student {source}{pinned}: {error}. Without network, give `base: {{path,"
            " sha256}` instead"
        ) from error
    tokenizer = load_tokenizer(source, options, model)
    start = None
    if config.is_encoder_decoder:
        start = model.generation_config.decoder_start_token_id or config.decoder_start_token_id
    # a model's own settings (a repetition penalty, say) would make "greedy" mean something else for each
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, decoder_start_token_id=start
    )
    return Loaded(model if four_bit else model.to(where), tokenizer, where)


def load_tokenizer(source: str | Path, options: dict[str, Any], model: Any) -> Any:
    """Its tokenizer, with a padding token.

    Raises ValueError for one that is missing, cannot end a text, or knows more tokens than the model.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        if not tokenizer.vocab_size:  # what GPT-2's class makes of nothing
            raise ValueError("it knows no token")
    # each kind of tokenizer says it in its own way
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
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


def load_base(
    base: Base,
    where: torch.device | None = None,
    four_bit: bool = False,
    precision: Precision = "float32",
) -> Loaded:
    """The weights before fine-tuning, verified where they are local: raises ValueError for others."""
    if base.hub:
        return load(base.hub, base.revision, where, four_bit, precision)
    folder = Path(str(base.path))
    if not any((folder / name).exists() for name in ("model.safetensors", ADAPTERS)):
        made = folder.parent == Path("data/bases")  # by the stage `base`
        raise ValueError(
            f"{folder}/model.safetensors not found: "
            + (
                f"`dvc pull {folder}` fetches it, `dvc repro base` makes it"
                if made
                else "`students.<name>.base.path` must hold config.json, a tokenizer and model.safetensors"
            )
        )
    if (found := base_sha256(folder)) != base.sha256:
        raise ValueError(f"{folder}: sha256 of {', '.join(FILES)} is {found}, params.yaml has {base.sha256}")
    return load(folder, None, where, four_bit, precision)


def load_adapter(folder: Path, where: torch.device | None = None, precision: Precision = "float32") -> Loaded:
    """A student that is adapters and a pointer to its base, as one model, put together in float32."""
    from peft import PeftModel

    source, trained = read_pointer(folder)
    base = load_base(source, where)
    whole = PeftModel.from_pretrained(base.model, folder).merge_and_unload()
    wanted = trained if precision == "auto" else precision
    return replace(base, model=whole.to(decoding_dtype(wanted, torch.float32, base.device)))


def load_trained(folder: Path) -> Loaded:
    """What the train stage left in `folder`, to answer in the precision that it was trained in, where the
    machine has it.
    """
    if (folder / "base.json").exists() and not (folder / ADAPTERS).exists():
        base, precision = read_pointer(folder)
        student = load_base(base, precision=precision)
    else:
        student = load(folder, precision="auto")
    return replace(student, max_prompt_tokens=read_prompt_limit(folder))
