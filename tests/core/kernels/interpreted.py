"""Run the Triton kernels on a CPU in the interpreter of Triton; `test_triton.py` runs this file.

TRITON_INTERPRET=1 must be set before triton is imported, so this file needs its own process. Values
and gradients are compared with those of the reference in float64.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F

from scionwood.kernels import dispatch, mask, reference, triton_lora
from scionwood.kernels.triton_plan import Plan, Tile

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
NEAR = {torch.float32: 4, torch.float16: 1, torch.bfloat16: 2}
"""Allowed errors, in units of rounding of the sum of absolute terms; bfloat16 is truncated."""
PLANS = {
    "table": None,
    "16": Plan(16, *(Tile(16, 16, 16, 4, 2),) * 5),
    "32": Plan(32, *(Tile(32, 32, 16, 4, 2),) * 5),
    "wide": Plan(16, *(Tile(16, 64, 32, 4, 2),) * 5),
}


class Case(NamedTuple):
    dtype: torch.dtype
    m: int
    k: int
    n: int
    r: int
    bias: bool
    gate: bool
    p: float
    learns: str
    layout: str
    plan: str
    seed: int

    def __str__(self):
        switches = "-".join(name for name in ("bias", "gate") if getattr(self, name)) or "bare"
        sizes = f"{self.m}x{self.k}x{self.n}r{self.r}"
        name = str(self.dtype).removeprefix("torch.")
        return f"{name}-{sizes}-{switches}-p{self.p}-{self.learns}-{self.layout}-{self.plan}"


def cases():
    """Yield every combination of switches with random shapes: small, ragged, and of high rank.

    Every combination comes twice, with different shapes.
    """
    rng = random.Random(0)
    switches = [
        (p, gate, bias, learns, layout)
        for p in (0.0, 0.1, 0.5)
        for gate in (False, True)
        for bias in (False, True)
        for learns in ("all", "factors", "x")
        for layout in ("dense", "rows", "transposed")
    ]
    for dtype in DTYPES:
        for i, (p, gate, bias, learns, layout) in enumerate(2 * switches):
            if i % 18 == 7:
                m, k, n, r, plan = rng.randint(3, 9), 33, 18, rng.choice((65, 128, 256)), "table"
            elif i % 4 == 0:
                plan = rng.choice(("table", "32"))
                m, k, n = (rng.choice((5, 31, 48)) for _ in range(3))
                r = rng.choice((4, 8, 16, 33))
            else:
                plan = rng.choice(tuple(PLANS))
                m, k, n = (rng.choice((1, 2, 5, 16, 17, 24, 33)) for _ in range(3))
                m, r = (0 if i % 40 == 1 else m), rng.choice((1, 2, 3, 8, 16, 20))
            yield Case(dtype, m, k, n, r, bias, gate, p, learns, layout, plan, i)


def in_short_run(case):
    """Choose a third of the cases, in which every pair of two switches occurs."""
    i = case.seed
    return (7 * i + 5 * (i // 3) + i // 9) % 3 == 1


CASES = [
    pytest.param(case, id=str(case), marks=() if in_short_run(case) else pytest.mark.slow)
    for case in cases()
]


def draw(case):
    """Draw x, weight, bias, a, b and gate_bias, the seed of the mask, and the gradient of y."""
    generator = torch.Generator().manual_seed(case.seed)

    def tensor(*shape):
        if case.layout == "transposed":
            return tensor_of(shape[::-1]).t()
        if case.layout == "rows":
            return tensor_of((shape[0], shape[-1] + 3))[:, : shape[-1]]
        return tensor_of(shape)

    def tensor_of(shape):
        return torch.randn(shape, generator=generator).to(case.dtype)

    both = 2 * case.r if case.gate else case.r
    operands = (
        tensor(case.m, case.k),
        tensor(case.n, case.k),
        tensor_of((case.n,)) if case.bias else None,
        tensor(both, case.k),
        tensor(case.n, case.r),
        tensor_of((case.r,)) if case.gate else None,
    )
    seed = torch.tensor(case.seed * 7919 - 10**6, dtype=torch.int32) if case.p else None
    return operands, seed, tensor(case.m, case.n)


def differentiated(forward, operands, grad):
    """Return the outputs of a forward function, and the gradients of x, a, b and the gate."""
    operands = [None if t is None else t.double().requires_grad_() for t in operands]
    y, z = forward(*operands)
    wanted = [operands[at] for at in (0, 3, 4, 5) if operands[at] is not None]
    return [t.detach() for t in (y, z, *torch.autograd.grad(y, wanted, grad.double()))]


def bounds(operands, seed, p, grad):
    """Return the same values with absolute terms, the scale of the allowed errors."""

    def forward(x, weight, bias, a, b, gate_bias):
        dropped = x if seed is None else mask.masked(x, seed, p) * mask.growth(p)
        z = F.linear(dropped, a)
        # A sigmoid is at most 1 and its slope at most 1/4.
        h = (
            z
            if gate_bias is None
            else z[:, : b.shape[1]] * (1 + (z[:, b.shape[1] :] + gate_bias) / 4)
        )
        return F.linear(x, weight, bias) + 0.7 * F.linear(h, b), z

    return differentiated(forward, [None if t is None else t.abs() for t in operands], grad.abs())


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_equal_the_reference(case):
    check(case, PLANS[case.plan])


def check(case, cut):
    """Compare values and gradients with those of the reference in float64."""
    operands, seed, grad = draw(case)
    if case.seed % 3 == 0:  # float32 factors, as peft keeps them
        operands = (*operands[:3], *(None if t is None else t.float() for t in operands[3:]))
    x, weight, _, a, b, gate_bias = operands
    rest = seed, 0.7, case.p
    expected = differentiated(lambda *t: reference.lora_linear(*t, *rest), operands, grad)
    y, z = triton_lora.lora_linear(*operands, *rest, cut)
    learns, needs_x = case.learns != "x", case.learns != "factors"
    kept = z if learns or case.gate else None
    gradients = triton_lora.lora_linear_backward(
        grad, x if learns else None, weight, a, b, kept, gate_bias, *rest, needs_x, cut
    )
    given = [needs_x, learns, learns, learns and case.gate]
    assert [gradient is not None for gradient in gradients] == given
    results = (y, z, *gradients[: 4 if case.gate else 3])
    dtypes = (*(case.dtype,) * 3, *(torch.float32,) * 3)
    unit = NEAR[case.dtype] * torch.finfo(case.dtype).eps
    for one, dtype, right, size in zip(
        results, dtypes, expected, bounds(operands, seed, case.p, grad), strict=False
    ):
        if one is not None:
            assert (one.dtype, one.shape) == (dtype, right.shape)
            assert ((one.double() - right).abs() <= unit * size).all()


def largest_that_keeps(seed):
    """Return the largest probability at which dropout keeps the first entry of an array."""
    first = bisect_left(
        range(1, mask.RANGE), True, key=lambda t: not mask.keep(seed, (1,), t / mask.RANGE)
    )
    return first / mask.RANGE


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("p", [0.1, 0.5, None], ids=str)
@pytest.mark.parametrize(("m", "k", "plan"), [(19, 33, "32"), (20, 34, "16"), (1, 1, "table")])
def test_each_kernel_drops_the_entries_of_the_mask(dtype, p, m, k, plan):
    """With identity matrices, each kernel returns the dropout of a matrix without zeros."""
    seed = torch.tensor(-5 * m - k, dtype=torch.int32)
    p = p or largest_that_keeps(seed)
    kept, cut = mask.keep(seed, (m, k), p), PLANS[plan]
    x, unit = torch.ones(m, k, dtype=dtype), torch.eye(m, dtype=dtype)
    weight, factor = torch.zeros(m, k, dtype=dtype), torch.eye(k, dtype=dtype)
    b = torch.zeros(m, k, dtype=dtype)
    _, z = triton_lora.lora_linear(x, weight, None, factor, b, None, seed, 1.0, p, cut)
    assert torch.equal(z != 0, kept)
    ones = torch.ones(m, k, dtype=dtype)
    # dz = dY B is the identity matrix, so dX = dropout(A) and dA = dropout(x)
    dx, da, *_ = triton_lora.lora_linear_backward(
        unit, x, weight, ones, unit, torch.ones(m, m, dtype=dtype), None, seed, 1.0, p, True, cut
    )
    assert torch.equal(dx != 0, kept)
    assert torch.equal(da != 0, kept)


def test_two_runs_give_the_same_bits_float32():
    case = Case(torch.float32, 70, 20, 40, 9, True, True, 0.1, "all", "dense", "32", 3)
    operands, seed, grad = draw(case)
    x, weight, _, a, b, gate_bias = operands

    def run():
        y, z = triton_lora.lora_linear(*operands, seed, 0.7, 0.1, PLANS["32"])
        rest = (x, weight, a, b, z, gate_bias, seed, 0.7, 0.1, True, PLANS["32"])
        return (y, *triton_lora.lora_linear_backward(grad, *rest))

    assert all(torch.equal(one, two) for one, two in zip(run(), run(), strict=True))


def test_rows_may_be_more_than_2_to_the_31_elements_apart_float16():
    """Only the pages of three rows out of 6 GiB are used."""
    far = torch.empty(2 * 2**30 + 16, dtype=torch.float16).as_strided((3, 16), (2**30, 1))
    near = torch.randn(3, 16, generator=torch.Generator().manual_seed(0)).half()
    far.copy_(near)
    weight, a, b = (near.new_ones(shape) for shape in ((8, 16), (4, 16), (8, 4)))
    rest = (weight, None, a, b, None, None, 1.0, 0.0)
    expected, z = triton_lora.lora_linear(near, *rest)
    assert torch.equal(triton_lora.lora_linear(far, *rest)[0], expected)
    grad = torch.ones(3, 8, dtype=torch.float16)
    rest = (weight, a, b, z, None, None, 1.0, 0.0, False)
    by_near = triton_lora.lora_linear_backward(grad, near, *rest)[1]
    assert torch.equal(triton_lora.lora_linear_backward(grad, far, *rest)[1], by_near)


def test_the_small_layer_of_the_first_call_agrees_and_a_wrong_one_does_not(monkeypatch):
    dispatch.attempt(torch.device("cpu"))
    forward = triton_lora.lora_linear
    monkeypatch.setattr(
        triton_lora, "lora_linear", lambda *rest: tuple(2 * low for low in forward(*rest))
    )
    with pytest.raises(RuntimeError, match="the result of a small layer is wrong"):
        dispatch.attempt(torch.device("cpu"))
