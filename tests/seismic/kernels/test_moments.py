"""The fused moments: accurate against float64, low in memory, and a torch operator."""

from __future__ import annotations

import pytest
import scipy.stats
import torch
from case_table import table
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scionwood_seismic.kernels import cpu, kurtosis, moments, reference

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
OPS = torch.ops.scionwood_seismic


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Skewed samples with a mean of 1 and a deviation near 2."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (1 + x + 0.7 * x.square()).to(dtype)


def definition(x: Tensor) -> Tensor:
    """Return mean, deviation, skewness and excess kurtosis of rows by the textbook formulas."""
    mean = x.mean(1, keepdim=True)
    std = (x - mean).square().mean(1, keepdim=True).sqrt()
    z = (x - mean) / std
    return torch.stack([mean[:, 0], std[:, 0], z.pow(3).mean(1), z.pow(4).mean(1) - 3])


def assert_is_the_reference(x: Tensor, slack: float = 1) -> None:
    """Check values and gradient on the CPU against the reference, up to rounding."""
    grad = draw(4, x.shape[0], seed=1).to(reference.wide(x))
    expected, offset = reference.moments(x)
    gradient = reference.moments_backward(grad, x, expected, offset)
    values, offset = OPS.moments(x)
    computed = OPS.moments_backward(grad, x, values, offset)
    assert (values.dtype, computed.dtype) == (reference.wide(x), x.dtype)
    near = slack * (1e-11 if x.dtype == torch.float64 else 1e-5)
    error, scale = (values - expected).abs(), expected.abs()
    assert (error[0] <= near * (scale[0] + scale[1])).all(), "a mean may err by the deviation's ulp"
    torch.testing.assert_close(values[1:], expected[1:], rtol=near, atol=near)
    close = max(near, torch.finfo(x.dtype).eps)
    atol = close * float(gradient.abs().max()) if x.numel() else 0
    torch.testing.assert_close(computed, gradient, rtol=close, atol=atol)


class TestValues:
    def test_the_reference_agrees_with_the_definition_and_autograd(self):
        x = draw(3, 40).requires_grad_()
        values, offset = reference.moments(x.detach())
        torch.testing.assert_close(values, definition(x))
        grad = draw(4, 3, seed=1)
        (expected,) = torch.autograd.grad(definition(x), x, grad)
        computed = reference.moments_backward(grad, x.detach(), values, offset)
        torch.testing.assert_close(computed, expected)

    def test_moments_equal_those_of_scipy(self):
        x = draw(2, 5, 40)
        computed, flat = moments(x), x.flatten(1).numpy()
        assert computed.skewness.tolist() == pytest.approx(scipy.stats.skew(flat, 1).tolist())
        assert computed.kurtosis.tolist() == pytest.approx(scipy.stats.kurtosis(flat, 1).tolist())
        torch.testing.assert_close(computed.log_std.exp(), x.flatten(1).std(1, correction=0))
        torch.testing.assert_close(computed.mean, x.mean((1, 2)))

    @settings(max_examples=60, deadline=None)
    @given(
        rows=st.integers(0, 9),
        n=st.integers(1, 300),
        seed=st.integers(0, 99),
        dtype=st.sampled_from(FLOATS),
    )
    def test_accepts_any_number_and_length_of_rows(self, rows, n, seed, dtype):
        assert_is_the_reference(draw(rows, n, seed=seed, dtype=dtype), slack=8)

    @table("n", [1, 6, 7, 8, 14, 29, 400])
    @table("dtype", FLOATS)
    def test_rows_in_blocks_are_merged(self, n, dtype, monkeypatch):
        monkeypatch.setattr(cpu, "BLOCK", 7)
        assert_is_the_reference(draw(3, n, dtype=dtype))

    def test_a_large_mean_costs_no_accuracy(self):
        """Sums of raw powers in float32 would be far from the kurtosis."""
        generator = torch.Generator().manual_seed(0)
        x = (torch.randn(1 << 16, dtype=torch.float64, generator=generator) + 1e3).float()
        expected = scipy.stats.kurtosis(x.double().numpy())
        assert kurtosis(x, (0,)).item() == pytest.approx(expected, abs=1e-5)
        m1, m2, m3, m4 = (x.pow(p).mean() for p in (1, 2, 3, 4))
        raw = (m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4) / (m2 - m1**2) ** 2 - 3
        assert abs(raw.item() - expected) > 1
        assert_is_the_reference(x[None])

    @pytest.mark.parametrize("scale", [1e-15, 1e15])
    def test_any_unit_of_amplitude_gives_the_same_kurtosis(self, scale):
        x = draw(1, 500, dtype=torch.float32)
        torch.testing.assert_close(kurtosis(x * scale), kurtosis(x), rtol=1e-5, atol=0)

    def test_a_spike_at_the_head_of_a_row_is_a_sample_like_others(self):
        x = draw(2, 4000, dtype=torch.float32)
        x[0, 0], x[1, 0] = 1e3, 1e7
        assert_is_the_reference(x, slack=10)  # at the spike, terms of 1e5 nearly cancel


