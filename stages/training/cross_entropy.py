"""Losses of labels without copies of the logits: float32 and gradients are made of some rows at a time.

Labels x vocabulary is the largest tensor of a small student's step (600 labels of Gemma's vocabulary: 0.6 GB
in float32), and torch's own cross-entropy makes four of them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy

ROWS = 64  # at once: some ten megabytes

# exact logits [n, vocabulary], and what else the rows' losses need, [n, ...] each -> float[n]
LossOfRows = Callable[..., torch.Tensor]


def exact(logits: torch.Tensor) -> torch.Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


class RowsAtATime(torch.autograd.Function):
    """A loss of rows, logits [k, vocabulary] and others [k, ...] -> float[k], in float32 at least.

    Backward computes each row again, with the same operations, and leaves the gradient where the logits were.
    """

    @staticmethod
    def forward(ctx: Any, loss: LossOfRows, logits: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        ctx.loss = loss
        ctx.logits = logits
        ctx.others = others
        parts = zip(*(rows.split(ROWS) for rows in (logits, *others)), strict=True)
        return torch.cat([loss(exact(part), *rest) for part, *rest in parts])

    @staticmethod
    @once_differentiable  # type: ignore[misc, untyped-decorator, unused-ignore]
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        logits, ctx.logits = ctx.logits, None  # they are gone after this
        parts = zip(*(rows.split(ROWS) for rows in (logits, gradient, *ctx.others)), strict=True)
        for part, wanted, *rest in parts:
            with torch.enable_grad():
                again = exact(part.detach()).requires_grad_()
                losses = ctx.loss(again, *rest)
            part.copy_(torch.autograd.grad(losses, again, wanted)[0])
        return (None, logits, *(None for _ in ctx.others))


def rows_at_a_time(loss: LossOfRows, logits: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
    """The loss of each row; the logits are used up by its backward."""
    losses: torch.Tensor = RowsAtATime.apply(loss, logits, *others)  # type: ignore[no-untyped-call, unused-ignore]
    return losses


def each_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logits [n, vocabulary] and labels int64[n] -> float[n]."""
    return cross_entropy(logits, labels, reduction="none")


def label_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each label; the logits are used up by its backward."""
    return rows_at_a_time(each_cross_entropy, logits, labels)
