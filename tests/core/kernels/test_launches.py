"""The kernels that a layer launches, counted without a device.

Triton's launches are recorded instead of run, and operations of torch are seen by a dispatch mode.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from scionwood.kernels import operators, predict
from scionwood.kernels.cards import H100

VIEWS = {"t", "view", "transpose", "slice", "select", "detach", "expand", "unsqueeze", "alias"}
EMPTY = {"empty", "new_empty", "empty_strided", "_unsafe_view", "split", "_local_scalar_dense"}


class Seen(TorchDispatchMode):
    """The operations of torch that launch a kernel."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name not in VIEWS | EMPTY:
            self.names.append(name)
        return function(*args, **(kwargs or {}))


@pytest.fixture
def launches(monkeypatch):
    """Triton's launches: the name of the kernel and the options."""
    pytest.importorskip("triton")
    from triton.runtime.jit import JITFunction

    recorded = []

    def run(self, *_, grid, warmup, **options):
        recorded.append((self.fn.__name__, math.prod(grid), options))

    monkeypatch.setattr(JITFunction, "run", run)
    return recorded


def operands(m=64, k=48, n=80, r=8, gated=False, dtype=torch.bfloat16):
    """A layer with float32 factors, as peft keeps them."""
    both = 2 * r if gated else r
    x, weight, bias = (torch.ones(shape, dtype=dtype) for shape in ((m, k), (n, k), (n,)))
    return x, weight, bias, torch.ones(both, k), torch.ones(n, r), torch.ones(r) if gated else None


def run(module, given, needs_x=True):
    x, weight, _, a, b, gate_bias = given
    with Seen() as seen:
        y, z = module.lora_linear(*given, None, 1.0, 0.0)
        rest = (x, weight, a, b, z, gate_bias, None, 1.0, 0.0, needs_x)
        module.lora_linear_backward(y, *rest)
    return seen.names


class TestOnADevice:
    def test_five_launches_forward_and_backward_with_float32_factors(self, launches):
        from scionwood.kernels import triton_lora

        assert run(triton_lora, operands()) == []
        names = [name for name, *_ in launches]
        assert names == ["down", "product", "through_b", "over_rows", "product"]

    def test_without_a_gradient_of_x_the_sums_have_a_kernel_of_their_own(self, launches):
        from scionwood.kernels import triton_lora

        assert run(triton_lora, operands(), needs_x=False) == []
        names = [name for name, *_ in launches]
        assert names == ["down", "product", "through_b", "over_rows", "finish"]

    @pytest.mark.parametrize(("rank", "gated", "count"), [(64, False, 6), (8, True, 6)])
    def test_a_high_rank_and_a_gate_take_one_more(self, launches, rank, gated, count):
        from scionwood.kernels import triton_lora

        others = run(triton_lora, operands(r=rank, gated=gated))
        assert len(launches) == count
        assert others == (["sum"] if gated else [])

    def test_every_launch_states_whether_sums_and_products_are_fused(self, launches):
        from scionwood.kernels import triton_lora

        run(triton_lora, operands(gated=True))
        run(triton_lora, operands(), needs_x=False)
        assert all(options["enable_fp_fusion"] is True for *_, options in launches)

    @pytest.mark.parametrize("m", [1576, 12608])
    def test_the_prediction_counts_the_same_launches(self, launches, m):
        from scionwood.kernels import triton_lora

        for n, k in ((384, 384), (2304, 768)):
            launches.clear()
            given = [None if t is None else t.to("meta") for t in operands(m, k, n)]
            x, weight, _, a, b, _ = given
            shape = predict.Shape(m, n, k, 8)
            cut = predict.planned(H100, shape)
            y, z = triton_lora.lora_linear(*given, None, 1.0, 0.0, cut)
            forward = len(launches)
            rest = (weight, a, b, z, None, None, 1.0, 0.0, True, cut)
            triton_lora.lora_linear_backward(y, x, *rest)
            predicted = [predict.costs(H100, shape, way)["triton"] for way in predict.DIRECTIONS]
            assert [forward, len(launches) - forward] == [cost.launches for cost in predicted]


def test_operations_of_the_library_path():
    """Two casts of the factors, and no operation of the size of x or y beside the products."""
    x, weight, bias, a, b, _ = operands()
    with Seen() as seen:
        y, z = operators.forward(x, weight, bias, a, b, None, None, 1.0, 0.0)
    assert seen.names == ["_to_copy", "_to_copy", "addmm", "mm", "addmm_"]
    with Seen() as seen:
        operators.backward(y, x, weight, a, b, z, None, None, 1.0, 0.0, True)
    products = ["mm", "mul_", "mm", "addmm_", "mm", "mm"]
    assert [name for name in seen.names if name not in ("_to_copy", "clone")] == [*products, "mul_"]
    assert seen.names.count("_to_copy") == 4  # the factors, and their gradients to float32
