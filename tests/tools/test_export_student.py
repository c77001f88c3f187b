"""`cot export student`: the weights that answered, how they are asked, and a card of what they scored."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from checkouts import CELL
from exported import check_card, entered, make_checkout, typed
from peft import PeftModel
from ruamel.yaml import YAML
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from stages.config.base import Base, base_sha256, write_pointer
from stages.config.student import Lora, Student
from stages.records.completion import read_completions
from stages.students.adapters import add_adapters
from stages.students.load import load
from stages.students.save import save_student
from tools.export.provenance import blocks_of

OUT = Path("exported")
FOLDER = Path("data/students", CELL.removesuffix("-greedy"))
BASE = Path("students/tiny")
BASELINE = "gen_last_letter-sample-zero_shot_cot-tiny-0-greedy"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def checkout(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with entered(made, monkeypatch):
        yield made
        shutil.rmtree(OUT, ignore_errors=True)
        shutil.rmtree("data/students", ignore_errors=True)


def other_weights() -> Any:
    """The base with other numbers, as training would leave it: float32, and no longer those of bfloat16."""
    student = load(BASE, where=torch.device("cpu"), precision="float32")
    torch.manual_seed(0)
    for weights in student.model.parameters():
        weights.data += 0.01 * torch.randn_like(weights)
    return student


@pytest.fixture
def whole(checkout: Path) -> dict[str, torch.Tensor]:
    student = other_weights()
    save_student(student, FOLDER)
    return load_file(FOLDER / "model.safetensors")


def test_the_weights_are_those_that_answered(whole: dict[str, torch.Tensor]) -> None:
    typed("student", CELL, str(OUT))
    found = load_file(OUT / "model.safetensors")
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[name], weights) for name, weights in whole.items())
    model = AutoModelForCausalLM.from_pretrained(OUT)
    tokenizer = AutoTokenizer.from_pretrained(OUT)
    assert (
        tokenizer("Ann has 3 pens.").input_ids
        == AutoTokenizer.from_pretrained(BASE)("Ann has 3 pens.").input_ids
    )
    assert model.dtype == torch.float32
    told = GenerationConfig.from_pretrained(OUT)
    assert (told.max_new_tokens, told.do_sample, told.eos_token_id) == (200, False, tokenizer.eos_token_id)
    assert json.loads((OUT / "params.json").read_text())["methods"] == {
        "fine_tune_cot": {"format": "paper", "prompt_weight": 0.0}
    }


def test_the_card_tells_its_scores_and_how_it_is_asked(whole: Any, checkout: Path) -> None:
    typed("student", CELL, str(OUT))
    told = check_card(OUT, 15)
    cell = json.loads(Path(f"metrics/cells/{CELL}.json").read_text())
    (model,) = told["model-index"]
    (result,) = model["results"]
    assert (model["name"], result["dataset"]["type"]) == (CELL, "gen_last_letter")
    assert result["metrics"][0]["value"] == cell["accuracy"]
    assert (told["license"], told["library_name"]) == ("mit", "transformers")
    card = (OUT / "README.md").read_text()
    first = read_completions(Path(f"data/predictions/{CELL}.jsonl"))[0]
    assert f"```text\n{first.prompts[0]}\n```" in card
    assert f"```text\n{first.texts[0]}\n```" in card
    assert "It was trained on plain texts, without a chat template" in card
    assert "It ends at 'END', or at the end-of-text token." in card
    assert "No other data set was asked." in card
    assert "dvc.lock recorded other files or settings" in card  # of weights that no stage left
    assert "rounded to bfloat16" not in card


def test_half_the_bytes_are_said_to_be_other_weights(whole: dict[str, torch.Tensor]) -> None:
    typed("student", CELL, str(OUT), "--bfloat16")
    found = load_file(OUT / "model.safetensors")
    assert all(torch.equal(found[name], weights.to(torch.bfloat16)) for name, weights in whole.items())
    assert "**The scores are those of the float32 weights**" in (OUT / "README.md").read_text()


@pytest.mark.parametrize("form", ["paper", "chat"])
def test_a_chat_template_is_there_if_it_was_trained_through(form: str, checkout: Path) -> None:
    student = other_weights()
    student.tokenizer.chat_template = "{% for turn in messages %}{{ turn.content }}{% endfor %}"
    save_student(student, FOLDER)
    params = YAML(typ="safe").load(Path("params.yaml"))
    params["methods"]["fine_tune_cot"]["format"] = form
    YAML().dump(params, Path("params.yaml"))
    typed("student", CELL, str(OUT))
    assert (AutoTokenizer.from_pretrained(OUT).chat_template is not None) == (form == "chat")
    card = (OUT / "README.md").read_text()
    assert ("It was trained through its chat template, without a system message." in card) == (form == "chat")
    assert "**the tree had changes that the commit does not have**: `params.yaml`" in card


@pytest.fixture
def adapters(checkout: Path) -> Any:
    """Adapters with numbers, and the base by a pointer; the settings that they were made with."""
    base = Base(path=str(BASE), sha256=base_sha256(BASE))
    settings = Student(base=base, lora=Lora(r=4, alpha=8))
    student = add_adapters(load(BASE, where=torch.device("cpu"), precision="float32"), settings)
    for name, weights in student.model.named_parameters():
        if "lora_B" in name:
            weights.data = torch.randn_like(weights) * 0.1
    save_student(student, FOLDER)
    (FOLDER / "README.md").unlink(missing_ok=True)
    write_pointer(base, FOLDER, "float32")
    return replace(student)


def test_adapters_are_merged(adapters: Any) -> None:
    """W + alpha / r x B A, by hand."""
    typed("student", CELL, str(OUT))
    found = load_file(OUT / "model.safetensors")
    parts = load_file(FOLDER / "adapter_model.safetensors")
    base = load_file(BASE / "model.safetensors")
    name = "model.layers.1.self_attn.q_proj"
    a, b = (parts[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
    torch.testing.assert_close(found[f"{name}.weight"], base[f"{name}.weight"].float() + 2.0 * b @ a)
    assert not (OUT / "adapter_config.json").exists()
    assert "weights in float32" in (OUT / "README.md").read_text()


def test_adapters_are_kept(adapters: Any) -> None:
    typed("student", CELL, str(OUT), "--adapter")
    base = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, OUT)
    ids = torch.tensor([AutoTokenizer.from_pretrained(OUT)("Ann has 3 pens.").input_ids])
    with torch.no_grad():
        adapters.model.eval()
        torch.testing.assert_close(model(ids).logits, adapters.model(ids).logits)
    assert not list(OUT.glob("*base.json"))
    assert json.loads((OUT / "adapter_config.json").read_text())["base_model_name_or_path"] == str(BASE)
    card = (OUT / "README.md").read_text()
    assert "LoRA adapters" in card
    assert "library_name: peft" in card


def test_what_cannot_be_exported_is_said(whole: Any) -> None:
    def refused(*words: str) -> str:
        with pytest.raises(ValueError, match=r"\w") as error:
            typed("student", *words)
        assert not Path("x").exists()
        return str(error.value)

    assert "'nobody' is no cell that `run` declares" in refused("nobody", "x")
    assert "whole weights, no adapters" in refused(CELL, "x", "--adapter")
    assert "--bfloat16 is for whole weights: leave out --adapter" in refused(
        CELL, "x", "--adapter", "--bfloat16"
    )
    assert "--gguf is for whole weights" in refused(CELL, "x", "--adapter", "--gguf")
    assert "llama.cpp has no pre-tokenizer that cuts texts as this one does" in refused(CELL, "x", "--gguf")
    assert re.search(
        r"zero_shot_cot-tiny-0/config\.json not found: `dvc repro train_baseline@", refused(BASELINE, "x")
    )
    untrained = Path("data/students", BASELINE.removesuffix("-greedy"))
    untrained.mkdir()
    (untrained / "base.json").write_text("{}")
    assert "`zero_shot_cot` trains nothing, the student is its base" in refused(BASELINE, "x")
    Path(f"metrics/cells/{CELL}.json").unlink()
    assert f"metrics/cells/{CELL}.json not found: `dvc repro score@{CELL}`" in refused(CELL, "x")


def test_the_hub_is_told_of_a_model(whole: Any) -> None:
    said = typed("student", CELL, str(OUT), "--push", "me/tiny", "--dry-run")
    assert "to the model me/tiny on the hub" in said
    assert "model.safetensors" in said


BLOCKS = {
    "methods": {"edit": {"beta": -1}, "cascod": {}, "half": {"like": "cascod", "alpha": 0.5}, "other": {}},
    "mentors": {"large": {"samples": 2}},
    "students": {"large": {"lr": 1}, "small": {"distil": {"teacher": "huge"}}, "huge": {}, "unused": {}},
    "curations": {"judged": {"judge": {"by": "gpt"}}},
    "judges": {"gpt": {"model": "m"}},
    "teachers": {
        "both": {"backend": "joined", "teachers": ["one", "two"]},
        "one": {},
        "two": {},
        "three": {},
    },
}


def test_settings_hold_every_block_that_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    YAML().dump(BLOCKS, Path("params.yaml"))
    at = {"teacher": "both", "curation": "judged", "method": "half", "student": "small"}
    found = blocks_of({**at, "mentor": "large", "first": "edit", "seed": 0, "decoding": "greedy"})
    assert {folder: set(blocks) for folder, blocks in found.items()} == {
        "methods": {"half", "cascod", "edit"},
        "mentors": {"large"},
        "students": {"small", "large", "huge"},
        "curations": {"judged"},
        "judges": {"gpt"},
        "teachers": {"both", "one", "two"},
    }
    assert blocks_of(at) != found
