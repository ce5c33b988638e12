"""The Triton kernels on a CPU, by Triton's interpreter; `test_triton_edge.py` runs this file.

TRITON_INTERPRET=1 must be set before anything imports triton, hence a process of its own. Here the
kernels take the place of the CPU's implementation, so the tests go through the operator.
"""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor

from scionwood_crash.kernels import Weights, edge_block, reference, triton_edge

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # that an implementation is replaced: on purpose
    LIBRARY = torch.library.Library("scionwood_crash", "IMPL")
    for name in ("edge_block", "edge_block_backward"):
        LIBRARY.impl(name, getattr(triton_edge, name), "CPU", allow_override=True)


def block(nodes: int, edges: int, width: int) -> tuple:
    generator = torch.Generator().manual_seed(nodes + edges + width)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).requires_grad_()

    dst = torch.randint(nodes, (edges,), generator=generator).sort()[0]
    src = torch.randint(nodes + 3, (edges,), generator=generator)
    shapes = [(width, width)] * 3 + [(width,), (width, width)] + [(width,)] * 3
    weights = Weights(*((draw(*shape) / width**0.5).detach().requires_grad_() for shape in shapes))
    share = torch.rand(edges, generator=generator)
    return draw(nodes + 3, width), draw(nodes, width), draw(edges, width), src, dst, share, weights


@pytest.mark.parametrize("width", [8, 16, 24, 32])
@pytest.mark.parametrize(("nodes", "edges"), [(1, 1), (5, 40), (16, 32), (33, 150), (40, 7)])
def test_forward_and_backward_equal_the_reference(nodes, edges, width):
    given = block(nodes, edges, width)
    inputs = [*given[:3], *given[6]]
    output, expected = edge_block(*given), reference.edge_block(*given)
    grads = [torch.ones_like(output[0]) * 0.5, torch.ones_like(output[1])]
    output += torch.autograd.grad(output, inputs, grads)
    expected += torch.autograd.grad(expected, inputs, grads)
    for ours, theirs in zip(output, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5)


def test_two_runs_agree_bit_for_bit():
    given = block(33, 150, 16)
    first, second = edge_block(*given), edge_block(*given)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_too_wide_blocks_use_the_plain_implementation(monkeypatch):
    monkeypatch.setattr(triton_edge, "WIDEST", 8)
    given = block(5, 40, 16)
    torch.testing.assert_close(edge_block(*given), reference.edge_block(*given))


def test_without_edges_the_sums_are_zero():
    out, total = edge_block(*block(4, 0, 16))
    assert out.shape == (0, 16)
    assert not total.any()