class TestConstantRows:
    @table("dtype", FLOATS)
    @table("n", [1, 3, 1000])
    def test_have_kurtosis_0_without_gradient(self, dtype, n):
        x = torch.full((2, n), 0.1, dtype=dtype).requires_grad_()
        computed = moments(x, (1,))
        assert (computed.std == 0).all()
        assert (computed.skewness == 0).all()
        assert (computed.kurtosis == 0).all()
        assert (computed.log_std == -torch.inf).all()
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

    def test_do_not_touch_their_neighbours(self):
        x = draw(3, 50)
        x[1] = -7
        assert_is_the_reference(x)
        assert kurtosis(x, (1,))[1] == 0


def test_nan_propagates_only_within_its_row():
    x = draw(3, 50)
    x[1, 4] = torch.nan
    y = x.clone().requires_grad_()
    computed = moments(y, (1,))
    assert torch.stack(computed).isnan().tolist() == [[False, True, False]] * 4
    (gradient,) = torch.autograd.grad(computed.kurtosis.sum(), y)
    assert gradient.isnan().all(1).tolist() == [False, True, False]
    assert not gradient[::2].isnan().any()


class TestGradient:
    @table("name", ["mean", "std", "skewness", "kurtosis", "log_std"])
    def test_passes_gradcheck(self, name):
        x = draw(2, 3, 5).requires_grad_()
        assert torch.autograd.gradcheck(lambda y: getattr(moments(y), name), x)

    def test_passes_gradcheck_where_rows_are_in_blocks(self, monkeypatch):
        monkeypatch.setattr(cpu, "BLOCK", 4)
        assert torch.autograd.gradcheck(lambda y: tuple(moments(y)), draw(2, 3, 5).requires_grad_())

    def test_of_the_gradient_is_refused(self):
        x = draw(1, 9).requires_grad_()
        loss = kurtosis(x).square()
        (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            gradient.sum().backward()

    @table("dtype", FLOATS)
    def test_keeps_x_and_five_numbers_a_row(self, dtype):
        x = draw(4, 1, 32, 64, dtype=dtype).requires_grad_()
        kept: dict[int, int] = {}

        def pack(t: Tensor) -> Tensor:
            kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            computed = moments(x)
        assert kept.pop(x.untyped_storage().data_ptr()) == x.untyped_storage().nbytes()
        assert sum(kept.values()) == 5 * 4 * computed.kurtosis.element_size()


class TestAxes:
    @table("dims", [(0,), (1, 3), (-1, 0), (0, 1, 2, 3)])
    def test_any_axes_in_any_order(self, dims):
        x = draw(3, 4, 5, 6)
        others = [d for d in range(4) if d not in {axis % 4 for axis in dims}]
        rows = x.permute(*others, *dims).flatten(len(others))
        computed = kurtosis(x, dims)
        assert computed.shape == rows.shape[:-1]
        expected = definition(rows.reshape(-1, rows.shape[-1]))[3]
        torch.testing.assert_close(computed.flatten(), expected)

    def test_a_strided_view_has_the_values_and_the_gradient_of_its_copy(self):
        base = draw(4, 12, 10).requires_grad_()
        view = base[:, ::2, 1:7].transpose(1, 2)
        copy = view.detach().clone().requires_grad_()
        (computed,) = torch.autograd.grad(kurtosis(view).sum(), view)
        (expected,) = torch.autograd.grad(kurtosis(copy).sum(), copy)
        torch.testing.assert_close(computed, expected)

    def test_integers_and_rows_without_samples_are_refused(self):
        with pytest.raises(ValueError, match="int64"):
            moments(torch.arange(4)[None])
        with pytest.raises(ValueError, match="no samples"):
            moments(torch.zeros(3, 0, 4))


class TestOperator:
    def test_opcheck_passes(self):
        x = draw(3, 20, dtype=torch.float32)
        values, offset = OPS.moments(x)
        torch.library.opcheck(OPS.moments, (x,))
        torch.library.opcheck(OPS.moments_backward, (torch.ones(4, 3), x, values, offset))

    # torch's compiler itself instantiates an autograd.Function, which torch deprecates
    @pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
    @pytest.mark.slow
    def test_compiles_as_one_graph(self):
        def loss(x: Tensor) -> Tensor:
            computed = moments(x)
            return (computed.kurtosis.square() + computed.log_std).sum()

        x = draw(2, 6, 7).requires_grad_()
        (expected,) = torch.autograd.grad(loss(x), x)
        compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
        (computed,) = torch.autograd.grad(compiled(x), x)
        torch.testing.assert_close(computed, expected)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_is_as_exact_under_autocast(self, dtype):
        x = draw(2, 6, 70, dtype=dtype)
        with torch.autocast("cpu", torch.bfloat16):
            inside = kurtosis(x)
        assert inside.dtype == torch.float32
        assert torch.equal(inside, kurtosis(x))
