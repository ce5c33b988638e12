"""A layer with one matrix per edge, as a batched or as a block-sparse product.

The weights are read once for a batch. Small batches are fastest as one product per target. Large
ones are fastest as a product with a block-sparse matrix.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal, final

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

SPARSE_FROM = 32
"""Smallest batch for the block-sparse product on a CPU; measured, see docs/results/crash.md."""

Form = Literal["dense", "sparse"]


def edge_specific(x: Tensor, weight: Tensor, sources: Tensor, form: Form | None = None) -> Tensor:
    """Compute `y_t = sum_k x_s(t,k) W_(t,k)`: every edge has its own matrix.

    Source: the layers of MAgNET, Deshpande et al. 2024, arXiv:2211.00713, without its bias.

    Args:
        x: (batch, source, in).
        weight: (target * degree, in, out), one matrix per edge, ordered by target.
        sources: (target, degree) int64, source of each edge.
        form: kind of product; `None` chooses by the size of the batch.

    Returns:
        (batch, target, out).
    """
    form = form or choose(x, weight)
    if form == "sparse":
        result: Tensor = _Sparse.apply(x, weight, sources)  # type: ignore[no-untyped-call, unused-ignore]
        return result
    targets, degree = sources.shape
    batch, _, width = x.shape
    gathered = x.transpose(0, 1)[sources]  # (target, degree, batch, in)
    rows = gathered.transpose(1, 2).reshape(targets, batch, degree * width)
    return torch.bmm(rows, weight.reshape(targets, degree * width, -1)).transpose(0, 1)


def choose(x: Tensor, weight: Tensor) -> Form:
    """Return the faster form for inputs (batch, source, in) and weights (edge, in, out)."""
    square = weight.shape[1] == weight.shape[2]  # MKL accepts only square blocks
    sparse = square and x.device.type == "cpu" and len(x) >= SPARSE_FROM
    return "sparse" if sparse else "dense"


@final
class _Sparse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, sources: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, sources)
        return _product(x, weight.transpose(1, 2), sources, x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight, sources = ctx.saved_tensors
        targets, degree = sources.shape
        by_x = by_weight = None
        if ctx.needs_input_grad[0]:
            # The transposed matrix has the edges ordered by source.
            order = torch.argsort(sources.reshape(-1), stable=True)
            counts = torch.bincount(sources.reshape(-1), minlength=x.shape[1])
            by_x = _product(grad, weight[order], order // degree, targets, counts)
        if ctx.needs_input_grad[1]:
            left = x.permute(1, 2, 0)[sources.reshape(-1)]
            right = grad.transpose(0, 1).repeat_interleave(degree, 0)
            by_weight = torch.bmm(left, right)
        return by_x, by_weight, None


def _product(
    x: Tensor, blocks: Tensor, columns: Tensor, width: int, counts: Tensor | None = None
) -> Tensor:
    """Multiply a block-sparse matrix, blocks (edge, out, in) by rows, with x (batch, width, in)."""
    rows = len(columns) if counts is None else len(counts)
    if counts is None:
        counts = torch.full((rows,), columns.shape[1])
    start = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    out, inner = blocks.shape[1:]
    flat = x.permute(1, 2, 0).reshape(width * inner, len(x))
    with warnings.catch_warnings():  # torch calls its block-sparse layout a beta
        warnings.filterwarnings("ignore", "Sparse", UserWarning)
        matrix = torch.sparse_bsr_tensor(
            start, columns.reshape(-1), blocks.contiguous(), (rows * out, width * inner)
        )
        product = matrix @ flat
    return product.reshape(rows, out, len(x)).permute(2, 0, 1)
