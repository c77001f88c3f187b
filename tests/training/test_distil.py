"""Soft labels: losses and gradients against plain ones over the whole vocabulary, the file and the stage that
make them, and what is refused.
"""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from test_objective import build, cascod, completions, config, prompt_loss
from test_train import settings, steady
from torch.nn.functional import cross_entropy, kl_div

from stages import logits as stage
from stages import train
from stages.checking.blocks import check_students
from stages.config.base import Base, base_sha256, write_pointer
from stages.config.distil import Distil
from stages.records.example import LEARNED
from stages.records.sequence import Sequence, write_sequences
from stages.students.adapters import add_adapters
from stages.students.load import Loaded, load
from stages.students.tokens import Tokens, tokenize
from stages.students.vocabularies import tokenizers_differ
from stages.training import teacher as teaching
from stages.training.collate import collate
from stages.training.cross_entropy import ROWS
from stages.training.distil import Writer, by_teacher, taught
from stages.training.fit import fit
from stages.training.layout import choose_layout
from stages.training.objective import token_losses, weighted_loss
from stages.training.steps import tokenize_parts
from stages.training.teacher import Scorer, check_teacher, check_text

VOCABULARY = 258


def distil(**values: Any) -> Distil:
    return Distil(**{"teacher": "big", "top_k": VOCABULARY, **values})


# ---------------------------------------------------------------- the loss of a label


