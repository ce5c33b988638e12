"""Run the Triton kernels on a CPU in the interpreter of Triton; `test_triton.py` runs this file.

TRITON_INTERPRET=1 must be set before triton is imported, so this file needs its own process.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scionwood.kernels import dispatch, triton_lora

NEAR = {torch.float32: 4, torch.float16: 1, torch.bfloat16: 2}
"""Allowed errors, in units of rounding of the sum of absolute terms; bfloat16 is truncated."""
SIZES = st.sampled_from([1, 2, 5, 16, 17, 33, 48, 70])


def draw(layout, seed, dtype):
    """Return a function that draws matrices: dense, rows of a wider array, or transposed."""
    generator = torch.Generator().manual_seed(seed)

    def matrix(rows, columns):
        if layout == "transposed":
            return torch.randn(columns, rows, generator=generator).to(dtype).t()
        wide = torch.randn(rows, columns + 3 * (layout == "rows"), generator=generator)
        return wide.to(dtype)[:, :columns]

    return matrix


def assert_near(value, exact, size, dtype):
    unit = NEAR[dtype] * torch.finfo(dtype).eps
    assert value.shape == exact.shape
    assert ((value.double() - exact).abs() <= unit * size).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    m=SIZES, n=SIZES, k=SIZES, r=st.sampled_from([1, 3, 8, 16, 20, 64]), bias=st.booleans(),
    layout=st.sampled_from(["dense", "rows", "transposed"]), dtype=st.sampled_from(list(NEAR)),
)  # fmt: skip
def test_values_equal_products_in_float64(m, n, k, r, bias, layout, dtype):
    matrix = draw(layout, m + n + k + r, dtype)
    x, weight, low, factor = matrix(m, k), matrix(k, n), matrix(m, r), matrix(r, n)
    added = matrix(n, n)[0].contiguous() if bias else None
    exact = [t.double() for t in (x, weight, low, factor)]
    last = 0 if added is None else added.double()
    y = triton_lora.product(x, weight, added, low, factor, 0.7)
    right = exact[0] @ exact[1] + 0.7 * exact[2] @ exact[3] + last
    size = exact[0].abs() @ exact[1].abs() + exact[2].abs() @ exact[3].abs() + abs(last)
    assert_near(y, right, size, dtype)
    grad, b, h = matrix(m, n), matrix(n, r), matrix(r, m)
    dh, db = triton_lora.by_rank(grad, b, h, 0.7)
    g, b, h = (t.double() for t in (grad, b, h))
    assert_near(dh, 0.7 * b.t() @ g.t(), b.abs().t() @ g.abs().t(), dtype)
    assert_near(db, 0.7 * g.t() @ h.t(), g.abs().t() @ h.abs().t(), dtype)


def test_two_runs_give_the_same_bits():
    matrix = draw("dense", 0, torch.float32)
    operands = matrix(300, 40), matrix(40, 9), matrix(9, 300)
    one, two = (triton_lora.by_rank(*operands, 1.0) for _ in range(2))
    assert all(torch.equal(*pair) for pair in zip(one, two, strict=True))


def test_rows_may_be_more_than_2_to_the_31_elements_apart():
    """Only the pages of three rows out of 6 GiB are used."""
    far = torch.empty(2 * 2**30 + 16, dtype=torch.float16).as_strided((3, 16), (2**30, 1))
    near = torch.randn(3, 16, generator=torch.Generator().manual_seed(0)).half()
    far.copy_(near)
    weight, low, b = (near.new_ones(shape) for shape in ((16, 8), (3, 4), (4, 8)))
    one, other = (triton_lora.product(x, weight, None, low, b, 1.0) for x in (far, near))
    assert torch.equal(one, other)
    factor, h = near.new_ones(16, 4), near.new_ones(4, 3)
    one, other = (triton_lora.by_rank(x, factor, h, 1.0)[0] for x in (far, near))
    assert torch.equal(one, other)


def test_the_small_layer_of_the_first_call_agrees_and_a_wrong_one_does_not(monkeypatch):
    dispatch.attempt(torch.device("cpu"))
    right = triton_lora.product
    monkeypatch.setattr(triton_lora, "product", lambda *rest: 2 * right(*rest))
    with pytest.raises(RuntimeError, match="the result of a small layer is wrong"):
        dispatch.attempt(torch.device("cpu"))
