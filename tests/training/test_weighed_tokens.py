"""Weights of single tokens: the loss and its gradients against plain PyTorch with a list of weights, in every
layout; and what is written, kept and refused.
"""

import json
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from test_objective import build, config, gradients, ours, tolerance
from torch.nn.functional import log_softmax

from stages.config.normalisation import Normalisation
from stages.corpus.targets import check_weights
from stages.records.sequence import Run, Segment, Sequence, read_sequences, write_sequences
from stages.render import as_turn
from stages.students.tokens import tokenize
from stages.training.attention import use_tree_attention

# prompt, target, its task; a weight for each of its characters: 0 where none stands here. The first two share
# their beginning, where they weigh differently; the third is all zeros, the last has no weights of its own
TEXTS: list[tuple[str, str, str, dict[int, float] | None]] = [
    ("1+1?", "so it is 2", "right", {3: 1.0, 4: 1.0, 9: 1.0}),
    ("1+1?", "so it is 3", "wrong", {0: -0.5, 3: -0.25, 9: -2.0}),
    ("1+1?", "so", "right", {}),
    ("is 7 odd?", "yes, it is", "wrong", {0: 1.5, 1: 1.5, 2: -1.5}),
    ("is 7 odd?", "it is", "right", None),
]
TASKS = {"right": 1.0, "wrong": -0.3}


def runs_of(weights: dict[int, float] | None) -> tuple[Run, ...] | None:
    return None if weights is None else tuple(Run(at, at + 1, w) for at, w in weights.items())


def sequences() -> list[Sequence]:
    return [
        Sequence(f"e-{n}", [Segment(prompt), Segment(target, task, TASKS[task], runs=runs_of(weights))])
        for n, (prompt, target, task, weights) in enumerate(TEXTS)
    ]


def plain(model: Any, tokenizer: Any, normalisation: str) -> torch.Tensor:
    """Each text alone, each byte with its weight; weights never change a denominator."""
    sums: dict[str, list[torch.Tensor]] = {task: [] for task in TASKS}
    lengths: dict[str, list[int]] = {task: [] for task in TASKS}
    for prompt, target, task, weights in TEXTS:
        x, y = tokenizer(prompt).input_ids, [*tokenizer(target).input_ids, 1]
        w = torch.ones(len(y)) if weights is None else torch.zeros(len(y))
        for at, weight in (weights or {}).items():
            w[at] = weight
        if model.config.is_encoder_decoder:
            read = {"input_ids": torch.tensor([x]), "decoder_input_ids": torch.tensor([[0, *y[:-1]]])}
            logits = model(**read, use_cache=False).logits[0]
        else:
            logits = model(input_ids=torch.tensor([x + y[:-1]]), use_cache=False).logits[0, len(x) - 1 :]
        losses = -log_softmax(logits, -1)[torch.arange(len(y)), torch.tensor(y)]
        sums[task].append((w * losses).sum())
        lengths[task].append(len(y))
    total = torch.zeros(())
    for task, factor in TASKS.items():
        each = sums[task]
        if normalisation == "batch":
            value = sum(each) / sum(lengths[task])
        elif normalisation == "tokens":
            value = sum(each) / len(each)
        else:
            value = sum(one / n for one, n in zip(each, lengths[task], strict=True)) / len(each)
        total = total + factor * value
    return total


@pytest.mark.parametrize("normalisation", get_args(Normalisation))
@pytest.mark.parametrize(
    ("family", "layout"),
    [
        *(("gpt2", layout) for layout in ("tree", "mask", "padded")),
        *(("llama", layout) for layout in ("tree", "mask", "padded")),
        *(("t5", layout) for layout in ("packed_decoder", "padded")),
    ],
)
def test_loss_and_gradients_are_those_of_plain_weights(
    family: str, layout: str, normalisation: str, byte_tokenizer
) -> None:
    model = build(config(family))
    wanted = plain(model, byte_tokenizer, normalisation)
    wanted.backward()
    theirs = gradients(model)
    if layout == "tree":
        use_tree_attention(model)
    scale = max(gradient.abs().max().item() for gradient in theirs.values())
    near = tolerance(family, torch.float32)
    rows_of = []
    for budget in (10**6, 20):
        total, rows = ours(model, sequences(), byte_tokenizer, normalisation, layout, budget)
        rows_of.append(rows)
        assert total == pytest.approx(wanted.item(), rel=10 * near)
        for name, gradient in gradients(model).items():
            assert (gradient - theirs[name]).abs().max() <= near * scale, name
    assert rows_of[0] == 1 < rows_of[1]


