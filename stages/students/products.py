"""Products of float32 matrices on a CPU by OpenBLAS, whose code for a processor can be chosen by name.

The library that torch brings shares one branch between Intel's and AMD's processors, which is two and a half
times slower. numpy's OpenBLAS has the same instructions for both: stages/config/kernels.py says which.
"""

import warnings
from typing import Any

import numpy as np
import torch

OURS: list[torch.library.Library] = []  # what is registered lasts as long as its library


def by_numpy(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a [..., m, k], b [..., k, n] -> [..., m, n], in memory that torch aligned."""
    product = a.new_empty(*a.shape[:-1], b.shape[-1])
    np.matmul(a.detach().numpy(), b.detach().numpy(), out=product.numpy())
    return product


def in_float32(other: Any) -> Any:
    """The product of two matrices, or of two stacks; `other` writes those of other types into its `out`."""

    def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if a.dtype == torch.float32:
            return by_numpy(a, b)
        return other(a, b, out=a.new_empty(0))  # type: ignore[no-any-return]

    return product


def add_product(
    added: torch.Tensor, a: torch.Tensor, b: torch.Tensor, *, beta: float = 1, alpha: float = 1
) -> torch.Tensor:
    """beta added + alpha a b, as a layer with a bias has it."""
    if a.dtype == torch.float32 and beta == alpha == 1:
        return by_numpy(a, b).add_(added)
    return torch.ops.aten.addmm.out(added, a, b, beta=beta, alpha=alpha, out=a.new_empty(0))  # type: ignore[no-any-return]


def use_named_products() -> None:
    """From here on and for this process, a float32 product on the CPU is numpy's."""
    if OURS:
        return
    ours = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that torch's own are replaced: they are meant to be
        ours.impl("mm", in_float32(torch.ops.aten.mm.out), "CPU")
        ours.impl("bmm", in_float32(torch.ops.aten.bmm.out), "CPU")
        ours.impl("addmm", add_product, "CPU")
    OURS.append(ours)
