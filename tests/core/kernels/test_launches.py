"""The kernels that a layer launches, counted without a device.

Triton's launches are recorded instead of run, and operations of torch are seen by a dispatch mode.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from scionwood.kernels import operators, reference, triton_plan
from scionwood.kernels.cards import Card, planned
from scionwood.kernels.triton_plan import Shape

H100 = Card("H100", (9, 0), 132, 227 * 1024)
VIEWS = {"t", "view", "transpose", "slice", "select", "detach", "expand", "unsqueeze", "alias"}
VIEWS |= {"split_with_sizes"}
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


def test_operations_of_the_library_path():
    """Two casts of the factors, and no operation of the size of x or y beside the products."""
    x, weight, bias, a, b, _ = operands()
    with Seen() as seen:
        y, z = operators.forward(x, weight, bias, a, b, None, None, 1.0, 0.0)
    assert seen.names == ["_to_copy", "_to_copy", "mm", "addmm", "addmm_"]
    with Seen() as seen:
        operators.backward(y, x, weight, a, b, z, None, None, 1.0, 0.0, True)
    products = ["mm", "mul_", "mm", "addmm_", "mm", "mm"]
    assert [name for name in seen.names if name not in ("_to_copy", "clone")] == [*products, "mul_"]
    assert seen.names.count("_to_copy") == 4  # the factors, and their gradients to float32


class TestLayersThatReadOneTensor:
    """Attention with fewer keys than queries, and float32 factors."""

    def members(self):
        return [reference.Member(*operands(n=n, r=4)[1:5], 0.5) for n in (80, 32, 32)]

    def test_the_library_needs_one_product_with_a_and_no_sum_of_gradients(self):
        x, members = operands()[0], self.members()
        with Seen() as seen:
            ys, z = operators.grouped_forward(x, members)
        copies = ["cat", "_to_copy"]  # all A in one
        assert seen.names == [*copies, "mm", *["_to_copy"] * 3, *["addmm", "addmm_"] * 3]
        with Seen() as seen:
            operators.grouped_backward(ys, x, members, z, True)
        products = [name for name in seen.names if "mm" in name]
        assert len(products) == 3 + 3 + 1 + 1 + 3  # dh, dY W, dz A, dA and dB
        assert "add" not in seen.names
        with Seen() as alone:
            for weight, bias, a, b, _ in members:
                y, z = operators.forward(x, weight, bias, a, b, None, None, 1.0, 0.0)
                operators.backward(y, x, weight, a, b, z, None, None, 1.0, 0.0, True)
        with Seen() as together:
            ys, z = operators.grouped_forward(x, members)
            operators.grouped_backward(ys, x, members, z, True)
        sums = 2  # autograd adds three gradients of x
        assert (len(together.names), len(alone.names) + sums) == (39, 50)

    def test_triton_launches_less_than_five_for_each_layer(self, launches):
        from scionwood.kernels import triton_grouped

        x, members = operands()[0], self.members()
        with Seen() as seen:
            ys, z = triton_grouped.lora_linears(x, members)
            triton_grouped.lora_linears_backward(ys, x, members, z, True)
        assert seen.names == ["cat"]
        names = [name for name, *_ in launches]
        assert names[:4] == ["down", "product", "product", "product"]
        assert names[4:] == ["through_b", "over_rows", "product"] * 3
        assert len(names) + len(seen.names) == 14 < 3 * 5


class TestAPersistentProduct:
    def test_it_needs_no_launch_more_and_one_program_for_each_multiprocessor(self, launches):
        from scionwood.kernels import triton_lora

        given = [None if t is None else t.to("meta") for t in operands(12608, 3072, 768)]
        cut = planned(H100, Shape(12608, 768, 3072, 8))
        triton_lora.lora_linear(*given, None, 1.0, 0.0, cut)
        assert [(name, grid) for name, grid, _ in launches][1:] == [("stream", H100.processors)]
        assert [name for name, *_ in launches] == ["down", "stream"]

    def test_rows_that_the_copy_engine_cannot_read_take_the_plain_product(self, launches):
        from scionwood.kernels import triton_lora

        given = [None if t is None else t.to("meta") for t in operands(12608, 3071, 768)]
        cut = planned(H100, Shape(12608, 768, 3072, 8))
        triton_lora.lora_linear(*given, None, 1.0, 0.0, cut)
        assert [name for name, *_ in launches] == ["down", "product"]


@pytest.mark.parametrize("rank", [8, 16, 32])
def test_sums_of_dh_take_at_most_32_mib_at_65536_tokens(launches, rank):
    """A layer 4096 to 4096: at rank 32 they would be 134 MB in tiles of 256 columns."""
    from scionwood.kernels import triton_launch

    m, n = 65536, 4096
    cut = planned(H100, Shape(m, n, n, rank))
    sizes = []

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            made = function(*args, **(kwargs or {}))
            if isinstance(made, torch.Tensor) and made.dim() == 3 and made.shape[2] == rank:
                sizes.append((tuple(made.shape), made.nbytes))
            return made

    grad, b, z = (torch.empty(shape, dtype=torch.bfloat16, device="meta")
                  for shape in ((m, n), (n, rank), (m, rank)))  # fmt: skip
    with Sizes():
        triton_launch.by_rank(grad, b, z, None, 1.0, cut, n)
    sums = [size for shape, size in sizes if shape[0] == 8 and shape[1] != n]
    assert max(sums) <= 32 << 20
    assert sum(sums) == 4 * 8 * m * rank <= 67.2e6
    _, count = triton_plan.pieces(m, n, rank, cut)
    names = [name for name, *_ in launches]
    assert names == ["through_b", "through_gate"] * count
