"""On policy: the divergence and a whole step against plain ones, what is sampled, and what is refused."""

import math
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_distil import plain_logits, texts_of
from test_objective import build, cascod, completions, prompt_loss, weight_aligned
from test_train import settings, steady
from torch.nn.functional import cross_entropy

from stages.config.distil import Distil
from stages.config.student import Lora
from stages.records.sequence import Sequence
from stages.students.adapters import add_adapters
from stages.students.load import Loaded
from stages.students.tokens import Tokens
from stages.training import on_policy
from stages.training.fit import fit
from stages.training.objective import token_losses, weighted_loss
from stages.training.on_policy import StudentPolicy, generalised_jsd, prompt_of, with_teacher
from stages.training.rows import units_of
from stages.training.steps import Shape, step_rows, tokenize_parts

BETAS = [0.0, 0.1, 0.5, 0.9, 1.0]


def plain_jsd(p: torch.Tensor, q: torch.Tensor, beta: float) -> torch.Tensor:
    """As the paper writes it, of probabilities."""

    def kl(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return (one * (one / other).log()).sum(-1)

    if beta in (0, 1):
        return kl(q, p) if beta else kl(p, q)
    mean = beta * p + (1 - beta) * q
    return beta * kl(p, mean) + (1 - beta) * kl(q, mean)


@pytest.mark.parametrize("beta", BETAS)
def test_the_divergence_is_the_papers(beta: float) -> None:
    torch.manual_seed(0)
    teacher = torch.randn(5, 9, dtype=torch.float64)
    student = torch.randn(5, 9, dtype=torch.float64, requires_grad=True)
    found = generalised_jsd(teacher.log_softmax(-1), student.log_softmax(-1), beta)
    wanted = plain_jsd(teacher.softmax(-1), student.softmax(-1), beta)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)
    gradients = [torch.autograd.grad(each.sum(), student)[0] for each in (found, wanted)]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-14)
    assert generalised_jsd(*[teacher.log_softmax(-1)] * 2, beta).abs().max() < 1e-14


def distil(share: float = 1.0, beta: float = 0.5, **values: Any) -> Distil:
    how = {"share": share, "beta": beta, "max_new_tokens": 12}
    return Distil.model_validate({"teacher": "big", "on_policy": how, **values})


def other(student: Loaded, by: float = 0.05) -> Loaded:
    """A teacher of the same shape with weights a little apart."""
    torch.manual_seed(2)
    model = build(student.model.config)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(by * torch.randn_like(weights))
    return Loaded(model.requires_grad_(False), student.tokenizer, student.device)


def policy_of(student: Loaded, how: Distil, layout: Any = "padded", seed: int = 0) -> StudentPolicy:
    shape = Shape(layout, ["answer", "cot", "rationale"], "batch", 0)
    return StudentPolicy(student, other(student), settings(distil=how), seed, shape)


def test_what_is_sampled_goes_on_from_the_prompt(byte_tokenizer) -> None:
    student = steady("llama", byte_tokenizer)
    units = units_of(texts_of(cascod, student))[:]
    policy = policy_of(student, distil())
    said = policy.said(units, 3)
    assert [len(unit) for unit in said] == [len(unit) for unit in units] == [2, 2, 2]
    for before, after in zip(chain(*units), chain(*said), strict=True):
        prompt = prompt_of(before)
        (target,) = after.targets
        ids = [*after.inputs.tolist(), int(target.labels[-1])]
        assert ids == prompt + target.labels.tolist()
        assert after.inputs[target.start + 1 :].tolist() == target.labels[:-1].tolist()
        assert len(target.labels) == 12 or target.labels[-1] == 1  # its end of text
        assert (target.task, target.weight) == (before.targets[0].task, before.targets[0].weight)
        assert 1 not in target.labels[:-1]
    tokens = [[text.inputs.tolist() for text in unit] for unit in said]
    assert tokens == [[text.inputs.tolist() for text in unit] for unit in policy.said(units, 3)]
    assert tokens != [[text.inputs.tolist() for text in unit] for unit in policy.said(units, 4)]
    assert student.model.training


