"""Training: one step against a hand-written one, schedules, draws, exact resume after a kill, honest refusal
of what cannot be trained.
"""

import fcntl
import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, shapes
from safetensors.torch import load_file
from test_objective import all_aligned, build, cascod, completions, naive, one_task, two_tasks, uneven

import stages.training.trainer
from stages import train
from stages.config.base import Base, base_sha256, write_pointer
from stages.config.load import check
from stages.config.student import Lora, Student
from stages.records.sequence import Segment, Sequence, write_sequences
from stages.students.adapters import add_adapters
from stages.students.load import Loaded, load, load_trained
from stages.students.save import save_trained
from stages.students.tokens import tokenize
from stages.training import kept
from stages.training.fit import fit
from stages.training.outline import outline_of
from stages.training.rows import epoch_order, units_of
from stages.training.steps import (
    Shape,
    Steps,
    ValidationRows,
    labels_trained,
    step_rows,
    steps_of,
    tokenize_parts,
)

FAMILIES = list(shapes())
NO_DROPOUT = dict.fromkeys(
    ("resid_pdrop", "embd_pdrop", "attn_pdrop", "dropout", "attention_dropout", "dropout_rate"), 0.0
)


def sequence(row: int, part: str = "train", words: int = 3, **fields: Any) -> Sequence:
    return Sequence(
        f"made-{row}",
        [Segment(f"question {row}###"), Segment(f"{'because ' * words}--> {row}END", "cot")],
        part,
        **fields,
    )


def settings(**values: Any) -> Student:
    return Student(
        **{
            "base": Base(path="unused", sha256="unused"),
            "lr": 1e-3,
            "batch_size": 4,
            "epochs": 3,
            "precision": "float32",
            **values,
        }
    )


def steady(family: str, tokenizer: Any) -> Loaded:
    """A random student without dropout whose attention is far from uniform."""
    config = shapes()[family]()
    config.update({name: value for name, value in NO_DROPOUT.items() if hasattr(config, name)})
    model = build(config)
    model.generation_config.decoder_start_token_id = 0 if config.is_encoder_decoder else None
    return Loaded(model, tokenizer, torch.device("cpu"))


def train_part(sequences: list[Sequence]) -> list[Sequence]:
    return [replace(one, part="train") for one in sequences]


# ---------------------------------------------------------------- one step


def naive_step(student: Loaded, sequences: list[Sequence], values: Student) -> dict[str, torch.Tensor]:
    """How each trained weight moves in one step over all sequences."""
    weights = {name: w for name, w in student.model.named_parameters() if w.requires_grad}
    before = {name: w.detach().clone() for name, w in weights.items()}
    optimizer = torch.optim.AdamW(
        weights.values(), lr=values.lr, eps=values.eps, weight_decay=values.weight_decay
    )
    naive(student.model, sequences, student.tokenizer, values.normalisation).backward()
    torch.nn.utils.clip_grad_norm_(weights.values(), values.clip)
    optimizer.step()
    moved = {name: w.detach() - before[name] for name, w in weights.items()}
    with torch.no_grad():
        for name, w in weights.items():
            w.copy_(before[name])
    student.model.zero_grad()
    return moved


def assert_one_step(student: Loaded, sequences: list[Sequence], work: Path, **values: Any) -> None:
    """eps 1: the step goes with the gradient; with a small one it would go by its sign, where rounding
    decides.
    """
    sequences = train_part(sequences)
    chosen = settings(batch_size=1000, epochs=1, eps=1.0, lr=0.1, clip=0.5, weight_decay=0.1, **values)
    wanted = naive_step(student, sequences, chosen)
    before = {name: w.detach().clone() for name, w in student.model.named_parameters()}
    loss = naive(student.model, sequences, student.tokenizer, chosen.normalisation).item()
    fitted = fit(student, tokenize_parts(sequences, student, 500), chosen, 0, work)
    assert fitted.history[0]["train_loss"] == pytest.approx(loss, rel=1e-5)
    found = torch.load(work / "best.pt", weights_only=True)
    largest = max(moved.abs().max().item() for moved in wanted.values())
    for name, moved in wanted.items():
        torch.testing.assert_close(found[name] - before[name], moved, rtol=0, atol=2e-5 * largest, msg=name)


