"""Loading a student: which files are taken, how a folder is named by its bytes, what new adapters are."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from stages.config.base import base_sha256
from stages.config.student import Lora
from stages.records.sequence import Segment, Sequence
from stages.students.adapters import add_adapters
from stages.students.load import load
from stages.students.stopping import SLACK, StopMarks
from stages.students.tokens import tokenize


def test_pickled_weights_are_not_read(random_student: Any, tmp_path: Path) -> None:
    """A pickle runs what its author wrote."""
    for path in random_student("gpt2").iterdir():
        if path.name != "model.safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save(load_file(random_student("gpt2") / "model.safetensors"), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="cannot load the student"):
        load(tmp_path)


def test_a_folder_is_named_by_names_sizes_and_bytes(tmp_path: Path) -> None:
    """Bytes that move from one file to the next, or a file that is called otherwise, make another base."""
    hashes = set()
    for place, (config, tokenizer, names) in enumerate(
        [
            ("ab", "c", ("config.json", "tokenizer.json")),
            ("a", "bc", ("config.json", "tokenizer.json")),
            ("ab", "c", ("config.json", "tokenizer_config.json")),
            ("abc", "", ("config.json", "tokenizer.json")),
        ]
    ):
        folder = tmp_path / str(place)
        folder.mkdir()
        for name, text in zip(names, (config, tokenizer), strict=True):
            (folder / name).write_text(text)
        hashes.add(base_sha256(folder))
    assert len(hashes) == 4


def test_new_adapters_are_drawn_by_the_seed(random_student: Any) -> None:
    settings: Any = SimpleNamespace(lora=Lora(r=2), four_bit=False)

    def drawn(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(99)
        model = add_adapters(load(random_student("llama")), settings, seed).model
        return {name: value for name, value in model.state_dict().items() if "lora_A" in name}

    one, same, other = drawn(1), drawn(1), drawn(2)
    assert one
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


def test_tokens_without_text_within_a_stop_mark_do_not_hide_it(byte_tokenizer: Any) -> None:
    """A mark may be as many tokens as bytes, and special ones may stand among them."""
    mark = byte_tokenizer("END")["input_ids"]
    silent = [byte_tokenizer.pad_token_id] * (SLACK - 1)
    ids = [*byte_tokenizer("so: ")["input_ids"], mark[0], *silent, *mark[1:]]
    assert StopMarks(byte_tokenizer, ["END"]).completed_by_last(ids)
    assert not StopMarks(byte_tokenizer, ["ENDS"]).completed_by_last(ids)


@pytest.mark.parametrize(("most", "cut"), [(12, False), (11, True)])
def test_a_context_that_an_encoder_cannot_hold_is_counted_as_cut(
    byte_tokenizer: Any, most: int, cut: bool
) -> None:
    """Its targets are whole: the decoder has room of its own."""
    row = Sequence("a-0", [Segment("a" * 12), Segment("ok", "cot")])
    tokens = tokenize(row, byte_tokenizer, 0, most)
    assert (len(tokens.context), tokens.truncated) == (most, cut)
    assert tokens.counts() == {"cot": 3}
