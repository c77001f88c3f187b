"""Training: tokens and losses against naive ones, exact resume after a kill, honest refusal of what cannot be trained."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, shapes
from safetensors.torch import load_file

from stages.config.student import Base, Student
from stages.fit import encode_parts, fit, loss_sum, mean_loss
from stages.records.sequence import Segment, Sequence, write_sequences
from stages.student import content, load
from stages.tokens import IGNORE, collate, encode

FAMILIES = list(shapes())


def sequence(row: int, part: str = "train", words: int = 3) -> Sequence:
    return Sequence(f"made-{row}", part, [Segment(f"question {row}###"), Segment(f"{'because ' * words}--> {row}END", "cot")])


def settings(**values) -> Student:
    return Student(**{"base": Base(path="unused", sha256="unused"), "lr": 1e-3, "batch_size": 4, "epochs": 3, **values})


def test_causal_row_labels_the_target_and_the_end(byte_tokenizer) -> None:
    row = encode(Sequence("x", "train", [Segment("ab#"), Segment("cd", "cot")]), byte_tokenizer, False, 100)
    ids = byte_tokenizer("ab#cd").input_ids
    assert row.inputs == [*ids, byte_tokenizer.eos_token_id]
    assert row.labels == [IGNORE] * 3 + [*ids[3:], byte_tokenizer.eos_token_id]
    assert not row.truncated


def test_context_after_a_task_carries_no_loss(byte_tokenizer) -> None:
    row = encode(Sequence("x", "train", [Segment("q"), Segment("r", "rationale"), Segment("A:"), Segment("a", "answer")]), byte_tokenizer, False, 100)
    ids = byte_tokenizer("qrA:a").input_ids
    assert row.labels == [IGNORE, ids[1], IGNORE, IGNORE, ids[4], byte_tokenizer.eos_token_id]


def test_encoder_decoder_row_gives_the_context_to_the_encoder(byte_tokenizer) -> None:
    row = encode(Sequence("x", "train", [Segment("ab"), Segment("cd", "cot")]), byte_tokenizer, True, 100)
    assert row.inputs == byte_tokenizer("ab").input_ids
    assert row.labels == [*byte_tokenizer("cd").input_ids, byte_tokenizer.eos_token_id]


def test_a_row_that_is_too_long_is_cut_and_counted(byte_tokenizer) -> None:
    row = encode(sequence(1), byte_tokenizer, False, 20)
    assert len(row.inputs) == len(row.labels) == 20
    assert row.truncated


def test_a_prompt_that_fills_the_row_is_an_error(random_student) -> None:
    with pytest.raises(ValueError, match=r"made-7: its prompt alone fills the 8 tokens"):
        encode_parts([sequence(7)], load(random_student("gpt2")), 8)


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_is_the_mean_over_target_tokens_of_unpadded_rows(family: str, random_student) -> None:
    """Oracle: every row alone, unpadded, through the model's own labels; float64 leaves rounding only."""
    student = load(random_student(family))
    student.model.double().eval()
    rows = encode_parts([sequence(i, words=1 + i) for i in range(4)], student, 512)["train"]
    total, count = 0.0, 0
    for row in rows:
        alone = collate([row], student.tokenizer.pad_token_id)
        labels = sum(label != IGNORE for label in row.labels)
        total, count = total + student.model(**alone).loss.item() * labels, count + labels
    assert loss_sum(student, rows).item() == pytest.approx(total, rel=1e-6)  # T5 and Llama norm in float32
    assert mean_loss(student, rows, 3) == pytest.approx(total / count, rel=1e-6)


def gradients(student, rows, monkeypatch, micro: str) -> list[torch.Tensor]:
    from stages.fit import micro_batches

    monkeypatch.setenv("COT_MICRO_BATCH", micro)
    student.model.zero_grad()
    for part in micro_batches(rows):
        (loss_sum(student, part) / sum(row.trained for row in rows)).backward()
    return [p.grad.clone() for p in student.model.parameters() if p.grad is not None]


def test_micro_batches_leave_the_gradient_as_it_is(random_student, monkeypatch) -> None:
    student = load(random_student("gpt2"))
    student.model.double().eval()
    rows = encode_parts([sequence(i, words=1 + 3 * i) for i in range(5)], student, 512)["train"]
    for whole, parts in zip(gradients(student, rows, monkeypatch, ""), gradients(student, rows, monkeypatch, "2"), strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns(family: str, random_student, tmp_path) -> None:
    student = load(random_student(family))
    rows = encode_parts([sequence(i) for i in range(8)] + [sequence(9, "validation")], student, 512)
    history, best = fit(student, rows, settings(lr=1e-2, epochs=10), 0, tmp_path)
    assert history[-1]["train_loss"] < 0.8 * history[0]["train_loss"]
    assert history[best - 1]["validation_loss"] == min(line["validation_loss"] for line in history)


def test_the_student_has_the_weights_of_the_best_epoch(random_student, tmp_path) -> None:
    student = load(random_student("gpt2"))
    rows = encode_parts([sequence(i) for i in range(8)] + [Sequence("v", "validation", [Segment("zz"), Segment("QQQ", "cot")])], student, 512)
    history, best = fit(student, rows, settings(lr=3e-2, epochs=6), 0, tmp_path)
    assert best < 6  # the validation text is unlike the training texts: it is soon forgotten
    assert mean_loss(student, rows["validation"], 4) == pytest.approx(history[best - 1]["validation_loss"], rel=1e-6)


def test_without_validation_the_last_epoch_is_taken(random_student, tmp_path) -> None:
    student = load(random_student("gpt2"))
    history, best = fit(student, encode_parts([sequence(i) for i in range(4)], student, 512), settings(), 0, tmp_path)
    assert best == 3
    assert [line["validation_loss"] for line in history] == [None] * 3


def test_a_loss_that_is_no_number_stops_the_run(random_student, tmp_path) -> None:
    student = load(random_student("gpt2"))
    student.model.transformer.wte.weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"epoch 1, step 1: the loss is nan; lower `lr`"):
        fit(student, encode_parts([sequence(0)], student, 512), settings(), 0, tmp_path)


