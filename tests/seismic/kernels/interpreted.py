"""The Triton kernels on a CPU, in Triton's interpreter; `test_triton.py` runs this file.

TRITON_INTERPRET=1 must be set before anything imports triton, hence a process of its own. Here the
kernels take the place of the CPU's implementation, so the tests go through the operator.
"""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scionwood_seismic.kernels import kurtosis, moments, reference, triton_kurtosis

OPS = torch.ops.scionwood_seismic
FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # the implementation is replaced on purpose
    LIBRARY = torch.library.Library("scionwood_seismic", "IMPL")
    for name in ("moments", "moments_backward"):
        LIBRARY.impl(name, getattr(triton_kurtosis, name), "CPU", allow_override=True)


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (1 + x + 0.7 * x.square()).to(dtype)


def assert_is_the_reference(x: Tensor) -> None:
    grad = draw(4, x.shape[0], seed=1).to(reference.wide(x))
    expected, offset = reference.moments(x)
    gradient = reference.moments_backward(grad, x, expected, offset)
    values, offset = OPS.moments(x)
    computed = OPS.moments_backward(grad, x, values, offset)
    assert (values.dtype, computed.dtype) == (reference.wide(x), x.dtype)
    near = 1e-11 if x.dtype == torch.float64 else 1e-5
    torch.testing.assert_close(values, expected, rtol=near, atol=near)
    # Twice the rounding unit: the interpreter truncates a bfloat16, and a device rounds it.
    close = max(near, 2 * torch.finfo(x.dtype).eps)
    atol = close * float(gradient.abs().max()) if x.numel() else 0
    torch.testing.assert_close(computed, gradient, rtol=close, atol=atol)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use blocks of 16 samples and six programs, so that short rows have many parts."""
    monkeypatch.setattr(triton_kurtosis, "LARGEST", 16)
    monkeypatch.setattr(triton_kurtosis, "PROGRAMS", 6)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    rows=st.integers(0, 2),
    n=st.integers(1, 300),
    seed=st.integers(0, 99),
    dtype=st.sampled_from(FLOATS),
)
def test_accepts_any_number_and_length_of_rows(rows, n, seed, dtype):
    assert_is_the_reference(draw(rows, n, seed=seed, dtype=dtype))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("shape", [(1, 16), (1, 17), (1, 96), (1, 193), (2, 97), (7, 33)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_blocks_and_parts_are_merged(shape, dtype):
    cut, n = triton_kurtosis.plan(*shape), shape[1]
    assert (cut.parts - 1) * cut.steps * cut.block < n <= cut.parts * cut.steps * cut.block
    assert_is_the_reference(draw(*shape, dtype=dtype))


def test_the_plan_fills_a_device_and_bounds_the_merge():
    assert triton_kurtosis.plan(1, 10**7) == (4096, 3, 814, 8)
    assert triton_kurtosis.plan(8, 224 * 224) == (4096, 1, 13, 8)
    assert triton_kurtosis.plan(10**6, 768) == (1024, 1, 1, 4)
    assert triton_kurtosis.plan(5000, 9000) == (4096, 3, 1, 8)


def test_a_large_mean_costs_no_accuracy():
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(1, 1 << 14, dtype=torch.float64, generator=generator) + 1e3).float()
    assert_is_the_reference(x)


@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_any_unit_of_amplitude_gives_the_same_kurtosis(scale):
    x = draw(1, 500, dtype=torch.float32)
    torch.testing.assert_close(kurtosis(x * scale), kurtosis(x), rtol=1e-5, atol=0)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [1, 50])
def test_a_constant_row_has_kurtosis_0_without_gradient(dtype, n):
    x = torch.full((2, n), 0.1, dtype=dtype).requires_grad_()
    computed = moments(x, (1,))
    for value in (computed.std, computed.skewness, computed.kurtosis):
        assert (value == 0).all()
    loss = (
        computed.kurtosis.sum()
        + computed.skewness.sum()
        + computed.log_std.sum()
        + computed.std.sum()
    )
    (gradient,) = torch.autograd.grad(loss, x)
    assert (gradient == 0).all()
    (gradient,) = torch.autograd.grad(moments(x, (1,)).mean.sum(), x)
    torch.testing.assert_close(gradient, torch.full_like(x, 1 / n))


def test_nan_propagates_only_within_its_row():
    x = draw(3, 50)
    x[1, 4] = torch.nan
    y = x.requires_grad_()
    computed = moments(y, (1,))
    assert torch.stack(computed).isnan().tolist() == [[False, True, False]] * 4
    (gradient,) = torch.autograd.grad(computed.kurtosis.sum(), y)
    assert gradient.isnan().all(1).tolist() == [False, True, False]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ["mean", "std", "skewness", "kurtosis", "log_std"])
def test_passes_gradcheck(name):
    x = draw(1, 5, 7).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: getattr(moments(y), name), x, fast_mode=True)


def test_a_strided_view_has_the_values_and_the_gradient_of_its_copy():
    view = draw(4, 12, 10)[:, ::2, 1:7].transpose(1, 2).requires_grad_()
    copy = view.detach().clone().requires_grad_()
    (computed,) = torch.autograd.grad(kurtosis(view).sum(), view)
    (expected,) = torch.autograd.grad(kurtosis(copy).sum(), copy)
    torch.testing.assert_close(computed, expected)
