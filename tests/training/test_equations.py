"""`normalisation: tokens` against the papers' equations, written out, for what the methods really render."""

from importlib import import_module

import pytest
import torch
from curated import render
from test_objective import build, config, gradients, inner_model, ours

from stages.records.completion import Completion
from stages.records.example import Example
from stages.training.attention import use_tree_attention

ALPHA = 0.3
SAID = [
    ("How many legs have two cats?", "8", "A cat has four legs, and there are two of them: 4 + 4 = 8."),
    ("Is 7 odd?", "yes", "It is."),
    ("How many legs have two cats?", "8", "Two times four."),
]
EXAMPLES = [
    Example("made-0", "made", SAID[0][0], "8", "number"),
    Example("made-1", "made", SAID[1][0], "yes", "yes_no"),
]
ROWS = [
    Completion(f"made-{n}", sample, ["p"], [f"{rationale} ", f" {answer}."], ["stop"] * 2, "t", "")
    for n, sample, (_, answer, rationale) in zip((0, 1, 0), (0, 0, 1), SAID, strict=True)
]


def log_likelihood(model, tokenizer, prompt: str, target: str) -> torch.Tensor:
    """l(x, y) of CasCoD's equation 2, without its sign: of every token of `target`, its end with them."""
    x, y = tokenizer(prompt).input_ids, [*tokenizer(target).input_ids, 1]
    if inner_model(model).config.is_encoder_decoder:
        logits = model(
            input_ids=torch.tensor([x]), decoder_input_ids=torch.tensor([[0, *y[:-1]]]), use_cache=False
        ).logits[0]
    else:
        logits = model(input_ids=torch.tensor([x + y[:-1]]), use_cache=False).logits[0, len(x) - 1 :]
    return logits.log_softmax(-1)[torch.arange(len(y)), torch.tensor(y)].sum()


def equation_6(model, tokenizer, question: str, answer: str, rationale: str) -> torch.Tensor:
    """CasCoD: (1 - alpha) l(q + [Rationale], r) + alpha l(q + [Rationale] + r + [Answer], a)."""
    q = f"Q: {question}\nA: [Rationale]"
    first = log_likelihood(model, tokenizer, q, f" {rationale}")
    second = log_likelihood(model, tokenizer, f"{q} {rationale}\n[Answer]", f" {answer}")
    return -(1 - ALPHA) * first - ALPHA * second


def multi_task(model, tokenizer, question: str, answer: str, rationale: str) -> torch.Tensor:
    """MT-CoT, equation 3 with the weights of 6 and the whole chain of thought as a target."""
    q = f"Q: {question}\nA:"
    said = f" {rationale} Therefore, the answer is {answer}."
    first = log_likelihood(model, tokenizer, f"{q} [Rationale]", said)
    second = log_likelihood(model, tokenizer, f"{q} [Answer]", f" {answer}")
    return -(1 - ALPHA) * first - ALPHA * second


def cosine(some: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    one, two = (torch.cat([part[name].flatten() for name in sorted(part)]) for part in (some, other))
    return torch.nn.functional.cosine_similarity(one, two, dim=0).item()


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("name", "equation"), [("cascod", equation_6), ("mt_cot", multi_task)])
@pytest.mark.parametrize(
    ("family", "layout"),
    [("gpt2", "tree"), ("gpt2", "padded"), ("opt", "tree"), ("t5", "packed_decoder"), ("t5", "padded")],
)
def test_tokens_is_the_equation(name: str, equation, family: str, layout: str, byte_tokenizer) -> None:
    """The expectation over the step's (q, r, a), loss and every gradient, in one row and in several; the two
    means point elsewhere.
    """
    model = build(config(family), torch.float64)
    wanted = sum(equation(model, byte_tokenizer, *said) for said in SAID) / len(SAID)
    wanted.backward()
    theirs = gradients(model)
    if layout == "tree":
        use_tree_attention(model)
    method = import_module(f"stages.methods.{name}")
    parts = {"train": [example.id for example in EXAMPLES], "validation": [], "test": []}
    sequences = render(method, method.Settings(alpha=ALPHA), EXAMPLES, parts, ROWS)
    assert len(sequences) == 2 * len(SAID)
    scale = max(gradient.abs().max().item() for gradient in theirs.values())
    rows_of = []
    for budget in (10**6, 120):
        total, rows = ours(model, sequences, byte_tokenizer, "tokens", layout, budget)
        rows_of.append(rows)
        mine = gradients(model)
        assert total == pytest.approx(wanted.item(), rel=1e-6)  # T5 computes its norms in float32
        assert cosine(mine, theirs) == pytest.approx(1, abs=1e-9)
        for gradient_name, gradient in theirs.items():
            assert (mine[gradient_name] - gradient).abs().max() <= 1e-6 * scale, gradient_name
    assert rows_of[0] == 1 < rows_of[1]
    for other in ("batch", "sequence"):
        ours(model, sequences, byte_tokenizer, other, layout, 10**6)
        assert cosine(gradients(model), theirs) < 0.99
