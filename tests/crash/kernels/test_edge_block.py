"""The edge block and the edge-specific layer against their definitions."""

from __future__ import annotations

import pytest
import torch
from case_table import table
from torch import Tensor

from scionwood_crash.kernels import Weights, edge_block, edge_specific, plain, reference
from scionwood_crash.kernels.edge_specific import SPARSE_FROM, choose

OPS = torch.ops.scionwood_crash


def block(nodes: int = 20, edges: int = 90, width: int = 8) -> tuple:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    dst = torch.randint(nodes, (edges,), generator=generator).sort()[0]
    src = torch.randint(nodes + 3, (edges,), generator=generator)
    shapes = [(width, width)] * 3 + [(width,), (width, width)] + [(width,)] * 3
    weights = Weights(*(draw(*shape) for shape in shapes))
    share = torch.rand(edges, generator=generator, dtype=torch.float64)
    return draw(nodes + 3, width), draw(nodes, width), draw(edges, width), src, dst, share, weights


@pytest.mark.parametrize("rows", [7, 1000], ids=["many blocks", "one block"])
def test_values_and_gradients_equal_the_reference(rows, monkeypatch):
    monkeypatch.setattr(plain, "BLOCK", 8 * rows)
    given = block()
    inputs = [*given[:3], *given[6]]
    output, expected = edge_block(*given), reference.edge_block(*given)
    grads = [torch.randn_like(each) for each in output]
    output += torch.autograd.grad(output, inputs, grads)
    expected += torch.autograd.grad(expected, inputs, grads)
    for ours, theirs in zip(output, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-11)


def test_frozen_weights_do_not_change_the_gradients_of_inputs():
    given = block()
    frozen = (*given[:6], Weights(*(weight.detach() for weight in given[6])))
    wanted = torch.autograd.grad(edge_block(*given)[1].sum(), given[0])
    gradient = torch.autograd.grad(edge_block(*frozen)[1].sum(), given[0])
    torch.testing.assert_close(gradient, wanted)


def test_the_operators_pass_the_checks_of_torch():
    given = [each.detach() for each in (*block()[:6], *block()[6])]
    torch.library.opcheck(OPS.edge_block.default, tuple(given))
    out, total, *kept = OPS.edge_block(*given)
    torch.library.opcheck(OPS.edge_block_backward.default, (out, total, *given, *kept, True))
    torch.library.opcheck(OPS.edge_block_backward.default, (out, total, *given, *kept, False))


def test_refuses_arrays_of_different_length():
    source, target, edge, src, dst, share, weights = block()
    with pytest.raises(ValueError, match="give one width, one length"):
        edge_block(source, target, edge, src[:-1], dst, share, weights)


@table("batch", [1, 3, 40])
def test_dense_and_block_sparse_products_agree(batch):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 12, 4, generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.randn(21, 4, 4, generator=generator, dtype=torch.float64).requires_grad_()
    sources = torch.stack([torch.randperm(12, generator=generator)[:3] for _ in range(7)])
    loop = [
        sum(x[:, s] @ weight[3 * t + k] for k, s in enumerate(row.tolist()))
        for t, row in enumerate(sources)
    ]
    expected = torch.stack(loop, 1)
    for form in ("dense", "sparse"):
        output = edge_specific(x, weight, sources, form)
        torch.testing.assert_close(output, expected)
        scale = torch.arange(4.0, dtype=torch.float64)
        ours = torch.autograd.grad((output * scale).sum(), (x, weight))
        theirs = torch.autograd.grad((expected * scale).sum(), (x, weight), retain_graph=True)
        torch.testing.assert_close(ours, theirs)


def test_the_form_depends_on_the_batch():
    square, oblong = torch.zeros(6, 4, 4), torch.zeros(6, 4, 8)
    assert choose(torch.zeros(SPARSE_FROM - 1, 5, 4), square) == "dense"
    assert choose(torch.zeros(SPARSE_FROM, 5, 4), square) == "sparse"
    assert choose(torch.zeros(SPARSE_FROM, 5, 4), oblong) == "dense", "MKL takes square blocks only"
