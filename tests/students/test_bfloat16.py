"""Decoding in bfloat16: as near to the exact numbers as each text alone in bfloat16; only where it was asked
for.
"""

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import shapes
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, GenerationConfig, MistralConfig

from stages.config.base import Base, base_sha256
from stages.config.decoding import Decoding
from stages.students.decode import decode
from stages.students.generate import generate
from stages.students.load import Loaded, load, load_base, load_trained
from stages.students.save import save_student
from stages.students.schedule import AnswerRow

SMALL: dict[str, Any] = {
    "vocab_size": 258,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "intermediate_size": 96,
}
FAMILIES: dict[str, Any] = {
    **shapes(),
    "grouped": lambda: MistralConfig(
        **SMALL, num_attention_heads=6, num_key_value_heads=2, head_dim=16, sliding_window=9
    ),
}


def model_of(family: str) -> Any:
    """Random weights that are numbers of bfloat16."""
    torch.manual_seed(3)
    config = FAMILIES[family]()
    kind: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    model = kind.from_config(config).eval().to(torch.bfloat16)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.mul_(3.0)
    start = config.decoder_start_token_id if config.is_encoder_decoder else None
    model.generation_config = GenerationConfig(eos_token_id=1, pad_token_id=0, decoder_start_token_id=start)
    return model


@torch.no_grad()
def logits_alone(model: Any, prompt: list[int], said: list[int]) -> torch.Tensor:
    """float64[said, vocabulary]: what comes after the prompt and the first 0, 1, ... tokens."""
    start = model.generation_config.decoder_start_token_id
    if start is not None:
        found = model(input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([[start, *said[:-1]]]))
        return found.logits[0].double()
    found = model(input_ids=torch.tensor([prompt + said[:-1]]), use_cache=False)
    return found.logits[0, len(prompt) - 1 :].double()


def logits_together(student: Loaded, prompts: list[list[int]], said: list[list[int]]) -> list[torch.Tensor]:
    """The same of rows that leave and join a batch of four, each of which says what it is told to say."""
    start = student.start
    rows = [
        AnswerRow(place, 0, prompt, prompt if start is None else [start], 99)
        for place, prompt in enumerate(prompts)
    ]
    seen: list[list[torch.Tensor]] = [[] for _ in rows]

    def choose(logits: torch.Tensor, batch: list[AnswerRow]) -> list[int]:
        for row, values in zip(batch, logits, strict=True):
            seen[row.place].append(values.double())
        return [said[row.place][len(row.tokens)] for row in batch]

    generate(student, rows, choose, lambda row: len(row.tokens) == len(said[row.place]), 4)
    return [torch.stack(values) for values in seen]


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_batch_is_as_near_to_the_exact_logits_as_one_text_alone(family: str, byte_tokenizer: Any) -> None:
    rng = random.Random(5)
    half = model_of(family)
    exact = copy.deepcopy(half).double()
    prompts = [[rng.randrange(2, 258) for _ in range(rng.choice([1, 3, 9, 20]))] for _ in range(9)]
    said = [[rng.randrange(2, 258) for _ in range(rng.choice([2, 7, 25]))] for _ in prompts]
    together = logits_together(Loaded(half, byte_tokenizer, torch.device("cpu")), prompts, said)
    wanted = torch.cat([logits_alone(exact, *pair) for pair in zip(prompts, said, strict=True)])
    alone = torch.cat([logits_alone(half, *pair) for pair in zip(prompts, said, strict=True)])
    error = (torch.cat(together) - wanted).square().mean().sqrt()
    error_alone = (alone - wanted).square().mean().sqrt()
    assert 0 < error < 1.3 * error_alone
    assert error < 0.05 * wanted.std()


def test_bfloat16_is_where_weights_were_saved_in_it_and_the_machine_has_it(
    random_student: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = load(random_student("llama"))
    save_student(Loaded(full.model.to(torch.bfloat16), full.tokenizer, full.device), tmp_path / "half")
    pinned = Base(path=str(tmp_path / "half"), sha256=base_sha256(tmp_path / "half"))
    for has, dtype in (("it has", torch.bfloat16), ("", torch.float32)):
        monkeypatch.setattr("stages.students.device.bfloat16_of", lambda where, has=has: has)
        assert load_trained(tmp_path / "half").model.dtype == dtype
        assert load_base(pinned, precision="auto").model.dtype == dtype
        assert load_base(pinned).model.dtype == torch.float32  # to be trained
        assert load_base(pinned, precision="float32").model.dtype == torch.float32
        assert load_trained(random_student("llama")).model.dtype == torch.float32


def test_bfloat16_answers_through_decode_and_leaves_the_model_as_it_was(byte_tokenizer: Any) -> None:
    student = Loaded(model_of("grouped"), byte_tokenizer, torch.device("cpu"))
    greedy = Decoding(max_new_tokens=12)
    sampled = Decoding(max_new_tokens=12, temperature=1.0, samples=3)
    assert decode(student, ["abc", "a longer one"], [], greedy, "test")[1][0].tokens_out == 12
    assert len({answer.text for answer in decode(student, ["abc"], [], sampled, "test")[0]}) == 3
    assert student.model.config._attn_implementation == "sdpa"
