"""GGUF files of students: read back by `transformers` they are the same numbers and tokens, and llama.cpp
says what the student says here.
"""

import importlib.util
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from gguf import GGUFReader
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from stages.config.decoding import Decoding
from stages.records.completion import Completion
from stages.students.decode import decode
from stages.students.gguf import read_part
from stages.students.load import load
from stages.students.pre_tokenizers import QWEN2, cut_as_told, pre_tokenizer
from tools.export.agreement import agreement, asked
from tools.export.gguf import write_gguf

ROOT = Path(__file__).parents[2]
ODD = [
    "Ann has 1234 pens, 56 caps and 7.\n\n  She's 9! ",
    "naïve Zürich 日本語 123 x²½ \t\ttabs  and   spaces",
    "I'll can't WE'VE they'd;;...!?--> END###\n\n\nQ: 2+3=5\r\nA:",
    "<eos> is text here",
]
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)
PLAIN = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
CUTS = {
    "gpt-2": BYTES,
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTES]),
    "qwen2": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), PLAIN]),
}
needs_llama = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="no xllamacpp: pip install -e '.[local]'"
)


def trained_tokenizer(cuts: Any) -> Any:
    """A byte-level BPE of six hundred tokens, trained on the README."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = cuts
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([(ROOT / "README.md").read_text(), *ODD], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")


def make_student(folder: Path, cuts: Any, family: str = "llama", dtype: torch.dtype = torch.float32) -> Any:
    """A random student whose likeliest token stands out; as an exported folder."""
    from transformers import LlamaConfig, Qwen2Config

    tokenizer = trained_tokenizer(cuts)
    shape: dict[str, Any] = {
        "vocab_size": 608, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 64, "max_position_embeddings": 512,
        "eos_token_id": 1, "bos_token_id": None, "pad_token_id": 0, "initializer_range": 0.3,
        "tie_word_embeddings": family == "llama",
    }  # fmt: skip
    config = {"llama": LlamaConfig, "qwen2": Qwen2Config}[family](**shape)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).to(dtype)
    for name, weights in model.named_parameters():
        if "bias" in name:
            weights.data = torch.randn_like(weights)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_read_back_it_is_the_same(family: str, dtype: torch.dtype, tmp_path: Path) -> None:
    model = make_student(tmp_path, CUTS["gpt-2"], family, dtype)
    file = tmp_path / "student.gguf"
    write_gguf(tmp_path, file, "a name", "mit")
    again = read_part(AutoModelForCausalLM, file, dtype=torch.float32)
    found = again.state_dict()
    for name, weights in model.state_dict().items():
        torch.testing.assert_close(found[name], weights.float(), rtol=0.0, atol=0.0)
    kinds = {tensor.tensor_type.name for tensor in GGUFReader(file).tensors if len(tensor.shape) > 1}
    assert kinds == {"F32" if dtype == torch.float32 else "BF16"}
    tokenizer = read_part(AutoTokenizer, file)
    own = AutoTokenizer.from_pretrained(tmp_path)
    assert GGUFReader(file).fields["tokenizer.ggml.eos_token_id"].contents() == own.eos_token_id
    if family == "llama":  # of Qwen2's kind it cuts as Qwen2 does, whatever the file says
        assert [tokenizer(text).input_ids for text in ODD[:3]] == [own(text).input_ids for text in ODD[:3]]


@needs_llama
@pytest.mark.parametrize("name", CUTS)
def test_llama_cpp_reads_the_same_tokens_and_says_the_same(name: str, tmp_path: Path) -> None:
    make_student(tmp_path, CUTS[name], "qwen2" if name == "qwen2" else "llama")
    assert pre_tokenizer(tmp_path / "tokenizer.json") == name
    file = tmp_path / "student.gguf"
    write_gguf(tmp_path, file, "a name", "mit")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    with asked(file, 256) as server:
        for text in ODD:
            assert server.tokens(text) == tokenizer(text, split_special_tokens=True).input_ids, text
    student = load(tmp_path, where=torch.device("cpu"), precision="float32")
    prompts = [f"{text} {number}" for text in ODD[:3] for number in range(4)]
    decoding = Decoding(max_new_tokens=8)  # a random model has near ties, which a rounding decides
    said = [one.text for (one,) in decode(student, prompts, [], decoding, "test", None)]
    rows = [
        Completion(f"made-{place}", 0, [prompt], [text], ["stop"], "student", "")
        for place, (prompt, text) in enumerate(zip(prompts, said, strict=True))
    ]
    counts = agreement(file, tmp_path, rows, decoding, [])
    assert counts["prompts_of_the_same_tokens"] == len(rows)
    assert counts["answers_of_the_same_text"] >= 10


@pytest.mark.parametrize(
    ("cuts", "steps"),
    [
        (pre_tokenizers.ByteLevel(add_prefix_space=True), "ByteLevel"),
        (pre_tokenizers.Metaspace(), "Metaspace"),
        (pre_tokenizers.Whitespace(), "Whitespace"),
        (pre_tokenizers.Sequence([pre_tokenizers.Punctuation(), BYTES]), "Punctuation, ByteLevel"),
        (None, ""),
    ],
)
def test_cuts_that_llama_cpp_does_not_know_are_said(cuts: Any, steps: str, tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    if cuts is not None:
        tokenizer.pre_tokenizer = cuts
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match=rf"no pre-tokenizer that cuts texts as this one does \({steps}\)"):
        pre_tokenizer(tmp_path / "tokenizer.json")
    wrapped = SimpleNamespace(backend_tokenizer=tokenizer)
    cut_as_told(wrapped, {"model": "gpt2", "pre": "something"}, tmp_path / "made.gguf")


def edited(folder: Path, name: str, **values: Any) -> None:
    told = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(told | values))


def test_what_cannot_be_written_is_said(tmp_path: Path, random_student: Any) -> None:
    def refused(folder: Path) -> str:
        with pytest.raises(ValueError, match=r"\w") as error:
            write_gguf(folder, tmp_path / "x.gguf", "a name", "mit")
        assert not (tmp_path / "x.gguf").exists()
        return str(error.value)

    tiny = refused(ROOT / "students/tiny")
    assert (
        "llama.cpp has no pre-tokenizer that cuts texts as this one does (Digits, Split, Split, ByteLevel)"
        in tiny
    )
    assert "a model of the kind GPT2LMHeadModel" in refused(random_student("gpt2"))
    assert "convert_hf_to_gguf.py" in refused(random_student("t5"))
    folder = tmp_path / "other"
    make_student(folder, BYTES)
    for name, values, told in [
        (
            "config.json",
            {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1.0}},
            "positions of the kind yarn",
        ),
        ("config.json", {"attention_bias": True}, "biases"),
        ("tokenizer.json", {"normalizer": {"type": "Lowercase"}}, "no pre-tokenizer that cuts texts"),
    ]:
        before = (folder / name).read_text()
        edited(folder, name, **values)
        assert told in refused(folder)
        (folder / name).write_text(before)


@needs_llama
def test_smollm2_says_the_same(smollm2: Path, tmp_path: Path) -> None:
    folder = tmp_path / "student"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(smollm2 / name, folder)
    write_gguf(folder, tmp_path / "student.gguf", "smollm2", "Apache-2.0")
    student = load(folder, where=torch.device("cpu"), precision="float32")
    prompts = ["The capital of France is", "Ann has 12 pens and buys 3. She has"]
    decoding = Decoding(max_new_tokens=8)
    said = [one.text for (one,) in decode(student, prompts, [], decoding, "test", None)]
    rows = [
        Completion(f"made-{place}", 0, [prompt], [text], ["length"], "student", "")
        for place, (prompt, text) in enumerate(zip(prompts, said, strict=True))
    ]
    counts = agreement(tmp_path / "student.gguf", folder, rows, decoding, [])
    assert counts["prompts_of_the_same_tokens"] == counts["answers_of_the_same_text"] == 2