def test_its_tokens_are_drawn_as_the_student_has_them(byte_tokenizer) -> None:
    """The first token of 600 answers to one prompt, against the student's probabilities."""
    student = steady("llama", byte_tokenizer)
    text = texts_of(completions, student)[0]
    policy = policy_of(student, distil())
    first = [unit[0].targets[0].labels[0] for unit in policy.said([[text]] * 600, 0)]
    student.model.eval()
    p = plain_logits(student.model, text)[0].softmax(-1).numpy()
    seen = np.bincount(first, minlength=len(p)) / 600
    likely = p.argsort()[-5:]
    assert (abs(seen - p)[likely] < 4.5 * np.sqrt(p * (1 - p) / 600)[likely]).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_units_is_sampled(share: float, byte_tokenizer) -> None:
    student = steady("llama", byte_tokenizer)
    units = units_of(texts_of(completions, student))[:] * 4
    rows = policy_of(student, distil(share)).rows(units, 0)
    own = sum(int((row["counts"] > 0).any()) * len(row["labels"]) for row in rows if row.get("sampled"))
    data = sum(len(row["labels"]) for row in rows if not row.get("sampled"))
    assert (own > 0, data > 0) == (share > 0, share < 1)
    if not share:
        wanted = step_rows(units, Shape("padded", ["answer", "cot", "rationale"], "batch", 0))
        assert [row["labels"].tolist() for row in rows] == [row["labels"].tolist() for row in wanted]


def plain_step(student: Any, teacher: Any, texts: list[tuple[Tokens, bool]], how: Distil) -> torch.Tensor:
    """Mean over all labels: alpha x T^2 x JSD, and of the data's (1 - alpha) x cross-entropy besides."""
    total = torch.zeros(())
    count = 0
    for text, sampled in texts:
        ids = torch.from_numpy(text.inputs.astype(np.int64))[None]
        (target,) = text.targets
        places = slice(target.start, target.start + len(target.labels))
        q = student(input_ids=ids, use_cache=False).logits[0, places]
        p = plain_logits(teacher, text)
        t = how.temperature
        soft = plain_jsd((p / t).softmax(-1), (q / t).softmax(-1), how.on_policy.beta).sum()
        total = total + how.alpha * t**2 * soft
        if not sampled:
            labels = torch.from_numpy(target.labels.astype(np.int64))
            total = total + (1 - how.alpha) * cross_entropy(q, labels, reduction="sum")
        count += len(target.labels)
    return total / count


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("layout", ["tree", "padded"])
def test_a_step_is_that_of_two_plain_models(layout: str, beta: float, byte_tokenizer) -> None:
    student = steady("llama", byte_tokenizer)
    how = distil(share=0.5, beta=beta, alpha=0.7, temperature=1.5)
    policy = policy_of(student, how, layout)
    units = units_of(texts_of(completions, student))[:]
    seen: list[tuple[Tokens, bool]] = []

    def watched(texts: list[list[Tokens]], shape: Shape) -> list[dict[str, Any]]:
        seen.extend((text, bool(seen)) for unit in texts for text in unit)  # those of the data come first
        return step_rows(texts, shape)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(on_policy, "step_rows", watched)
        rows = policy.rows(units, 1)
    data = sum(len(row["labels"]) for row in rows if not row.get("sampled"))
    first = np.cumsum([len(text.targets[0].labels) for text, _ in seen])
    seen = [(text, bool(end > data)) for (text, _), end in zip(seen, first, strict=True)]
    assert {sampled for _, sampled in seen} == {True, False}

    wanted = plain_step(student.model.eval(), policy.teacher.model, seen, how)
    wanted.backward()
    gradients = {name: w.grad.clone() for name, w in student.model.named_parameters()}
    student.model.zero_grad()
    if layout == "tree":
        on_policy.choose_layout(student.model, 100)
        on_policy.choose_layout(policy.teacher.model, 100)
    denominators = sum(row["counts"] for row in rows)
    parts = []
    for row in rows:
        loss = weighted_loss(token_losses(student.model, row, policy.losses), row, denominators)
        loss.backward()
        parts.append(loss.item())
    assert math.fsum(parts) == pytest.approx(wanted.item(), rel=1e-5)
    largest = max(gradient.abs().max().item() for gradient in gradients.values())
    for name, w in student.model.named_parameters():
        torch.testing.assert_close(w.grad, gradients[name], rtol=0, atol=2e-5 * largest, msg=name)


