"""Two Triton kernels of a LoRA linear layer: the product with its rank term, and one read of dY.

`product` starts its sum from the term of rank r, for y and for the gradient of x. `by_rank` reads
dY once for dh and dB. The library computes the rest, which reads x alone. Sums are in float32,
shapes need not be multiples of the tiles, and row numbers are int64 in addresses, since rows times
width may exceed 2^31. No sum is atomic, so that a result is the same in every run.
"""
# mypy: ignore-errors
# The bodies are Triton's language, which mypy does not know.

from __future__ import annotations

from typing import NamedTuple, final

import torch
import triton
import triton.language as tl
from torch import Tensor

INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)
GROUP = tl.constexpr(8)
"""Tiles of rows that run together in `product`, so that their operands stay in the cache."""
PROGRAMS = 264
"""The number of programs wanted in a launch: two for each multiprocessor of an H100."""


@final
class Tile(NamedTuple):
    """The elements that a program processes at a time, and the options of its compilation."""

    rows: int
    columns: int
    depth: int
    """The depth of the sum in `product`."""
    warps: int
    stages: int


LARGE, SMALL = Tile(128, 128, 64, 8, 3), Tile(64, 64, 64, 4, 3)
"""The tiles of `product`: the small ones where the large ones leave half a card idle."""
READ = Tile(64, 128, 0, 4, 3)
"""The tile of `by_rank`."""


@triton.jit
def _dot(a, b, total):
    if INTERPRETED:  # the interpreter multiplies bfloat16 as if its bits were integers
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, total, input_precision="ieee")


@triton.jit
def _tile(source, rows, row_stride, columns, column_stride, height, width):
    at = rows.to(tl.int64)[:, None] * row_stride + columns.to(tl.int64)[None, :] * column_stride
    return tl.load(source + at, (rows < height)[:, None] & (columns < width)[None, :], 0.0)


@triton.jit
def _put(out, value, rows, row_stride, columns, column_stride, height, width):
    at = rows.to(tl.int64)[:, None] * row_stride + columns.to(tl.int64)[None, :] * column_stride
    inside = (rows < height)[:, None] & (columns < width)[None, :]
    tl.store(out + at, value.to(out.dtype.element_ty), inside)


