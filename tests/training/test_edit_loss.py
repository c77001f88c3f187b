"""What EDIT renders, trained by `normalisation: sequence`, has the loss of its released code."""

from itertools import starmap
from typing import Any

import pytest
import torch
from test_objective import build, config, gradients, ours
from torch.nn.functional import cross_entropy

from stages.methods import edit
from stages.records.completion import Completion
from stages.records.example import Example
from stages.records.sequence import Sequence
from stages.training.attention import use_tree_attention

EXAMPLE = Example("made-0", "made", "What is 2 times 4, plus 1?", "9", "number")
BETA = -0.025
PAIRS = [
    [("2 times 4 is 8. 8 plus 1 is 9.", "9"), ("2 times 4 is 6. 6 plus 1 is 7.", "7")],
    [("Twice 4 makes 8, one more is 9.", "9"), ("2 times 4 is 6.", "6")],
    [("8 and 1 is 9.", "9"), ("I guess 3.", "3")],
]


def said(rationale: str, answer: str) -> Completion:
    texts = [rationale, f" {answer}"]
    return Completion("made-0", 0, ["p"] * 2, texts, ["stop"] * 2, "t", "", answer=answer)


def released_loss(model: Any, sequences: list[Sequence], tokenizer: Any) -> torch.Tensor:
    """KRSL as C-W-D/CasCoD computes it, of a byte a token: padded batches of both kinds, weights at labels,
    each text's sum by its number of labels, the mean over texts, both kinds added.
    """
    total = torch.zeros(())
    for task, factor in (("cot", 1.0), ("counterfactual", BETA)):
        chosen = [sequence for sequence in sequences if sequence.segments[-1].task == task]
        rows, weights, starts = [], [], []
        for sequence in chosen:
            prompt, target = (tokenizer(segment.text).input_ids for segment in sequence.segments)
            marks = [0.0] * len(target)
            for run in sequence.segments[-1].runs or ():
                marks[run.start : run.stop] = [factor] * (run.stop - run.start)
            rows.append([*prompt, *target, 1])
            weights.append([*[0.0] * len(prompt), *marks, 0.0])
            starts.append(len(prompt))
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]
        losses = cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
        w = torch.tensor([row + [0.0] * (longest - len(row)) for row in weights])[:, 1:]
        labels = torch.tensor([len(row) - start for row, start in zip(rows, starts, strict=True)])
        total = total + ((losses * w).sum(1) / labels).mean()
    return total


@pytest.mark.parametrize("layout", ["tree", "padded"])
def test_the_loss_by_sequence_is_the_released_one(layout: str, byte_tokenizer: Any) -> None:
    sequences = [
        sequence
        for pair in PAIRS
        for sequence in edit.render(EXAMPLE, [*starmap(said, pair)], edit.Settings())
    ]
    assert len(sequences) == 2 * len(PAIRS)
    model = build(config("gpt2"))
    wanted = released_loss(model, sequences, byte_tokenizer)
    wanted.backward()
    theirs = gradients(model)
    if layout == "tree":
        use_tree_attention(model)
    total, _ = ours(model, sequences, byte_tokenizer, "sequence", layout, 10**6)
    assert total == pytest.approx(wanted.item(), rel=1e-4)
    scale = max(gradient.abs().max().item() for gradient in theirs.values())
    for name, gradient in gradients(model).items():
        assert (gradient - theirs[name]).abs().max() <= 1e-5 * scale, name