def test_out_of_memory_says_how_to_go_on(random_student, tmp_path, monkeypatch) -> None:
    def full(*_):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr("stages.fit.loss_sum", full)
    student = load(random_student("gpt2"))
    with pytest.raises(ValueError, match=r"epoch 1, step 1: out of memory; set COT_MICRO_BATCH below 2"):
        fit(student, encode_parts([sequence(0), sequence(1)], student, 512), settings(), 0, tmp_path)


PARAMS = """
students:
  small:
    base: {{path: {path}, sha256: {sha256}}}
    lr: 0.001
    batch_size: 2
    epochs: 4
    keep_epochs: true
"""


def write_project(folder: Path, student: Path, rows: int = 12) -> list[str]:
    sha256 = content(student)
    (folder / "params.yaml").write_text(PARAMS.format(path=student, sha256=sha256))
    write_sequences(folder / "sequences.jsonl", [sequence(i) for i in range(rows)] + [sequence(99, "validation")])
    return [sys.executable, "-m", "stages.train", "small", "5", "sequences.jsonl", "out", "loss.csv", "counts.json"]


def environment(work: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COT_WORK": str(work), "COT_DEVICE": "cpu", **more}


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


KILLER = """
import os, signal, sys
import stages.fit as fit
real, left = fit.save_state, [int(sys.argv.pop(1))]
def save_state(*values):
    real(*values)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
fit.save_state = save_state
import runpy
sys.argv[0] = "train"
runpy.run_module("stages.train", run_name="__main__")
"""


@pytest.mark.parametrize("family", ["gpt2", "t5"])  # both have dropout: the random state must be restored too
def test_a_killed_run_goes_on_to_the_same_bytes(family: str, random_student, tmp_path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    command = write_project(whole, random_student(family))
    write_project(killed, random_student(family))
    subprocess.run(command, cwd=whole, env=environment(tmp_path / "w1"), check=True)
    work = environment(tmp_path / "w2", COT_CHECKPOINT_SECONDS="0")
    for saves in ("3", "7"):  # in the first epoch, then in the second or third
        died = subprocess.run([sys.executable, "-c", KILLER, saves, *command[3:]], cwd=killed, env=work, check=False)
        assert died.returncode == -9
        assert not (killed / "out").exists()
    subprocess.run(command, cwd=killed, env=work, check=True)
    assert files(whole) == files(killed) | {"params.yaml": (whole / "params.yaml").read_bytes()}
    assert not [path for path in (tmp_path / "w2").iterdir() if path.suffix != ".lock"]  # the running state is gone once it is not needed


def test_the_command_leaves_weights_curve_and_counts(random_student, tmp_path) -> None:
    command = write_project(tmp_path, random_student("gpt2"), rows=4)
    subprocess.run(command, cwd=tmp_path, env=environment(tmp_path / "w"), check=True)
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert counts["sequences_train"] == 4
    assert counts["sequences_validation"] == 1
    assert counts["tokens_trained_per_epoch"] == sum(len(f"{'because ' * 3}--> {i}END") + 1 for i in range(4))
    assert (tmp_path / "loss.csv").read_text().splitlines()[0] == "epoch,train_loss,validation_loss"
    assert len((tmp_path / "loss.csv").read_text().splitlines()) == 5
    assert sorted(path.name for path in (tmp_path / "out" / "epochs").iterdir()) == ["01", "02", "03", "04"]
    best = load_file(tmp_path / "out" / "epochs" / f"{counts['epoch_selected']:02d}" / "model.safetensors")
    chosen = load_file(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(best[name], chosen[name]) for name in chosen)
    load(tmp_path / "out")


def test_cut_texts_are_counted(random_student, tmp_path) -> None:
    command = write_project(tmp_path, random_student("gpt2"), rows=4)
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text + "    max_tokens: 30\n")
    subprocess.run(command, cwd=tmp_path, env=environment(tmp_path / "w"), check=True)
    assert json.loads((tmp_path / "counts.json").read_text())["sequences_truncated"] == 5


def test_two_runs_of_the_same_content_wait_for_each_other(random_student, tmp_path) -> None:
    """A killed dvc leaves its stage running; the next `dvc repro` starts the same training beside it."""
    command = write_project(tmp_path, random_student("gpt2"))
    work = environment(tmp_path / "w", COT_CHECKPOINT_SECONDS="0")
    outs = [["a", "a.csv", "a.json"], ["b", "b.csv", "b.json"]]
    both = [subprocess.Popen([*command[:-3], *out], cwd=tmp_path, env=work) for out in outs]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def test_other_weights_than_those_pinned_are_refused(random_student, tmp_path) -> None:
    command = write_project(tmp_path, random_student("gpt2"))
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("sha256: ", "sha256: 00"))
    died = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path / "w"), check=False, capture_output=True, text=True)
    assert died.returncode == 1
    assert "tokenizer_config.json is " in died.stderr
    assert "Traceback" not in died.stderr
