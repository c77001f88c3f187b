"""Cross-entropy a few rows at a time is torch's own, to the bit, gradient included."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from stages.training.attention import attention_by_hand
from stages.training.cross_entropy import ROWS, label_losses


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("rows", [1, ROWS, 2 * ROWS + 3])
def test_losses_and_gradients_are_torchs(rows: int, dtype) -> None:
    torch.manual_seed(rows)
    hidden = torch.randn(rows, 8, dtype=dtype, requires_grad=True)
    head = torch.randn(50, 8, dtype=dtype, requires_grad=True)
    labels = torch.randint(0, 50, (rows,))
    weights = torch.rand(rows, dtype=torch.promote_types(dtype, torch.float32))
    found = []
    for loss in (label_losses, lambda x, y: cross_entropy(x.to(weights.dtype), y, reduction="none")):
        losses = loss(hidden @ head.t(), labels)
        found.append([losses, *torch.autograd.grad((losses * weights).sum(), (hidden, head))])
    for ours, torchs in zip(*found, strict=True):
        assert torch.equal(ours, torchs)


def test_the_logits_are_used_up_and_nobody_is_misled() -> None:
    """Whoever else needs them for a gradient is told, by torch, that they have changed."""
    logits = torch.randn(3, 5, requires_grad=True) * 2
    squared = logits.square().sum()
    label_losses(logits, torch.tensor([0, 1, 2])).sum().backward()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        squared.backward()


@pytest.mark.parametrize(("heads", "shared"), [(4, 4), (4, 2)])
def test_attention_by_hand_is_torchs(heads: int, shared: int) -> None:
    torch.manual_seed(0)
    states = [
        torch.randn(3, n, keys, 8, dtype=torch.float64, requires_grad=True)
        for n, keys in ((heads, 5), (shared, 7), (shared, 7))
    ]
    mask = torch.ones(3, 1, 5, 7, dtype=torch.bool).tril(2)
    for scaling in (None, 0.3):
        wanted = torch.nn.functional.scaled_dot_product_attention(
            *states, attn_mask=mask, scale=scaling, enable_gqa=heads != shared
        )
        found = attention_by_hand(*states, mask, scaling)
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
        for one, other in zip(
            torch.autograd.grad(found.sin().sum(), states),
            torch.autograd.grad(wanted.sin().sum(), states),
            strict=True,
        ):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
