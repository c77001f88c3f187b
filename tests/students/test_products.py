"""Products by numpy's OpenBLAS: right, differentiable, and only where they were asked for."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

from stages.config.kernels import FIXED, has_avx2

pytestmark = pytest.mark.skipif(not has_avx2(), reason="no AVX2 here: nothing is fixed")

# in a process of its own: what is registered stays until the process ends
PRODUCTS = """
import torch
from stages.students.products import use_named_products

generator = torch.Generator().manual_seed(0)
def drawn(*shape, dtype):
    return torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_()

def results(dtype):
    generator.manual_seed(0)
    a, b, bias = drawn(7, 33, dtype=dtype), drawn(33, 5, dtype=dtype), drawn(5, dtype=dtype)
    turned = drawn(5, 33, dtype=dtype)
    stack, other = drawn(3, 4, 6, dtype=dtype), drawn(3, 6, 2, dtype=dtype)
    empty = drawn(0, 33, dtype=dtype)
    said = [a @ b, a @ turned.T, torch.addmm(bias, a, b), torch.addmm(bias, a, b, beta=0.5, alpha=2),
            torch.nn.functional.linear(a, turned, bias), stack @ other, stack.transpose(0, 1)[:, 0] @ a[:6],
            empty @ b, torch.bmm(stack, other)]
    sum(value.sum() for value in said).backward()
    return [*said, *(value.grad for value in (a, b, bias, turned, stack, other))]

kinds = (torch.float32, torch.float64, torch.bfloat16)
before = {dtype: results(dtype) for dtype in kinds}
use_named_products()
use_named_products()
for dtype in kinds:
    after = results(dtype)
    for old, new in zip(before[dtype], after, strict=True):
        assert new.dtype == dtype and new.shape == old.shape
        torch.testing.assert_close(new, old)
        if dtype != torch.float32:
            assert torch.equal(new, old)
a, b = drawn(300, 400, dtype=torch.float32).detach(), drawn(400, 200, dtype=torch.float32).detach()
import numpy
assert ((a @ b).numpy() == numpy.matmul(a.numpy(), b.numpy())).all()
"""


def test_products_are_those_of_torch_and_computed_by_numpy() -> None:
    given = {**os.environ, **FIXED, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRODUCTS], env=given, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