@pytest.mark.parametrize("budget", ["", "150", "60"])  # one row, some, one for each text
@pytest.mark.parametrize("family", FAMILIES)
def test_one_step_is_the_naive_full_batch_step(
    family: str, budget: str, byte_tokenizer, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("COT_ROW_TOKENS", budget)
    method = {"": cascod, "150": uneven, "60": completions}[budget]
    normalisation = {"": "tokens", "150": "sequence", "60": "batch"}[budget]
    assert_one_step(
        steady(family, byte_tokenizer),
        [text for i in range(3) for text in method(i)],
        tmp_path,
        normalisation=normalisation,
    )


@pytest.mark.parametrize("method", [one_task, all_aligned, two_tasks])
def test_one_step_of_other_methods(method: Any, byte_tokenizer, tmp_path) -> None:
    assert_one_step(
        steady("llama", byte_tokenizer),
        [text for i in range(3) for text in method(i)],
        tmp_path,
        normalisation="sequence",
    )


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5"])
def test_gradient_checkpointing_leaves_the_step_as_it_is(
    family: str, byte_tokenizer, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("COT_GRADIENT_CHECKPOINTING", "1")
    monkeypatch.setenv("COT_ROW_TOKENS", "100")
    student = steady(family, byte_tokenizer)
    assert_one_step(student, [text for i in range(3) for text in cascod(i)], tmp_path)
    assert student.model.is_activation_checkpointing


@pytest.mark.parametrize("checkpointing", ["", "1"])
@pytest.mark.parametrize(
    ("family", "targets"), [("gpt2", ["c_attn"]), ("llama", ["q_proj", "v_proj"]), ("t5", ["q", "v"])]
)
def test_adapters_take_the_naive_step(
    family: str, targets: list[str], checkpointing: str, byte_tokenizer, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("COT_GRADIENT_CHECKPOINTING", checkpointing)
    values = settings(lora=Lora(r=4, alpha=8, dropout=0.0, targets=targets))
    student = add_adapters(steady(family, byte_tokenizer), values, 1)
    with torch.no_grad():
        for name, weights in student.model.named_parameters():
            if "lora_B" in name:
                weights.normal_(0, 0.1)
    assert_one_step(student, [text for i in range(3) for text in completions(i)], tmp_path, lora=values.lora)
    assert all("lora" in name for name in torch.load(tmp_path / "best.pt", weights_only=True))


# ---------------------------------------------------------------- epochs


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns(family: str, random_student, tmp_path) -> None:
    student = load(random_student(family))
    texts = tokenize_parts([sequence(i) for i in range(8)] + [sequence(9, "validation")], student, 512)
    fitted = fit(student, texts, settings(lr=1e-2, epochs=10), 0, tmp_path)
    assert fitted.history[-1]["train_loss"] < 0.8 * fitted.history[0]["train_loss"]
    assert fitted.history[fitted.best - 1]["validation_loss"] == min(
        line["validation_loss"] for line in fitted.history
    )


def test_the_student_has_the_weights_of_the_best_epoch(random_student, tmp_path) -> None:
    student = load(random_student("gpt2"))
    unlike = Sequence("v", [Segment("zz"), Segment("QQQ", "cot")], "validation")
    fitted = fit(
        student,
        tokenize_parts([*map(sequence, range(8)), unlike], student, 512),
        settings(lr=3e-2, epochs=6),
        0,
        tmp_path,
    )
    assert fitted.best < 6  # the validation text is unlike the training texts: it is soon forgotten
    student.model.load_state_dict(torch.load(tmp_path / "best.pt", weights_only=True))
    found = naive(student.model.eval(), [unlike], student.tokenizer, "batch").item()
    assert found == pytest.approx(fitted.history[fitted.best - 1]["validation_loss"], rel=1e-5)


@pytest.mark.parametrize("normalisation", ["batch", "sequence", "tokens"])
def test_validation_is_the_same_objective_over_the_whole_part(
    normalisation: str, byte_tokenizer, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("COT_ROW_TOKENS", "80")
    student = steady("opt", byte_tokenizer)
    held = [replace(text, part="validation") for i in range(3) for text in uneven(i)]
    fitted = fit(
        student,
        tokenize_parts([sequence(0), *held], student, 500),
        settings(epochs=1, normalisation=normalisation),
        0,
        tmp_path,
    )
    assert fitted.history[0]["validation_loss"] == pytest.approx(
        naive(student.model.eval(), held, byte_tokenizer, normalisation).item(), rel=1e-5
    )


def test_losses_that_are_looked_at_seldom_are_the_same(random_student, tmp_path, monkeypatch) -> None:
    """On an accelerator each look waits for it."""
    found, begin = [], stages.training.trainer.Distiller.resume_or_begin
    for every in (1, 3):

        def seldom(trainer: Any, every: int = every) -> None:
            trainer.settle_every = every
            begin(trainer)

        monkeypatch.setattr(stages.training.trainer.Distiller, "resume_or_begin", seldom)
        student = load(random_student("gpt2"))
        texts = tokenize_parts([sequence(i) for i in range(7)], student, 512)
        found.append(fit(student, texts, settings(batch_size=1), 0, tmp_path / str(every)).history)
    assert found[0] == found[1]


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_steps_in_place_of_epochs(schedule: str, random_student, tmp_path) -> None:
    """Seven steps of three an epoch: the third epoch is cut, scored as the others, and the schedule ends."""
    rows = [sequence(i, words=i) for i in range(12)] + [sequence(99, "validation")]
    found = []
    for values, steps in (({"max_steps": 7, "epochs": 1}, 7), ({"max_steps": 9}, 9), ({"epochs": 3}, 9)):
        chosen = settings(schedule=schedule, **values)
        student = load(random_student("llama"))
        texts = tokenize_parts(rows, student, 512)
        assert steps_of(outline_of(texts["train"]), chosen) == steps
        found.append(fit(student, texts, chosen, 0, tmp_path / str(len(found))).history)
    seven, nine, three = found
    assert nine == three  # as many as three epochs have
    assert [line["epoch"] for line in seven] == [1, 2, 3]
    assert (seven[:2] == three[:2]) == (schedule == "constant")
    assert seven[2]["validation_loss"] != three[2]["validation_loss"]
    assert seven[2]["train_loss"] < 2 * three[2]["train_loss"]  # a mean over its one step
    assert seven[2]["train_loss"] > three[2]["train_loss"] / 2


def test_without_validation_the_last_epoch_is_taken(random_student, tmp_path) -> None:
    student = load(random_student("gpt2"))
    fitted = fit(
        student, tokenize_parts([sequence(i) for i in range(4)], student, 512), settings(), 0, tmp_path
    )
    assert fitted.best == 3
    assert [line["validation_loss"] for line in fitted.history] == [None] * 3


@pytest.mark.parametrize(
    ("schedule", "warmup", "share"),
    [
        ("constant", 0, lambda t: 1.0),
        ("constant", 3, lambda t: min(1.0, t / 3)),
        ("linear", 4, lambda t: t / 4 if t < 4 else (12 - t) / 8),
        ("cosine", 4, lambda t: t / 4 if t < 4 else (1 + math.cos(math.pi * (t - 4) / 8)) / 2),
        ("step", 0, lambda t: 0.95 ** (t // 4)),
    ],
)
def test_schedules_are_their_closed_forms(
    schedule: str, warmup: int, share: Any, byte_tokenizer, tmp_path, monkeypatch
) -> None:
    rates = []

    def record(hooks: Any, args: Any, state: Any, control: Any, optimizer: Any, **_: Any) -> None:
        rates.append(optimizer.param_groups[0]["lr"])

    monkeypatch.setattr(stages.training.trainer.Hooks, "on_pre_optimizer_step", record)
    student = steady("gpt2", byte_tokenizer)
    values = settings(schedule=schedule, warmup_steps=warmup, batch_size=2)
    fit(student, tokenize_parts([sequence(i) for i in range(8)], student, 512), values, 0, tmp_path)
    assert rates == pytest.approx([1e-3 * share(t) for t in range(12)])


# ---------------------------------------------------------------- which texts meet


def tokens(sequences: list[Sequence], tokenizer: Any) -> list[Any]:
    return [tokenize(one, tokenizer, None, 500) for one in sequences]


def shape(rank: int = 0, world: int = 1) -> Shape:
    return Shape("tree", ["cot"], "batch", 0, rank, world)


@pytest.mark.parametrize(("group", "batch"), [(1, 4), (3, 4), (4, 5), (100, 3)])
def test_an_epoch_trains_each_sequence_once(group: int, batch: int, byte_tokenizer) -> None:
    texts = tokens([sequence(i // 5, words=i) for i in range(37)], byte_tokenizer)
    steps = Steps(texts, settings(batch_size=batch, group_size=group), 7, shape())
    assert len(steps) == -(-37 // batch)
    orders = []
    for epoch in range(3):
        steps.begin(epoch)
        orders.append([id(text) for unit in steps.units for text in unit])
        assert sorted(orders[-1]) == sorted(map(id, texts))
        labels = [sum(int(row["counts"]) for row in steps[i]) for i in range(len(steps))]
        assert sum(labels) == sum(text.counts()["cot"] for text in texts)
    assert len({tuple(order) for order in orders}) == 3


def test_one_rationale_of_each_question_is_drawn_per_epoch(byte_tokenizer) -> None:
    texts = tokens([sequence(i // 4, words=i, draw=True) for i in range(20)], byte_tokenizer)
    steps, seen = Steps(texts, settings(batch_size=2), 3, shape()), Counter()
    assert len(steps) == 3  # five questions
    for epoch in range(40):
        steps.begin(epoch)
        assert sorted(unit[0].example_id for unit in steps.units) == [f"made-{i}" for i in range(5)]
        seen.update(id(unit[0]) for unit in steps.units)
    assert len(seen) == 20
    (row,) = ValidationRows(texts, shape())
    # nothing is drawn
    assert int(row["counts"]) == sum(text.counts()["cot"] for text in texts)


def test_numbers_of_drawn_texts_are_means_over_the_epochs(byte_tokenizer) -> None:
    texts, values = (
        tokens([sequence(0, words=i, draw=True) for i in range(3)], byte_tokenizer),
        settings(epochs=6),
    )
    drawn = [unit[0].counts()["cot"] for epoch in range(6) for unit in epoch_order(texts, 2, epoch)]
    found = labels_trained(texts, values, 2)["cot"]
    assert found == {
        "weight": 1.0,
        "texts_per_epoch": 1,
        "tokens_per_epoch": pytest.approx(sum(drawn) / 6, abs=0.01),
    }


@pytest.mark.parametrize("budget", ["", "100"])
@pytest.mark.parametrize("world", [2, 3, 4])
def test_processes_share_a_step_without_loss_or_repetition(
    world: int, budget: str, byte_tokenizer, monkeypatch
) -> None:
    monkeypatch.setenv("COT_ROW_TOKENS", budget)
    units = units_of(tokens([sequence(i, words=i) for i in range(5)], byte_tokenizer))
    shares = [step_rows(units, shape(rank, world)) for rank in range(world)]
    assert len({len(rows) for rows in shares}) == 1
    assert all(int(rows[0]["counts"]) for rows in shares)  # no process is idle
    rows = [row for share in shares for row in share]
    labels = Counter(label for row in rows if int(row["counts"]) for label in row["labels"].tolist())
    assert labels == Counter(label for row in step_rows(units, shape()) for label in row["labels"].tolist())
    assert all(not row["weights"].any() for row in rows if not int(row["counts"]))
    alone = step_rows(units[:1], shape(world - 1, world))
    assert len(alone) == 1  # a single text: the others repeat it, without a weight
    assert not alone[0]["weights"].any()


# ---------------------------------------------------------------- refusals


def test_a_prompt_that_fills_the_row_is_an_error(random_student) -> None:
    with pytest.raises(ValueError, match=r"made-7: its prompt alone fills the 8 tokens"):
        tokenize_parts([sequence(7)], load(random_student("gpt2")), 8)


def test_max_tokens_is_at_most_the_positions(random_student) -> None:
    (text,) = tokenize_parts([sequence(7, words=200)], load(random_student("gpt2")), 10**6)["train"]
    assert (len(text.inputs), text.truncated) == (511, True)  # the 512th token is a label only


def test_a_method_without_a_target_is_an_error(random_student) -> None:
    with pytest.raises(ValueError, match="made-1: its method rendered no target"):
        tokenize_parts(
            [Sequence("made-1", [Segment("question")], "train")], load(random_student("gpt2")), 100
        )


def test_texts_that_weigh_nothing_are_left_out(random_student) -> None:
    student, nothing = (
        load(random_student("gpt2")),
        Sequence("made-1", [Segment("q"), Segment("a", "answer", 0.0)], "train"),
    )
    assert [text.example_id for text in tokenize_parts([sequence(0), nothing], student, 100)["train"]] == [
        "made-0"
    ]
    with pytest.raises(
        ValueError, match="no sequence of the train part with a target that weighs more than 0"
    ):
        tokenize_parts([nothing], student, 100)


def test_a_loss_that_is_no_number_stops_the_run(random_student, tmp_path) -> None:
    student = load(random_student("gpt2"))
    texts = tokenize_parts([sequence(i) for i in range(3)], student, 512)
    student.model.transformer.wte.weight.data[student.tokenizer("0").input_ids[0]] = float("nan")
    order = [unit[0].example_id for unit in epoch_order(texts["train"], 0, 0)]
    # only inputs meet the bad row
    student.model.lm_head.weight = torch.nn.Parameter(torch.randn_like(student.model.lm_head.weight))
    with pytest.raises(
        ValueError, match=rf"epoch 1, step {order.index('made-0') + 1}: the loss is nan; lower `lr`"
    ):
        fit(student, texts, settings(batch_size=1), 0, tmp_path)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("no room"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_out_of_memory_says_how_to_go_on(error: RuntimeError, random_student, tmp_path, monkeypatch) -> None:
    def full(*_: Any) -> None:
        raise error

    monkeypatch.setenv("COT_ROW_TOKENS", "77")
    monkeypatch.setattr("stages.training.step_trainer.token_losses", full)
    student = load(random_student("gpt2"))
    with pytest.raises(ValueError, match=r"epoch 1, step 1: out of memory; set COT_ROW_TOKENS below 77"):
        fit(student, tokenize_parts([sequence(0), sequence(1)], student, 512), settings(), 0, tmp_path)


def broken(student: Path, folder: Path, what: str) -> Path:
    shutil.copytree(student, folder)
    if what == "tokenizer":
        for path in folder.glob("tokenizer*"):
            path.unlink()
    elif what == "end":
        written = json.loads((folder / "tokenizer_config.json").read_text())
        del written["eos_token"]
        (folder / "tokenizer_config.json").write_text(json.dumps(written))
    return folder


@pytest.mark.parametrize(
    ("what", "says"),
    [("tokenizer", "has no tokenizer that can be loaded"), ("end", "its tokenizer has no end-of-text token")],
)
def test_a_student_without_its_tokenizer_is_refused(what: str, says: str, random_student, tmp_path) -> None:
    with pytest.raises(ValueError, match=says):
        load(broken(random_student("gpt2"), tmp_path / "student", what))


def test_a_model_with_fewer_tokens_than_its_tokenizer_is_refused(
    random_student, tmp_path, byte_tokenizer
) -> None:
    config = shapes()["llama"]()
    config.vocab_size = 200
    build(config).save_pretrained(tmp_path)
    byte_tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="its tokenizer has token ids up to 257, its model 200 embeddings"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"schedule": "step", "warmup_steps": 5}, "has no warm-up"),
        ({"four_bit": True}, "give `lora` with `four_bit`"),
        ({"lora": {"rank": 3}}, "`students.x.lora.rank`: unknown key"),
        ({"lora": {"targets": []}}, "at least 1 item"),
        ({"schedule": "exponential"}, "'constant', 'linear', 'cosine' or 'step'"),
        ({"group_size": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check("students.x", {"base": {"path": "x", "sha256": "y"}, **values}, Student)


def test_a_token_that_the_model_does_not_know_is_an_error(random_student) -> None:
    """A word that was added to the tokenizer, and for which the model has no embedding."""
    student = load(random_student("qwen2"))
    student.tokenizer.add_tokens(["added"])
    with pytest.raises(
        ValueError,
        match=r"made-5: the student's tokenizer gives the token id 259, its model has 258 embeddings",
    ):
        tokenize_parts([Sequence("made-5", [Segment("q"), Segment("added", "cot")], "train")], student, 100)


def test_adapters_on_layers_that_are_not_there_are_refused(random_student) -> None:
    with pytest.raises(
        ValueError,
        match=r"`lora.targets`: q_proj, v_proj not in this student, whose linear layers are .*c_attn",
    ):
        add_adapters(load(random_student("gpt2")), settings(lora=Lora()))


def test_four_bits_without_bitsandbytes_say_so(random_student) -> None:
    with pytest.raises(ValueError, match="needs CUDA and the optional package bitsandbytes"):
        load(random_student("llama"), four_bit=True)


# ---------------------------------------------------------------- what is saved


def test_adapters_are_merged_or_kept(random_student, tmp_path) -> None:
    base = Base(path=str(random_student("llama")), sha256=base_sha256(random_student("llama")))
    kept = settings(base=base, lora=Lora(r=4, alpha=8, merge=False), lr=1e-2, epochs=2)
    merged = kept.model_copy(update={"lora": Lora(r=4, alpha=8, merge=True)})
    student = add_adapters(load(random_student("llama")), kept, 3)
    fit(student, tokenize_parts([sequence(i) for i in range(4)], student, 512), kept, 3, tmp_path / "work")
    ids = torch.arange(2, 30)[None]
    wanted = student.model.eval()(ids).logits
    assert not torch.allclose(wanted, load(random_student("llama")).model.eval()(ids).logits, atol=1e-3)
    for name, values in (("kept", kept), ("merged", merged)):
        save_trained(values, tmp_path / "work" / "best.pt", tmp_path / name)
        for loaded in (load_trained(tmp_path / name), load(tmp_path / name)):
            torch.testing.assert_close(loaded.model.eval()(ids).logits, wanted, rtol=1e-4, atol=1e-5)
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors", "base.json", "tokenizer.json",
        "tokenizer_config.json",
    ]  # fmt: skip
    assert json.loads((tmp_path / "kept" / "base.json").read_text()) == {
        "path": base.path,
        "sha256": base.sha256,
        "precision": "float32",
    }
    assert json.loads((tmp_path / "kept" / "adapter_config.json").read_text())["target_modules"] == [
        "q_proj",
        "v_proj",
    ]


PARAMS = """
students:
  small:
    base: {{path: {path}, sha256: {sha256}}}
    lr: 0.001
    batch_size: 2
    epochs: 4
    keep_epochs: true
    precision: float32
"""


def write_project(folder: Path, student: Path, rows: int = 12, more: str = "") -> list[str]:
    sha256 = base_sha256(student)
    (folder / "params.yaml").write_text(PARAMS.format(path=student, sha256=sha256) + more)
    write_pointer(Base(path=str(student), sha256=sha256), folder / "base")
    (folder / "code").write_text("00ff  stages/train.py\n")
    write_sequences(
        folder / "sequences.jsonl", [sequence(i) for i in range(rows)] + [sequence(99, "validation")]
    )
    return [
        sys.executable,
        "-m",
        "stages.train",
        "small",
        "5",
        "base",
        "sequences.jsonl",
        "code",
        "out",
        "loss.csv",
        "counts.json",
    ]


def environment(work: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "COT_WORK": str(work),
        "COT_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
        **more,
    }


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


RUNS = """
import json, os, signal, sys, torch
from pathlib import Path
import stages.train, stages.training.trainer
torch.set_num_threads(1)
for folder, variables, saves in json.loads(sys.argv[1]):
    if not (child := os.fork()):
        os.chdir(folder)
        os.environ |= variables
        if saves:
            os.environ["COT_CHECKPOINT_SECONDS"] = "0"
            real, left = stages.training.trainer.Distiller._save_checkpoint, [saves]
            def save(*values):
                real(*values)
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
            stages.training.trainer.Distiller._save_checkpoint = save
        files = ("base", "sequences.jsonl", "code", "out", "loss.csv", "counts.json")
        stages.train.main("small", 5, *map(Path, files))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), (Path(folder) / "out").exists())
"""


KILLED = [  # two with dropout: the random state must be restored too
    ("gpt2", "    schedule: linear\n", {"COT_ROW_TOKENS": "40"}),
    ("t5", "    schedule: step\n", {}),
    ("llama", "    lora: {r: 2, dropout: 0.1}\n", {"COT_GRADIENT_CHECKPOINTING": "1"}),
]


def test_a_killed_run_goes_on_to_the_same_bytes(random_student, tmp_path) -> None:
    """Killed in the first epoch, right after it, and in the third: always with -9."""
    runs = []
    for family, more, variables in KILLED:
        # 6 steps an epoch: killed after 3, 6 and 13
        for name, saves in (("whole", [0]), ("killed", [3, 3, 7, 0])):
            folder = tmp_path / family / name
            folder.mkdir(parents=True)
            write_project(folder, random_student(family), more=more)
            runs += [(str(folder), {"COT_WORK": f"{folder}-work", **variables}, count) for count in saves]
    done = subprocess.run(
        [sys.executable, "-c", RUNS, json.dumps(runs)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["0 True", "-9 False", "-9 False", "-9 False", "0 True"] * 3, (
        done.stderr
    )
    for family, _, _ in KILLED:
        assert files(tmp_path / family / "whole") == files(tmp_path / family / "killed")
        (left,) = (path for path in (tmp_path / family / "killed-work").iterdir() if path.is_dir())
        # the running state is gone once it is not needed
        assert {path.name for path in left.iterdir()} == {
            "best.pt",
            "epochs",
            "finished.json",
            "outputs.json",
        }


FINISHING = {
    "before the student is written": ("stages.students.save", "save_trained"),
    "before the curve is written": ("stages.train", "write_curve"),
    "before the counts are written": ("stages.train", "write_json"),
    "before DVC has them": ("stages.train", "note_outputs"),
}
KILLED_AT_THE_END = """
import os, signal, sys, importlib
from pathlib import Path
import stages.train, stages.training.fit
os.chdir(sys.argv[1])
module, name = sys.argv[2:4]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if name == "note_outputs":
    real = stages.train.note_outputs
    stages.train.note_outputs = lambda *values: (real(*values), die())
elif name == "fit":
    stages.training.fit.fit = lambda *_: print("trained anew", file=sys.stderr)
elif name:
    setattr(importlib.import_module(module), name, die)
files = ("base", "sequences.jsonl", "code", "out", "loss.csv", "counts.json")
stages.train.main("small", 5, *map(Path, files))
"""


def test_a_kill_after_the_last_step_trains_nothing_anew(random_student, tmp_path) -> None:
    """Wherever it hits before DVC has recorded the outs: DVC deletes them and runs the stage again."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        write_project(folder, random_student("gpt2"), rows=4)

    def end(module: str, name: str, folder: Path = killed) -> subprocess.CompletedProcess[str]:
        for out in (folder / "loss.csv", folder / "counts.json"):
            out.unlink(missing_ok=True)
        shutil.rmtree(folder / "out", ignore_errors=True)
        work = environment(folder.with_name(f"{folder.name}-work"))
        line = [sys.executable, "-c", KILLED_AT_THE_END, str(folder), module, name]
        return subprocess.run(line, env=work, capture_output=True, text=True, check=False)

    assert end("", "", whole).returncode == 0

    for module, name in FINISHING.values():
        assert end(module, name).returncode == -signal.SIGKILL
    done = end("stages.training.fit", "fit")
    assert (done.returncode, "trained anew" in done.stderr) == (0, False), done.stderr
    assert "trained already" in done.stderr
    assert files(whole) == files(killed)
    # DVC has them now: the next training of any kind clears it away
    recorded = hashlib.md5((killed / "loss.csv").read_bytes()).hexdigest()
    lock = tmp_path / "dvc.lock"
    lock.write_text("outs: of another training")
    kept.clear_recorded(tmp_path / "killed-work", lock)
    (left,) = kept.trainings(tmp_path / "killed-work")
    lock.write_text(f"outs:\n- md5: {recorded}")
    kept.clear_recorded(tmp_path / "killed-work", lock)
    assert not left.exists()


FULL = """
import os, resource, sys
from pathlib import Path
import stages.train
from stages.config.cli import run
import typer
os.chdir(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
files = ("base", "sequences.jsonl", "code", "out", "loss.csv", "counts.json")
sys.argv = ["train", "small", "5", *files]
run(stages.train.main)
"""


@pytest.mark.parametrize("before", [0, 3])
def test_a_disk_that_is_full_is_one_line_and_keeps_the_state(random_student, tmp_path, before: int) -> None:
    """At the first state, or when there is one: no file can grow beyond 20 kB."""
    write_project(tmp_path, random_student("gpt2"), rows=4)
    work = environment(tmp_path / "w", COT_CHECKPOINT_SECONDS="0")
    runs = [(str(tmp_path), work, before)]
    if before:
        subprocess.run(
            [sys.executable, "-c", RUNS, json.dumps(runs)], env=work, capture_output=True, check=True
        )
    states = [path.name for path in (tmp_path / "w").glob("*/state-*")]
    assert states == (["state-3"] if before else [])
    line = [sys.executable, "-c", FULL, str(tmp_path), "20000"]
    done = subprocess.run(line, env=work, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr, done.stderr
    assert last.startswith(f"error: {tmp_path / 'w'}")
    assert "make room" in last
    assert [path.name for path in (tmp_path / "w").glob("*/state-*")] == states
    assert not list((tmp_path / "w").glob("*/part/*"))
    assert not list((tmp_path / "w").glob("*/*.part"))


def test_what_is_kept_goes_after_a_week_and_never_while_it_is_trained(tmp_path) -> None:
    old, running, new, unfinished = (letter * 32 for letter in "abcd")
    for name in (old, running, new, unfinished):
        (tmp_path / name).mkdir()
        kept.keep_finished(tmp_path / name, {"best": 1})
    (tmp_path / unfinished / kept.FINISHED).unlink()
    week_ago = time.time() - kept.DAYS * 24 * 3600 - 60
    for name in (old, running, unfinished):
        for path in (*(tmp_path / name).iterdir(), tmp_path / name):
            os.utime(path, (week_ago, week_ago))
    with (tmp_path / f"{running}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept.clear_recorded(tmp_path, tmp_path / "dvc.lock")
    assert {path.name for path in kept.trainings(tmp_path)} == {running, new, unfinished}


def test_only_the_same_training_continues(tmp_path, monkeypatch) -> None:
    """The work folder's name has all that decides the result in it, and nothing else."""
    monkeypatch.setenv("COT_WORK", str(tmp_path / "work"))
    files = [tmp_path / name for name in ("a.jsonl", "b.jsonl", "code", "newer", "same")]
    for path, text in zip(files, ("rows", "rows of another", "00ff", "00fe", "rows"), strict=True):
        path.write_text(text)
    rows, others, code, newer, same = files
    first = train.work_folder(settings(), 5, rows, code)
    assert kept.KEY.fullmatch(first.name)  # by which it is told from what is not a training's
    assert first.parent == tmp_path / "work"
    assert train.work_folder(settings(), 5, same, code) == first
    changed = [
        train.work_folder(settings(eps=1e-5), 5, rows, code),
        train.work_folder(settings(precision="bfloat16"), 5, rows, code),
        train.work_folder(settings(), 6, rows, code),
        train.work_folder(settings(), 5, others, code),
        train.work_folder(settings(), 5, rows, newer),
        train.work_folder(settings(), 5, code, rows),
    ]
    monkeypatch.setenv("WORLD_SIZE", "2")
    changed.append(train.work_folder(settings(), 5, rows, code))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    changed.append(train.work_folder(settings(), 5, rows, code))
    assert len({first, *changed}) == 9


def test_the_command_leaves_weights_curve_and_counts(random_student, tmp_path) -> None:
    command = write_project(tmp_path, random_student("gpt2"), rows=4, more="    max_tokens: 30\n")
    said = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path / "w"), check=True, capture_output=True, text=True
    ).stderr
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert counts["sequences_train"] == counts["questions_train"] == 4
    assert counts["sequences_validation"] == 1
    assert counts["sequences_truncated"] == 5
    labels = 30 - len("question 1###")
    assert counts["tokens_trained_per_epoch"] == 4 * labels
    assert counts["tasks"] == {"cot": {"weight": 1.0, "tokens_per_epoch": 4 * labels, "texts_per_epoch": 4}}
    assert (counts["layout"], counts["normalisation"]) == ("tree", "batch")
    assert said.count("arithmetic: float32 (as its block says)") == 1
    assert (counts["precision"], counts["precision_because"]) == ("float32", "as its block says")
    assert said.count("layout of rows: tree (tree agrees with separate rows") == 1
    assert (tmp_path / "loss.csv").read_text().splitlines()[0] == "epoch,train_loss,validation_loss"
    assert len((tmp_path / "loss.csv").read_text().splitlines()) == 5
    assert sorted(path.name for path in (tmp_path / "out" / "epochs").iterdir()) == ["01", "02", "03", "04"]
    best = load_file(tmp_path / "out" / "epochs" / f"{counts['epoch_selected']:02d}" / "model.safetensors")
    chosen = load_file(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(best[name], chosen[name]) for name in chosen)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written - {"kernels.json"} == {*files(random_student("gpt2")), "epochs"}
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == json.loads(
        (random_student("gpt2") / "config.json").read_text()
    )
    load(tmp_path / "out")


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
    write_pointer(Base(path=str(random_student("gpt2")), sha256="00ff"), tmp_path / "base")
    died = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path / "w"), check=False, capture_output=True, text=True
    )
    assert died.returncode == 1
    assert "tokenizer_config.json is " in died.stderr
    assert "Traceback" not in died.stderr