def trained(
    byte_tokenizer: Any, work: Path, monkeypatch: pytest.MonkeyPatch, **more: Any
) -> list[dict[str, Any]]:
    student = steady("llama", byte_tokenizer)
    teacher = other(student)
    monkeypatch.setattr(on_policy, "load_teacher", lambda *_: teacher)
    monkeypatch.setattr(on_policy, "teacher_of", lambda _: None)
    chosen = settings(**{"epochs": 8, "lr": 3e-3, "distil": distil(0.5, 0.0, alpha=1.0), **more})
    if chosen.lora:
        student = add_adapters(student, chosen)
    sequences = [one for i in range(3) for one in completions(i)]
    parts = [Sequence(**{**vars(one), "part": part}) for part in ("train", "validation") for one in sequences]
    return fit(student, tokenize_parts(parts, student, 500), chosen, 0, work).history


def test_tokens_that_weigh_are_refused_on_policy_too(byte_tokenizer, tmp_path) -> None:
    """What is said in place of a text to be unlearnt would be unlearnt whole."""
    student = steady("llama", byte_tokenizer)
    texts = tokenize_parts([replace(one, part="train") for one in completions(0)], student, 500)
    target = texts["train"][0].targets[0]
    weighed = replace(target, token_weights=np.full(len(target.labels), -0.025))
    texts["train"][0] = replace(texts["train"][0], targets=[weighed])
    chosen = settings(epochs=1, distil=distil(0.5, 0.0))
    with pytest.raises(ValueError, match="weighs single tokens"):
        fit(student, texts, chosen, 0, tmp_path)


def test_a_training_comes_nearer_to_its_teacher_and_repeats(byte_tokenizer, tmp_path, monkeypatch) -> None:
    history = trained(byte_tokenizer, tmp_path / "one", monkeypatch)
    assert history[-1]["validation_loss"] < 0.5 * history[0]["validation_loss"]
    assert trained(byte_tokenizer, tmp_path / "two", monkeypatch) == history
    assert (tmp_path / "one/best.pt").read_bytes() == (tmp_path / "two/best.pt").read_bytes()


def test_adapters_are_trained_so_too(byte_tokenizer, tmp_path, monkeypatch) -> None:
    layers = [f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")]
    lora = Lora(r=8, dropout=0.0, targets=layers)
    history = trained(byte_tokenizer, tmp_path, monkeypatch, lora=lora, lr=1e-2)
    assert history[-1]["validation_loss"] < 0.8 * history[0]["validation_loss"]


@pytest.mark.parametrize("method", [weight_aligned, prompt_loss])
def test_texts_of_several_tasks_are_refused(method: Any, byte_tokenizer) -> None:
    student = steady("llama", byte_tokenizer)
    with pytest.raises(ValueError, match="samples texts of one task, got "):
        policy_of(student, distil()).said([[texts_of(method, student)[0]]], 0)


def test_what_cannot_be_sampled_here_is_refused(byte_tokenizer) -> None:
    chosen = settings(distil=distil())
    with pytest.raises(ValueError, match="samples in one process, got several"):
        with_teacher(steady("llama", byte_tokenizer), chosen, 0, Shape("tree", [], "batch", 0, world=2), 100)
    with pytest.raises(ValueError, match="is for causal students"):
        with_teacher(steady("t5", byte_tokenizer), chosen, 0, Shape("padded", [], "batch", 0), 100)
