"""Training in bfloat16: other arithmetic, the same objective, float32 weights; and what is saved of it."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from test_train import sequence, settings, write_project

from stages import train
from stages.config.base import Base, base_sha256, read_pointer
from stages.config.student import Lora
from stages.records.sequence import write_sequences
from stages.students.adapters import load_for_training
from stages.students.device import decoding_dtype
from stages.students.load import load, load_trained
from stages.students.save import save_trained, save_untrained
from stages.training.fit import fit
from stages.training.steps import tokenize_parts


def test_a_student_is_trained_and_saved_in_bfloat16(random_student, tmp_path) -> None:
    folder = random_student("llama")
    base = Base(path=str(folder), sha256=base_sha256(folder))
    rows = [sequence(i) for i in range(6)] + [sequence(9, "validation")]
    losses = {}
    for precision in ("float32", "bfloat16"):
        values = settings(base=base, precision=precision)
        student = load(folder)
        seen = set()
        student.model.get_input_embeddings().register_forward_hook(
            lambda layer, *_, seen=seen: seen.add(torch.is_autocast_enabled("cpu"))
        )
        work = tmp_path / precision
        fitted = fit(student, tokenize_parts(rows, student, 512), values, 3, work)
        assert seen == {False, precision == "bfloat16"}  # a layout is chosen in float32
        losses[precision] = torch.tensor([list(line.values()) for line in fitted.history])
        kept = torch.load(work / "best.pt", weights_only=True)
        assert {weights.dtype for weights in kept.values()} == {torch.float32}
        save_trained(values, work / "best.pt", work / "out")
        saved = load_file(work / "out" / "model.safetensors")
        assert {weights.dtype for weights in saved.values()} == {getattr(torch, precision)}
        for name, weights in load_trained(work / "out").model.state_dict().items():
            torch.testing.assert_close(weights.float(), kept[name], rtol=2**-8, atol=0.0)
    assert not torch.equal(losses["float32"], losses["bfloat16"])
    torch.testing.assert_close(losses["bfloat16"], losses["float32"], rtol=5e-3, atol=0.0)


def test_a_pointer_says_what_its_student_is_asked_in(random_student, tmp_path) -> None:
    folder = random_student("gpt2")
    base = Base(path=str(folder), sha256=base_sha256(folder))
    save_untrained(settings(base=base, precision="bfloat16"), tmp_path)
    assert read_pointer(tmp_path) == (base, "bfloat16")
    (tmp_path / "base.json").write_text(base.model_dump_json(exclude_none=True))  # of an older version
    assert read_pointer(tmp_path) == (base, "auto")


def test_the_stage_settles_auto_and_says_so(random_student, tmp_path, monkeypatch, capsys) -> None:
    write_project(tmp_path, random_student("gpt2"), rows=2)
    write_sequences(tmp_path / "sequences.jsonl", [])
    params = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(params.replace("precision: float32", "precision: auto"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COT_DEVICE", "cpu")
    for found, chosen in (("the CPU has amx_bf16", "bfloat16"), ("", "float32")):
        monkeypatch.setattr("stages.students.device.bfloat16_of", lambda _, found=found: found)
        train.main(
            "small", 5, *map(Path, ("base", "sequences.jsonl", "code", "out", "loss.csv", "counts.json"))
        )
        because = found or "the CPU has no fast bfloat16 arithmetic"
        assert f"arithmetic: {chosen} ({because})\n" in capsys.readouterr().err
        counts = json.loads((tmp_path / "counts.json").read_text())
        assert (counts["precision"], counts["precision_because"]) == (chosen, because)
        assert read_pointer(tmp_path / "out")[1] == chosen


def test_a_frozen_base_is_loaded_in_bfloat16_and_adapters_are_not(random_student, tmp_path) -> None:
    folder = random_student("llama")
    base = Base(path=str(folder), sha256=base_sha256(folder))
    has = {
        "bfloat16": decoding_dtype("bfloat16", torch.float32, torch.device("cpu")),
        "float32": torch.float32,
    }
    for precision, frozen in has.items():
        values = settings(base=base, precision=precision, lora=Lora(r=4), epochs=2)
        student = load_for_training(values, 3)
        dtypes = {weights.requires_grad: weights.dtype for weights in student.model.parameters()}
        assert dtypes == {True: torch.float32, False: frozen}
        work = tmp_path / precision
        fitted = fit(student, tokenize_parts([sequence(i) for i in range(6)], student, 512), values, 3, work)
        assert fitted.layout == "tree"
        assert fitted.history[1]["train_loss"] < fitted.history[0]["train_loss"]
        save_trained(values, work / "best.pt", work / "out")
        assert (work / "out" / "adapter_model.safetensors").exists()
        adapters = load_file(work / "out" / "adapter_model.safetensors").values()
        assert {weights.dtype for weights in adapters} == {torch.float32}