@triton.jit
def product_kernel(
    left, right, out, bias, low, factor,
    left_row, left_column, right_row, right_column, low_row, low_rank, factor_rank, factor_column,
    m, n, depth, rank, scale,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, RANK: tl.constexpr,
):  # fmt: skip
    """Compute one tile of `out = left right + bias + scale low factor`."""
    tile, across = tl.program_id(0), tl.cdiv(n, COLUMNS)
    row, column = tl.swizzle2d(tile // across, tile % across, tl.cdiv(m, ROWS), across, GROUP)
    rows, columns = row * ROWS + tl.arange(0, ROWS), column * COLUMNS + tl.arange(0, COLUMNS)
    ranks = tl.arange(0, RANK)
    h = _tile(low, rows, low_row, ranks, low_rank, m, rank)
    weights = _tile(factor, ranks, factor_rank, columns, factor_column, rank, n)
    total = _dot(h, weights, tl.zeros((ROWS, COLUMNS), tl.float32)) * scale
    if bias is not None:
        total += tl.load(bias + columns, columns < n, 0.0).to(tl.float32)[None, :]
    for start in range(0, depth, DEPTH):
        inner = start + tl.arange(0, DEPTH)
        left_tile = _tile(left, rows, left_row, inner, left_column, m, depth)
        right_tile = _tile(right, inner, right_row, columns, right_column, depth, n)
        total = _dot(left_tile, right_tile, total)
    _put(out, total, rows, n, columns, 1, m, n)


@triton.jit
def by_rank_kernel(
    grad, b, h, dh, db, grad_row, grad_column, b_row, b_rank, h_rank, h_column,
    m, n, rank, steps, scale,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, RANK: tl.constexpr,
):  # fmt: skip
    """Compute partial sums of `dh^T = scale dY B` and `dB = scale dY^T h^T` in one read of dY.

    dh is (tiles of columns, m, rank) and db is (groups of rows, n, rank), in float32. A group has
    `steps` tiles of rows.
    """
    column, group = tl.program_id(0).to(tl.int64), tl.program_id(1)
    columns, ranks = column * COLUMNS + tl.arange(0, COLUMNS), tl.arange(0, RANK)
    weights = _tile(b, columns, b_row, ranks, b_rank, n, rank)
    total = tl.zeros((COLUMNS, RANK), tl.float32)
    dh += column * m * rank
    for step in range(group * steps, tl.minimum((group + 1) * steps, tl.cdiv(m, ROWS))):
        rows = step * ROWS + tl.arange(0, ROWS)
        tile = _tile(grad, rows, grad_row, columns, grad_column, m, n)
        part = _dot(tile, weights, tl.zeros((ROWS, RANK), tl.float32))
        _put(dh, part * scale, rows, rank, ranks, 1, m, rank)
        low = _tile(h, rows, h_column, ranks, h_rank, m, rank)
        total = _dot(tl.trans(tile), low, total)
    _put(db + group.to(tl.int64) * n * rank, total * scale, columns, rank, ranks, 1, n, rank)


def product(
    left: Tensor,
    right: Tensor,
    bias: Tensor | None,
    low: Tensor,
    factor: Tensor,
    scaling: float,
) -> Tensor:
    """Return `left right + bias + scaling low factor`, (m, n).

    Args:
        left: (m, depth), like the rest with any strides.
        right: (depth, n).
        bias: (n,), contiguous, or `None`.
        low: (m, rank); the rank fits in one tile.
        factor: (rank, n).
        scaling: The factor s.
    """
    (m, depth), (rank, n) = left.shape, factor.shape
    out = left.new_empty((m, n))
    tile = product_tile(m, n)
    with torch.cuda.device_of(left):
        product_kernel[(parts(m, tile.rows) * parts(n, tile.columns),)](
            left, right, out, bias, low, factor,
            *left.stride(), *right.stride(), *low.stride(), *factor.stride(),
            m, n, depth, rank, scaling, tile.rows, tile.columns, tile.depth, power(rank),
            num_warps=tile.warps, num_stages=tile.stages, enable_fp_fusion=True,
        )  # fmt: skip
    return out


def by_rank(grad: Tensor, b: Tensor, h: Tensor, scaling: float) -> tuple[Tensor, Tensor]:
    """Return `dh = s B^T dY^T`, (rank, m), and `dB = s dY^T h^T`, (n, rank), in the dtype of dY.

    Args:
        grad: (m, n), like the rest with any strides.
        b: (n, rank).
        h: (rank, m).
        scaling: The factor s.
    """
    (m, n), rank = grad.shape, len(h)
    across = parts(n, READ.columns)
    count, steps = groups(m, READ.rows, across)
    dh = grad.new_empty((across, m, rank), dtype=torch.float32)
    db = grad.new_empty((count, n, rank), dtype=torch.float32)
    with torch.cuda.device_of(grad):
        by_rank_kernel[(across, count)](
            grad, b, h, dh, db, *grad.stride(), *b.stride(), *h.stride(),
            m, n, rank, steps, scaling, READ.rows, READ.columns, power(rank),
            num_warps=READ.warps, num_stages=READ.stages, enable_fp_fusion=True,
        )  # fmt: skip
    return dh.sum(0).t().to(grad.dtype, memory_format=torch.contiguous_format), db.sum(0)


def product_tile(m: int, n: int) -> Tile:
    """Return the tile of a product (m, n); it depends on the shape alone, so nothing is tuned."""
    few = parts(m, LARGE.rows) * parts(n, LARGE.columns) < PROGRAMS // 2
    return SMALL if few else LARGE


def groups(m: int, rows: int, others: int) -> tuple[int, int]:
    """Divide the tiles of rows into groups so that the programs fill a card.

    A group has `others` programs. Returned are the groups and the tiles of rows in each.
    """
    row_tiles = parts(m, rows)
    steps = parts(row_tiles, max(1, PROGRAMS // others))
    return parts(row_tiles, steps), steps


def parts(size: int, part: int) -> int:
    """Return how many parts cover a size."""
    return -(-size // part)


def power(size: int) -> int:
    """Return the smallest power of two that is at least a size and 16, as a matrix unit needs."""
    return max(16, 1 << (size - 1).bit_length())
