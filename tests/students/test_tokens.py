"""Tokens: data is text, whatever it holds; a prompt is open at its end."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from stages.records.sequence import Segment, Sequence
from stages.students.tokens import prompt_tokens, tokenize

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(ROOT / "students/tiny")


@pytest.mark.parametrize("place", ["question", "rationale"])
def test_a_control_token_in_data_is_its_letters(tokenizer: Any, place: str) -> None:
    mark = tokenizer.eos_token
    question, rationale = (
        f"a {mark} b" if place == wanted else "a b" for wanted in ("question", "rationale")
    )
    sequence = Sequence("made-0", [Segment(question), Segment(rationale, "cot")])
    text = tokenize(sequence, tokenizer, None, 100)
    ids = [*text.inputs, text.targets[-1].labels[-1]]
    assert ids.count(tokenizer.eos_token_id) == 1
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids[:-1]) == question + rationale


def test_a_prompt_is_open_at_its_end(tokenizer: Any) -> None:
    """Some tokenizers put an end-of-text token behind every text: an encoder reads it, a causal model would
    have nothing left to say.
    """
    plain = tokenizer("What is it?").input_ids

    class Ending:
        eos_token_id = tokenizer.eos_token_id

        def __call__(self, text: str, add_special_tokens: bool, split_special_tokens: bool) -> Any:
            made = tokenizer(text, add_special_tokens=False, split_special_tokens=split_special_tokens)
            if add_special_tokens:
                made["input_ids"] = [*made["input_ids"], self.eos_token_id]
            return made

    assert prompt_tokens(Ending(), "What is it?", causal=True) == plain
    assert prompt_tokens(Ending(), "What is it?", causal=False) == [*plain, tokenizer.eos_token_id]