def test_weights_of_one_are_no_weights(byte_tokenizer) -> None:
    """To the bit, but for the end of text, which no run covers."""
    model = build(config("gpt2"))
    use_tree_attention(model)
    whole = [Sequence("e-0", [Segment("1+1?"), Segment("it is "), Segment("2", "cot"), Segment(".")])]
    run = [replace(one, segments=[*one.segments]) for one in whole]
    run[0].segments[2] = Segment("2", "cot", runs=(Run(0, 1),))
    found = []
    for texts in (whole, run):
        total, _ = ours(model, texts, byte_tokenizer, "sequence", "tree", 10**6)
        found.append((total, gradients(model)))
    assert found[0][0] == found[1][0]
    assert all(torch.equal(found[0][1][name], gradient) for name, gradient in found[1][1].items())


def test_a_text_that_is_cut_keeps_the_weights_of_what_is_left(byte_tokenizer) -> None:
    text = Sequence("e-0", [Segment("abc"), Segment("defgh", "cot", runs=(Run(1, 2), Run(3, 5, -2.0)))])
    assert tokenize(text, byte_tokenizer, None, 100).targets[0].token_weights.tolist() == [0, 1, 0, -2, -2, 0]
    for limit, wanted in ((8, [0, 1, 0, -2, -2]), (7, [0, 1, 0, -2]), (5, [0, 1])):
        target = tokenize(text, byte_tokenizer, None, limit).targets[0]
        assert target.token_weights.tolist() == wanted
        assert len(target.labels) == len(wanted)
    first = Sequence(
        "e-0", [Segment("abc", "cot", runs=(Run(0, 2),))]
    )  # nothing stands before its first token
    assert tokenize(first, byte_tokenizer, None, 100).targets[0].token_weights.tolist() == [1, 0, 0]


def test_sequences_are_written_and_read_with_runs_and_without_as_before(tmp_path) -> None:
    path = tmp_path / "sequences.jsonl"
    write_sequences(path, sequences())
    assert read_sequences(path) == sequences()
    rows = [json.loads(line)["segments"][1] for line in path.read_text().splitlines()]
    assert rows[0]["runs"][0] == {"start": 3, "stop": 4, "weight": 1.0}
    assert rows[2]["runs"] == []
    assert rows[4] == {"end": False, "task": "right", "text": "it is", "weight": 1.0}
    path.write_text('{"example_id": "e", "segments": [{"text": "a", "task": "cot", "runs": [{"from": 0}]}]}')
    with pytest.raises(ValueError, match=r"line 1: not a row of Run; it lacks \['start', 'stop'\]"):
        read_sequences(path)


@pytest.mark.parametrize("runs", [[(0, 0)], [(-1, 1)], [(2, 4)], [(1, 2), (0, 1)], [(0, 2), (1, 3)]])
def test_runs_stand_in_the_text_one_after_the_other(runs: list[tuple[int, int]]) -> None:
    segment = Segment("abc", "cot", runs=tuple(Run(*run) for run in runs))
    with pytest.raises(ValueError, match=r"e-0: task 'cot' has Run.* in a text of 3 characters, wanted one"):
        check_weights(Sequence("e-0", [segment]), {})


def test_a_turn_without_its_first_blanks_has_the_same_characters_in_runs() -> None:
    runs = (Run(0, 1, 3.0), Run(1, 3, 2.0), Run(5, 6))
    told = Sequence("e-0", [Segment("q"), Segment("  ab cd ef", "cot", runs=runs)])
    turned = as_turn(told, "").segments[1]
    assert turned == Segment("ab cd ef", "cot", runs=(Run(0, 1, 2.0), Run(3, 4)))
