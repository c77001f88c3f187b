"""A GGUF file as a student folder: weight for weight what was written, and pointers to it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from made_models import write_gguf
from ruamel.yaml import YAML
from safetensors.torch import load_file
from transformers import AutoTokenizer

from stages import base as stage
from stages import train
from stages.config.base import Base, base_sha256, read_pointer
from stages.fetching import model_file
from stages.records.files import sha256_of
from stages.records.sequence import Segment, Sequence, write_sequences
from stages.students.load import load_trained

FOLDER = Path("data/bases/made")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COT_MIRROR", raising=False)
    return tmp_path


def write_params(block: dict[str, Any]) -> None:
    YAML().dump({"students": {"made": block}}, Path("params.yaml"))


def declare(file: Path, **values: Any) -> None:
    """A student whose base is this file."""
    base = {"gguf": file.name, "sha256": sha256_of(file), "licence": "MIT", "sources": [{"folder": "."}]}
    write_params({"base": base | values})


def test_the_folder_has_the_weights_that_were_written(place: Path) -> None:
    written = write_gguf(Path("made.gguf"))
    declare(Path("made.gguf"))
    stage.main("made", FOLDER)
    found = load_file(FOLDER / "model.safetensors")
    assert found.keys() == written.keys()
    for name, weights in found.items():
        torch.testing.assert_close(weights, torch.from_numpy(written[name]), rtol=0.0, atol=0.0)
    assert json.loads((FOLDER / "origin.json").read_text()) == {
        "gguf": "made.gguf",
        "sha256": sha256_of(Path("made.gguf")),
        "licence": "MIT",
        "dequantised_from": {"Q8_0": 15, "F32": 5},
        "dtype": "float32",
    }
    config = json.loads((FOLDER / "config.json").read_text())
    assert config["dtype"] == "float32"
    assert "quantization_config" not in config
    assert [path.name for path in FOLDER.parent.iterdir()] == ["made"]


@pytest.mark.parametrize(
    ("pre", "tokens", "warns"),
    [
        ("gpt-2", ["a", "Ġ", "Ġ", "4", "2", "ĠĠ"], False),  # the space before a number goes with it
        ("smollm", ["a", "ĠĠ", "4", "2", "ĠĠ"], False),  # each digit is cut off first
        ("qwen2", ["a", "Ġ", "Ġ", "4", "2", "ĠĠ"], False),  # which `transformers` knows
        ("starcoder", ["a", "Ġ", "Ġ", "4", "2", "ĠĠ"], True),  # which nobody here does
    ],
)
def test_texts_are_cut_as_the_file_says(
    place: Path, pre: str, tokens: list[str], warns: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    write_gguf(Path("made.gguf"), pre=pre)
    declare(Path("made.gguf"))
    stage.main("made", FOLDER)
    assert AutoTokenizer.from_pretrained(FOLDER).tokenize("a  42  ") == tokens
    assert ("its pre-tokenizer 'starcoder' is not known here" in capsys.readouterr().err) == warns


def test_it_is_a_student_like_any_other(place: Path) -> None:
    write_gguf(Path("made.gguf"))
    declare(Path("made.gguf"))
    stage.main("made", FOLDER)
    assert read_pointer(FOLDER)[0] == Base(path="data/bases/made", sha256=base_sha256(FOLDER))
    student = load_trained(FOLDER)  # an untrained student has the same pointer
    text = "Où est 7 + 3?"
    assert student.tokenizer.decode(student.tokenizer(text)["input_ids"]) == text
    assert student.tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False) == "x"
    ids = torch.tensor([student.tokenizer(text)["input_ids"]])
    assert student.model(ids).logits.isfinite().all()
    shutil.rmtree(FOLDER)
    Path("student").mkdir()
    Path("student/base.json").write_text('{"path": "data/bases/made", "sha256": "00"}')
    with pytest.raises(
        ValueError, match=r"not found: `dvc pull data/bases/made` fetches it, `dvc repro base`"
    ):
        load_trained(Path("student"))


def test_it_is_trained_or_pointed_to(place: Path) -> None:
    """By a method that learns, and by one that only asks."""
    write_gguf(Path("made.gguf"))
    declare(Path("made.gguf"))
    params = YAML(typ="safe").load(Path("params.yaml"))
    write_params({**params["students"]["made"], "epochs": 1, "precision": "float32", "lr": 0.01})
    stage.main("made", FOLDER)
    Path("code").write_text("")
    files = ("sequences.jsonl", "code", "student", "loss.csv", "counts.json")
    row = Sequence("made-0", [Segment("1 + 2?###"), Segment("3END", "cot")], "train")
    for rows in ([row], []):
        write_sequences(Path("sequences.jsonl"), rows)
        train.main("made", 0, FOLDER, *map(Path, files))
        asked = load_trained(Path("student"))
        same = torch.equal(asked.model.lm_head.weight, load_trained(FOLDER).model.lm_head.weight)
        assert same == (not rows)
        assert Path("student/model.safetensors").exists() == bool(rows)
        shutil.rmtree("student")


def test_the_same_file_gives_the_same_bytes_wherever_it_came_from(place: Path) -> None:
    """Trainings depend on them: a machine with a mirror and one without must not train anew."""
    write_gguf(Path("made.gguf"))
    made = []
    for source in ("one", "two"):
        Path(source).mkdir()
        shutil.copy("made.gguf", source)
        declare(Path("made.gguf"), sources=[{"folder": source}])
        stage.main("made", FOLDER)
        made.append({path.name: path.read_bytes() for path in FOLDER.iterdir()})
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda file: write_gguf(file, kept="attn") and None, "made.gguf lacks weights: .*embed_tokens"),
        (lambda file: file.write_bytes(file.read_bytes()[:3000]), "made.gguf cannot be read"),
        (lambda file: file.write_text("no model at all, some text"), "made.gguf cannot be read"),
    ],
)
def test_a_file_that_is_no_whole_model_is_told(place: Path, damage: Any, told: str) -> None:
    """Its checksum is right: it was pinned as it is."""
    write_gguf(Path("made.gguf"))
    damage(Path("made.gguf"))
    declare(Path("made.gguf"))
    with pytest.raises(ValueError, match=told):
        stage.main("made", FOLDER)
    assert not list(FOLDER.parent.glob("*"))


def test_a_full_disk_is_known_before_the_weights_are_read(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gguf(Path("made.gguf"))
    declare(Path("made.gguf"))
    usage = shutil.disk_usage(place)
    monkeypatch.setattr(model_file.shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(
        ValueError, match=r"data/bases/made cannot be made of .*[0-9,]+ bytes are needed, 100 are"
    ):
        stage.main("made", FOLDER)
    assert not list(FOLDER.parent.glob("*"))


# ---- what is no file stays where it is


@pytest.mark.parametrize("base", [{"hub": "owner/name", "revision": "0a1b"}, {"path": "x", "sha256": "00"}])
def test_other_bases_are_pointed_to(place: Path, base: dict[str, str]) -> None:
    write_gguf(Path("made.gguf"))
    declare(Path("made.gguf"))
    stage.main("made", FOLDER)
    write_params({"base": base, "lr": 0.1})
    stage.main("made", FOLDER)
    assert [path.name for path in FOLDER.iterdir()] == ["base.json"]
    assert json.loads((FOLDER / "base.json").read_text()) == base
    assert read_pointer(FOLDER)[0] == Base(**base)


def test_a_student_at_openai_leaves_a_note(place: Path) -> None:
    write_params({"kind": "openai", "endpoint": "openai", "model": "m", "epochs": 4})
    stage.main("made", FOLDER)
    assert json.loads((FOLDER / "hosted.json").read_text()) == {"endpoint": "openai", "model": "m"}


def test_a_base_that_was_not_made_says_what_to_run() -> None:
    with pytest.raises(
        ValueError, match=r"base\.json not found: `dvc repro base` makes it, `dvc pull nowhere`"
    ):
        read_pointer(Path("nowhere"))


def test_smollm2_is_a_student(smollm2: Path) -> None:
    student = load_trained(smollm2)
    assert student.tokenizer.tokenize("day  42") == ["day", "ĠĠ", "4", "2"]
    prompt = "Question: What is the capital of France? Answer: The capital of France is"
    ids = student.tokenizer(prompt, return_tensors="pt")["input_ids"]
    assert "Paris" in student.tokenizer.decode(student.model(ids).logits[0, -1].argmax())
