"""Cross-entropy without copies of the logits: float32 and gradients are made of some rows at a time.

Labels x vocabulary is the largest tensor of a small student's step (600 labels of Gemma's vocabulary: 0.6 GB
in float32), and torch's own loss makes four of them.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy

ROWS = 64  # at once: some ten megabytes


def exact(logits: torch.Tensor) -> torch.Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


class CrossEntropy(torch.autograd.Function):
    """Logits [k, vocabulary] and labels int64[k] -> float[k], in float32 at least.

    Backward computes each row again, with the same operations, and leaves the gradient where the logits were.
    """

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        ctx.logits = logits
        ctx.labels = labels
        parts = zip(logits.split(ROWS), labels.split(ROWS), strict=True)
        return torch.cat([cross_entropy(exact(part), right, reduction="none") for part, right in parts])

    @staticmethod
    @once_differentiable  # type: ignore[misc, untyped-decorator, unused-ignore]
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        logits, ctx.logits = ctx.logits, None  # they are gone after this
        parts = zip(logits.split(ROWS), ctx.labels.split(ROWS), gradient.split(ROWS), strict=True)
        for part, right, wanted in parts:
            with torch.enable_grad():
                again = exact(part.detach()).requires_grad_()
                losses = cross_entropy(again, right, reduction="none")
            part.copy_(torch.autograd.grad(losses, again, wanted)[0])
        return logits, None


def label_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each label; the logits are used up by its backward."""
    losses: torch.Tensor = CrossEntropy.apply(logits, labels)  # type: ignore[no-untyped-call, unused-ignore]
    return losses