@pytest.mark.parametrize("rows", [1, ROWS + 3])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_with_all_tokens_kept_it_is_the_plain_divergence(rows, alpha, temperature) -> None:
    """In float64: torch's own KL over the vocabulary, and the gradient of the logits."""
    torch.manual_seed(rows)
    raw = torch.randn(rows, 11, dtype=torch.float64, requires_grad=True)
    said = torch.randn(rows, 11, dtype=torch.float64)
    labels = torch.randint(0, 11, (rows,))
    p, ids = (said / temperature).log_softmax(-1).sort(descending=True)
    log_p = torch.cat([p, torch.full((rows, 1), -torch.inf)], -1)
    losses = by_teacher(distil(alpha=alpha, temperature=temperature))
    found = losses(raw * 2, {"labels": labels, "soft": (ids.int(), log_p)})
    q = (raw * 2 / temperature).log_softmax(-1)
    divergence = kl_div(q, (said / temperature).log_softmax(-1), log_target=True, reduction="none").sum(-1)
    hard = cross_entropy(raw * 2, labels, reduction="none")
    wanted = (1 - alpha) * hard + alpha * temperature**2 * divergence
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    weights = torch.rand(rows, dtype=torch.float64)
    gradients = [torch.autograd.grad((each * weights).sum(), raw)[0] for each in (found, wanted)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


HAND = {  # the teacher's mass on its kept tokens, the student's on the same, by hand
    "one of three": ([0.7], [0], [0.5, 0.25, 0.25], 0.7 * math.log(0.7 / 0.5) + 0.3 * math.log(0.3 / 0.5)),
    "two of three": (
        [0.6, 0.3], [2, 0], [0.5, 0.25, 0.25],
        0.6 * math.log(0.6 / 0.25) + 0.3 * math.log(0.3 / 0.5) + 0.1 * math.log(0.1 / 0.25),
    ),
    "nothing is left for the rest": ([1.0], [1], [0.5, 0.25, 0.25], math.log(4)),
    "the same": ([0.5], [0], [0.5, 0.3, 0.2], 0.0),
}  # fmt: skip


@pytest.mark.parametrize("case", HAND)
def test_the_rest_is_one_token_more(case: str) -> None:
    kept, ids, student, wanted = HAND[case]
    log_p = torch.tensor([[*kept, 1 - sum(kept)]], dtype=torch.float64).log()
    soft = (torch.tensor([ids], dtype=torch.int32), log_p)
    logits = torch.tensor([student], dtype=torch.float64).log().requires_grad_()
    found = by_teacher(distil(alpha=1.0))(logits * 1, {"labels": torch.tensor([0]), "soft": soft})
    assert found.item() == pytest.approx(wanted, abs=1e-12)
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert gradient.isfinite().all()


# ---------------------------------------------------------------- a teacher's labels, a step of a student


def texts_of(method: Callable[[int], list[Sequence]], student: Loaded) -> list[Tokens]:
    sequences = [sequence for i in range(3) for sequence in method(i)]
    return [tokenize(sequence, student.tokenizer, student.start, 500) for sequence in sequences]


def plain_logits(model: Any, text: Tokens) -> torch.Tensor:
    """float32[labels, vocabulary], of a forward pass of this text alone."""
    ids = torch.from_numpy(text.inputs.astype(np.int64))[None]
    names = {"input_ids": ids}
    if model.config.is_encoder_decoder:
        names = {"input_ids": torch.from_numpy(text.context.astype(np.int64))[None], "decoder_input_ids": ids}
    with torch.no_grad():
        logits = model(**names, use_cache=False).logits[0].float()
    places = [target.start + i for target in text.targets for i in range(len(target.labels))]
    return logits[places]


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", "t5"])
@pytest.mark.parametrize("method", [completions, cascod, prompt_loss])
def test_the_teacher_says_the_same_in_shared_rows(family: str, method: Any, byte_tokenizer) -> None:
    """Five likeliest of softmax(logits / 2), and the mass of all others, of each text by itself."""
    if (family, method) == ("t5", prompt_loss):
        pytest.skip("an encoder-decoder needs a context")
    teacher = steady(family, byte_tokenizer)
    texts = texts_of(method, teacher)
    scorer = Scorer(teacher, 500, "float32")
    found = list(scorer.soft_labels(texts, distil(top_k=5, temperature=2.0), VOCABULARY))
    for text, soft in zip(texts, found, strict=True):
        p = (plain_logits(teacher.model, text) / 2).softmax(-1)
        top, _ = p.sort(descending=True)
        wanted = torch.cat([top[:, :5], top[:, 5:].sum(-1, keepdim=True)], -1)
        told = torch.from_numpy(soft.log_p.astype(np.float32)).exp()
        torch.testing.assert_close(told, wanted, rtol=4e-3, atol=1e-5)
        assert np.take_along_axis(p.numpy(), soft.ids, 1) == pytest.approx(top[:, :5].numpy(), abs=1e-5)


def with_soft(texts: list[Tokens], teacher: Loaded, how: Distil, folder: Path) -> list[Tokens]:
    """As `train` has them: by way of the file."""
    scorer = Scorer(teacher, 500, "float32")
    file = Writer(folder / "soft.arrow", {"train": len(texts), "validation": 0})
    for text, soft in zip(texts, scorer.soft_labels(texts, how, VOCABULARY), strict=True):
        file.add(text, soft)
    file.close()
    return list(taught({"train": texts, "validation": []}, folder / "soft.arrow")["train"])


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5"])
@pytest.mark.parametrize("padded", [False, True])
def test_a_step_is_that_of_two_plain_models(family: str, padded: bool, byte_tokenizer, tmp_path) -> None:
    """Mean over the labels of 0.4 x cross-entropy + 0.6 x 4 x KL, and every gradient, in the fast rows too:
    completions begin alike and one is there twice.
    """
    teacher = steady(family, byte_tokenizer)
    torch.manual_seed(1)
    student = build(teacher.model.config)
    with torch.no_grad():
        for weights in student.parameters():
            weights.add_(0.02 * torch.randn_like(weights))
    how = distil(alpha=0.6, temperature=2.0)
    texts = with_soft(texts_of(completions, teacher), teacher, how, tmp_path)

    total = torch.zeros(())
    for text in texts:
        said = plain_logits(teacher.model, text)
        names = {"input_ids": torch.from_numpy(text.inputs.astype(np.int64))[None]}
        if family == "t5":
            names = {"decoder_input_ids": names["input_ids"]}
            names["input_ids"] = torch.from_numpy(text.context.astype(np.int64))[None]
        first = text.targets[0].start
        logits = student(**names, use_cache=False).logits[0, first : first + len(said)]
        labels = torch.from_numpy(text.targets[0].labels.astype(np.int64))
        soft = kl_div(
            (logits / 2).log_softmax(-1), (said / 2).log_softmax(-1), log_target=True, reduction="sum"
        )
        total = total + 0.4 * cross_entropy(logits, labels, reduction="sum") + 0.6 * 4 * soft
    wanted = total / sum(text.counts()["cot"] for text in texts)
    wanted.backward()
    gradients = {name: w.grad.clone() for name, w in student.named_parameters() if w.grad is not None}
    student.zero_grad()

    layout = "padded" if padded else choose_layout(student, 100)[0]
    assert padded or layout in ("tree", "packed_decoder")
    row = collate(texts, layout=layout, tasks=["cot"], normalisation="batch", pad_id=0)
    found = weighted_loss(token_losses(student, row, by_teacher(how)), row, row["counts"])
    found.backward()
    assert found.item() == pytest.approx(wanted.item(), rel=1e-3)  # 16 bits of the teacher's
    largest = max(gradient.abs().max().item() for gradient in gradients.values())
    for name, w in student.named_parameters():
        torch.testing.assert_close(w.grad, gradients[name], rtol=0, atol=2e-3 * largest, msg=name)


@pytest.mark.parametrize("top_k", [1, 7, VOCABULARY])
def test_who_teaches_itself_has_nothing_to_learn(top_k: int, byte_tokenizer, tmp_path) -> None:
    student = steady("llama", byte_tokenizer)
    how = distil(alpha=1.0, top_k=top_k)
    texts = with_soft(texts_of(cascod, student), student, how, tmp_path)
    row = collate(texts, layout="tree", tasks=["answer", "rationale"], normalisation="batch", pad_id=0)
    losses = token_losses(student.model, row, by_teacher(how))
    assert losses.abs().max().item() < 1e-5
    assert losses.min().item() > -1e-6


@pytest.mark.parametrize("lora", [False, True])
def test_a_training_comes_nearer_to_its_teacher(lora: bool, byte_tokenizer, tmp_path, monkeypatch) -> None:
    """Through the Trainer, in several rows a step: its loss is the divergence, of train and validation."""
    monkeypatch.setenv("COT_ROW_TOKENS", "60")
    teacher = steady("llama", byte_tokenizer)
    student = steady("llama", byte_tokenizer)
    torch.manual_seed(5)
    with torch.no_grad():
        for weights in student.model.parameters():
            weights.add_(0.05 * torch.randn_like(weights))
    how = distil(alpha=1.0, top_k=8)
    adapters = {"lora": {"r": 4, "dropout": 0.0}} if lora else {}
    chosen = settings(epochs=6, lr=1e-2 if lora else 3e-3, distil=how, **adapters)
    sequences = [one for i in range(3) for one in completions(i)]
    parts = [Sequence(**{**vars(one), "part": part}) for part in LEARNED for one in sequences]
    texts = tokenize_parts(parts, student, 500)
    scorer = Scorer(teacher, 500, "float32")
    file = Writer(tmp_path / "soft.arrow", {part: len(texts[part]) for part in LEARNED})
    for part in LEARNED:
        for text, soft in zip(texts[part], scorer.soft_labels(texts[part], how, VOCABULARY), strict=True):
            file.add(text, soft)
    file.close()
    if lora:
        student = add_adapters(student, chosen)
    history = fit(student, taught(texts, tmp_path / "soft.arrow"), chosen, 0, tmp_path / "work").history
    assert history[-1]["validation_loss"] < 0.5 * history[0]["train_loss"]


# ---------------------------------------------------------------- the file


def test_a_file_of_other_texts_is_refused(byte_tokenizer, tmp_path) -> None:
    student = steady("llama", byte_tokenizer)
    texts = texts_of(completions, student)
    with_soft(texts, student, distil(top_k=2), tmp_path)
    file = tmp_path / "soft.arrow"
    with pytest.raises(ValueError, match=f"soft labels of {len(texts)} train texts, wanted 2"):
        taught({"train": texts[:2], "validation": []}, file)
    swapped = taught({"train": texts[::-1], "validation": []}, file)["train"]
    with pytest.raises(ValueError, match="text 0 has other labels"):
        swapped[0]


def test_both_parts_over_several_batches_come_back(byte_tokenizer, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("stages.training.distil.ROWS", 4)
    student = steady("llama", byte_tokenizer)
    texts = {"train": texts_of(completions, student), "validation": texts_of(cascod, student)}
    scorer = Scorer(student, 500, "float32")
    said = {part: list(scorer.soft_labels(texts[part], distil(top_k=3), VOCABULARY)) for part in LEARNED}
    file = Writer(tmp_path / "soft.arrow", {part: len(texts[part]) for part in LEARNED})
    for part in LEARNED:
        for text, soft in zip(texts[part], said[part], strict=True):
            file.add(text, soft)
    file.close()
    found = taught(texts, tmp_path / "soft.arrow")
    for part in LEARNED:
        assert len(found[part]) == len(texts[part])
        for text, soft in zip(found[part], said[part], strict=True):
            assert np.array_equal(text.soft.ids, soft.ids)
            assert np.array_equal(text.soft.log_p, soft.log_p)


# ---------------------------------------------------------------- tokenizers


def bpe(**more: Any) -> dict[str, Any]:
    model = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}
    return {"model": {**model, **more.pop("model", {})}, "normalizer": None, "added_tokens": [], **more}


TOKENIZERS = {
    "the same": (bpe(), ""),
    "merges as older files write them": (bpe(model={"merges": ["a b"]}), ""),
    "marks around texts": (bpe(post_processor={"type": "ByteLevel"}), ""),
    "other ids": (bpe(model={"vocab": {"a": 1, "b": 0, "ab": 2}}), "2 of them apart: 'a' is 0 and 1"),
    "a token more": (bpe(model={"vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}}), "'c' is no token and 3"),
    "other merges": (bpe(model={"merges": []}), "other merges"),
    "other letters": (bpe(normalizer={"type": "NFC"}), "another `normalizer`"),
    "other marks": (bpe(added_tokens=[{"id": 2, "content": "ab"}]), "another `added_tokens`"),
    "scores": (bpe(model={"vocab": [["a", 0], ["b", 0], ["ab", 0]], "merges": None}), "other merges"),
}


@pytest.mark.parametrize("case", TOKENIZERS)
def test_tokenizers_are_compared(case: str) -> None:
    other, said = TOKENIZERS[case]
    found = tokenizers_differ(bpe(), other)
    assert said in found if said else found == ""


# ---------------------------------------------------------------- the stage


@pytest.fixture
def project(tmp_path: Path, random_student: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with students that learn and one that teaches, all of the family llama."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("COT_DEVICE", "cpu")
    source = random_student("llama")
    base = {"path": str(source), "sha256": base_sha256(source)}
    usual = {"base": base, "epochs": 1, "lr": 1e-3, "precision": "auto"}
    soft = {"teacher": "big", "top_k": 4}
    students = {
        "big": usual,
        "one": {**usual, "distil": soft},
        "live": {**usual, "distil": {"teacher": "big", "on_policy": {"max_new_tokens": 8}}},
        "two": {**usual, "lr": 1e-2, "distil": {**soft, "alpha": 0.9}},
    }
    YAML(typ="safe").dump({"students": students}, folder / "params.yaml")
    write_pointer(Base(**base), folder / "base")
    sequences = [one for i in range(3) for one in completions(i)]
    parts = [Sequence(**{**vars(one), "part": part}) for part in LEARNED for one in sequences]
    write_sequences(folder / "sequences.jsonl", parts)
    (folder / "code").write_text("a  stages/x.py\n")
    (folder / "empty.jsonl").write_text("")
    return folder


def make(student: str, out: str, sequences: str = "sequences.jsonl") -> bytes:
    stage.main(student, Path("base"), Path(sequences), Path("code"), Path(out))
    return Path(out).read_bytes()


def test_it_is_made_once_for_all_who_want_the_same(project: Path, monkeypatch) -> None:
    first = make("one", "one.arrow")
    with monkeypatch.context() as patched:
        patched.setattr(teaching, "ask_teacher", None)  # nobody is asked again
        assert make("two", "two.arrow") == first
    shutil.rmtree(project.parent / "work")
    assert make("one", "again.arrow") == first  # asked anew: the same bytes


def test_nothing_for_others(project: Path) -> None:
    assert make("big", "big.arrow") == b"nothing\n"
    assert make("one", "one.arrow", "empty.jsonl") == b"nothing\n"
    assert make("live", "live.arrow") == b"nothing\n"  # its teacher is asked while it is trained


def run_train(student: str, logits: Path | None, seed: int = 0) -> dict[str, Any]:
    files = map(Path, ("base", "sequences.jsonl", "code", "out", "loss.csv", "counts.json"))
    train.main(student, seed, *files, logits=logits)
    return json.loads(Path("counts.json").read_text())


def test_a_student_is_trained_on_them(project: Path) -> None:
    make("one", "one.arrow")
    assert run_train("one", Path("one.arrow"))["distil"] == {
        "teacher": "big", "top_k": 4, "alpha": 0.5, "temperature": 1.0
    }  # fmt: skip
    curve = Path("loss.csv").read_text()
    assert "distil" not in run_train("big", Path("one.arrow"))
    assert Path("loss.csv").read_text() != curve


def test_a_student_is_trained_on_policy(project: Path) -> None:
    how = {"share": 0.5, "beta": 0.5, "max_new_tokens": 8}
    assert run_train("live", None)["distil"]["on_policy"] == how
    assert len(Path("loss.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("file", [None, Path("not-there.arrow"), Path("empty.jsonl")])
def test_training_without_them_is_refused(file: Path | None, project: Path) -> None:
    with pytest.raises(ValueError, match="`distil` needs --logits"):
        run_train("one", file)


def test_tokens_that_weigh_are_refused(byte_tokenizer) -> None:
    text = texts_of(completions, steady("llama", byte_tokenizer))[0]
    target = replace(text.targets[0], token_weights=np.full(len(text.targets[0].labels), -0.025))
    check_text(text)
    with pytest.raises(ValueError, match="weighs single tokens"):
        check_text(replace(text, targets=[target]))


def test_teachers_that_cannot_teach_are_refused(byte_tokenizer, random_student) -> None:
    student = steady("llama", byte_tokenizer)
    check_teacher("big", student, student, 500)
    with pytest.raises(ValueError, match="reads at most 512 tokens, the longest text has 513"):
        check_teacher("big", student, student, 513)
    with pytest.raises(ValueError, match="one of both is an encoder-decoder"):
        check_teacher("big", steady("t5", byte_tokenizer), student, 500)
    other = load(random_student("llama"))
    other.tokenizer.add_tokens(["because"])
    with pytest.raises(ValueError, match=r"its tokenizer is not the student's .*another `added_tokens`"):
        check_teacher("big", other, student, 500)


def test_a_padded_vocabulary_counts_as_not_there(byte_tokenizer) -> None:
    """A larger model of a family may have rows of its head that no token uses."""
    torch.manual_seed(0)
    wide = build(config("llama", vocab_size=VOCABULARY + 30))
    teacher = Loaded(wide, byte_tokenizer, torch.device("cpu"))
    texts = texts_of(completions, teacher)
    for text, soft in zip(
        texts, Scorer(teacher, 500, "float32").soft_labels(texts, distil(), VOCABULARY), strict=True
    ):
        assert soft.ids.shape[1] == VOCABULARY
        assert np.isneginf(soft.log_p[:, -1].astype(np.float32)).all()
        wanted = plain_logits(wide, text)[:, :VOCABULARY].softmax(-1).max(-1).values
        assert np.exp(soft.log_p[:, 0].astype(np.float32)) == pytest.approx(wanted.numpy(), rel=4e-3)


def params(folder: Path, **students: Any) -> dict[str, Any]:
    source = {"path": str(folder), "sha256": "0"}
    return {"students": {"big": {"base": source}, **students}, "endpoints": {"openai": {}}}


def test_check_names_a_teacher_that_is_none(random_student, tmp_path) -> None:
    folder = random_student("llama")
    learner = {"base": {"path": str(folder), "sha256": "0"}, "distil": {"teacher": "bigg"}}
    with pytest.raises(ValueError, match=r"`students.one.distil.teacher`: got 'bigg', no such block; wanted"):
        check_students(params(folder, one=learner))
    hosted = {"kind": "openai", "endpoint": "openai", "model": "gpt-4o-mini-2024-07-18"}
    learner["distil"] = {"teacher": "far"}
    with pytest.raises(ValueError, match="a student at OpenAI, whose probabilities nobody has"):
        check_students(params(folder, one=learner, far=hosted))
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    values = json.loads((other / "tokenizer.json").read_text())
    values["model"]["merges"] = [["a", "b"]]
    (other / "tokenizer.json").write_text(json.dumps(values))
    learner["distil"] = {"teacher": "big"}
    learner["base"] = {"path": str(other), "sha256": "0"}
    with pytest.raises(ValueError, match="'big' has another tokenizer: the same tokens, other merges"):
        check_students(params(folder, one=learner))
