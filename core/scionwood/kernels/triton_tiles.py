"""The Triton kernels of the LoRA linear operator, which `triton_lora` launches.

Names are those of `addmm`. A "low" tensor has the width of the rank: z, h or dz. Sums are in
float32. Shapes need not be multiples of the tiles. Row numbers are int64 in addresses, since rows
times width may exceed 2^31. No sum is atomic, so that a result is the same in every run.
"""
# mypy: ignore-errors
# The bodies are Triton's language, which mypy does not know.

import triton
import triton.language as tl

from scionwood.kernels import mask
from scionwood.kernels.triton_sums import finish

GOLDEN, FIRST, SECOND = (tl.constexpr(v) for v in (mask.GOLDEN, mask.FIRST, mask.SECOND))
INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)
GROUP = tl.constexpr(8)
"""Tiles of rows that run together in `product`, so that their operands stay in the cache."""


@triton.jit
def dot(a, b, total, TF32: tl.constexpr):
    """Return `total + a b`; float32 operands are rounded to TF32 if that is wanted."""
    if INTERPRETED:  # the interpreter multiplies bfloat16 as if its bits were integers
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, total, input_precision="tf32" if TF32 else "ieee")


@triton.jit
def _tile(source, rows, row_stride, columns, column_stride, height, width):
    at = rows.to(tl.int64)[:, None] * row_stride + columns.to(tl.int64)[None, :] * column_stride
    return tl.load(source + at, (rows < height)[:, None] & (columns < width)[None, :], 0.0)


@triton.jit
def put(out, value, rows, row_stride, columns, column_stride, height, width):
    """Store a tile, of which only the entries inside (height, width) exist."""
    at = rows.to(tl.int64)[:, None] * row_stride + columns.to(tl.int64)[None, :] * column_stride
    inside = (rows < height)[:, None] & (columns < width)[None, :]
    tl.store(out + at, value.to(out.dtype.element_ty), inside)


@triton.jit
def _hash(seed, word):
    word = (word * GOLDEN) ^ tl.load(seed).to(tl.uint32, bitcast=True)
    word = (word ^ (word >> 16)) * FIRST
    word = (word ^ (word >> 13)) * SECOND
    return word ^ (word >> 16)


@triton.jit
def _keep(seed, limit, rows, start, width, COLUMNS: tl.constexpr, PAIRS: tl.constexpr):
    """Return `mask.keep` for some rows and for the columns from `start`, which is even."""
    if PAIRS:  # the width is even, so that both positions of a word are in one row
        words = start // 2 + tl.arange(0, COLUMNS // 2)
        bits = _hash(seed, rows.to(tl.uint32)[:, None] * (width // 2) + words[None, :])
        bits = tl.interleave(bits & 0xFFFF, bits >> 16)
    else:
        at = start + tl.arange(0, COLUMNS)
        at = rows.to(tl.uint32)[:, None] * width + at[None, :]
        bits = _hash(seed, at >> 1)
        bits = tl.where((at & 1) == 0, bits & 0xFFFF, bits >> 16)
    return bits >= limit


@triton.jit
def _activations(
    low, stride, gate_bias, rows, ranks, m, rank, SHARES: tl.constexpr, dtype: tl.constexpr
):  # fmt: skip
    """Return h for z, or without a gate the sum of the shares, (shares, m, rank), in order."""
    h = _tile(low, rows, stride, ranks, 1, m, rank).to(tl.float32)
    if gate_bias is not None:
        logit = _tile(low + rank, rows, stride, ranks, 1, m, rank).to(tl.float32)
        logit += tl.load(gate_bias + ranks, ranks < rank, 0.0).to(tl.float32)[None, :]
        h = h * tl.sigmoid(logit)
    else:
        for _ in tl.static_range(1, SHARES):  # a loop inside would end the pipeline outside
            low += m * stride
            h += _tile(low, rows, stride, ranks, 1, m, rank).to(tl.float32)
    return h.to(dtype)


@triton.jit
def down(
    wide, factor, out, seed, flags, wide_row, factor_rank, factor_column, m, n, rank, limit, scale,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, RANK: tl.constexpr, PAIRS: tl.constexpr,
    FLAGS: tl.constexpr, TF32: tl.constexpr,
):  # fmt: skip
    """Compute `out = scale drop(wide) factor^T`, and clear the flags of a later `stream`.

    Shapes: wide (m, n), factor (rank, n), out (m, rank).
    """
    if flags is not None and tl.program_id(0) == 0:
        tl.store(flags + tl.arange(0, FLAGS), 0)
    tiles = tl.cdiv(rank, RANK)
    rows = tl.program_id(0) // tiles * ROWS + tl.arange(0, ROWS)
    ranks = tl.program_id(0) % tiles * RANK + tl.arange(0, RANK)
    total = tl.zeros((ROWS, RANK), tl.float32)
    for start in range(0, n, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        tile = _tile(wide, rows, wide_row, columns, 1, m, n)
        if seed is not None:
            tile = tl.where(_keep(seed, limit, rows, start, n, COLUMNS, PAIRS), tile, 0.0)
        weights = _tile(factor, columns, factor_column, ranks, factor_rank, n, rank)
        total = dot(tile, weights.to(wide.dtype.element_ty), total, TF32)
    put(out, total * scale, rows, rank, ranks, 1, m, rank)


@triton.jit
def product(
    left, right, out, bias, low, factor, gate_bias, seed,
    left_row, right_row, right_column, low_row, factor_rank, factor_column,
    m, n, depth, rank, limit, scale,
    a_shares, da, a_count, a_size, b_shares, db, b_count, b_size,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, RANK: tl.constexpr,
    PAIRS: tl.constexpr, SHARES: tl.constexpr, BLOCK: tl.constexpr, ONTO: tl.constexpr,
    TF32: tl.constexpr,
):  # fmt: skip
    """Compute `out = left right + bias + drop(scale h factor)`: left (m, depth), right (depth, n).

    With `ONTO`, this is added to out. The sum starts from the product of rank width, so that the
    mask needs no second accumulator. Programs behind those of the tiles add the partial sums of dA
    and dB, as `finish` does; without these, there are no such programs.
    """
    if a_shares is None:
        _entries(
            left, right, out, bias, low, factor, gate_bias, seed,
            left_row, right_row, right_column, low_row, factor_rank, factor_column,
            m, n, depth, rank, limit, scale, ROWS, COLUMNS, DEPTH, RANK, PAIRS, SHARES, ONTO, TF32,
        )  # fmt: skip
    else:
        start = tl.cdiv(m, ROWS) * tl.cdiv(n, COLUMNS)
        if tl.program_id(0) < start:
            _entries(
                left, right, out, bias, low, factor, gate_bias, seed,
                left_row, right_row, right_column, low_row, factor_rank, factor_column,
                m, n, depth, rank, limit, scale,
                ROWS, COLUMNS, DEPTH, RANK, PAIRS, SHARES, ONTO, TF32,
            )  # fmt: skip
        else:
            finish(a_shares, da, a_count, a_size, b_shares, db, b_count, b_size, start, BLOCK)


@triton.jit
def _entries(
    left, right, out, bias, low, factor, gate_bias, seed,
    left_row, right_row, right_column, low_row, factor_rank, factor_column,
    m, n, depth, rank, limit, scale,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, RANK: tl.constexpr,
    PAIRS: tl.constexpr, SHARES: tl.constexpr, ONTO: tl.constexpr, TF32: tl.constexpr,
):  # fmt: skip
    """Compute one tile of `product`."""
    row, column = place(tl.program_id(0), m, n, ROWS, COLUMNS)
    rows, columns = row * ROWS + tl.arange(0, ROWS), column * COLUMNS + tl.arange(0, COLUMNS)
    total = side_product(
        out, bias, low, factor, gate_bias, seed, low_row, factor_rank, factor_column,
        row, column, m, n, rank, limit, scale, left.dtype.element_ty,
        ROWS, COLUMNS, RANK, PAIRS, SHARES, ONTO, TF32,
    )  # fmt: skip
    for start in range(0, depth, DEPTH):
        inner = start + tl.arange(0, DEPTH)
        left_tile = _tile(left, rows, left_row, inner, 1, m, depth)
        right_tile = _tile(right, inner, right_row, columns, right_column, depth, n)
        total = dot(left_tile, right_tile, total, TF32)
    put(out, total, rows, n, columns, 1, m, n)


@triton.jit
def place(tile, m, n, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Return the row and the column of a tile; neighbours share operands in the cache."""
    across = tl.cdiv(n, COLUMNS)
    return tl.swizzle2d(tile // across, tile % across, tl.cdiv(m, ROWS), across, GROUP)


@triton.jit
def side_product(
    out, bias, low, factor, gate_bias, seed, low_row, factor_rank, factor_column,
    row, column, m, n, rank, limit, scale, kind: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, RANK: tl.constexpr,
    PAIRS: tl.constexpr, SHARES: tl.constexpr, ONTO: tl.constexpr, TF32: tl.constexpr,
):  # fmt: skip
    """Return what a tile of `product` adds to `left right`."""
    rows, columns = row * ROWS + tl.arange(0, ROWS), column * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    stages: tl.constexpr = 1 if SHARES > 1 else None  # loading ahead would copy every share
    for start in tl.range(0, rank, RANK, num_stages=stages):
        ranks = start + tl.arange(0, RANK)
        h = _activations(low, low_row, gate_bias, rows, ranks, m, rank, SHARES, kind)
        weights = _tile(factor, ranks, factor_rank, columns, factor_column, rank, n)
        total = dot(h, weights.to(kind), total, TF32)
    total *= scale
    if seed is not None:
        keep = _keep(seed, limit, rows, column * COLUMNS, n, COLUMNS, PAIRS)
        total = tl.where(keep, total, 0.0)
    if bias is not None:
        total += tl.load(bias + columns, columns < n, 0.0).to(tl.float32)[None, :]
    if ONTO:
        total += _tile(out, rows, n, columns, 1, m, n).to(tl.float32)
    return total


@triton.jit
def through_b(
    grad, low, b, gate_bias, dh, db, flags,
    grad_row, low_row, b_row, b_rank, m, n, rank, steps, scale,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, RANK: tl.constexpr, FLAGS: tl.constexpr,
    TF32: tl.constexpr,
):  # fmt: skip
    """Compute `dh = scale dY B` and `dB = scale dY^T h` in one read of dY.

    Both are partial sums in float32: dh (tiles of columns, m, rank), db (groups of rows, n, rank).
    A group has `steps` tiles of rows. The rank fits in one tile. Flags are those of `down`.
    """
    if flags is not None and tl.program_id(0) + tl.program_id(1) == 0:
        tl.store(flags + tl.arange(0, FLAGS), 0)
    column, group = tl.program_id(0).to(tl.int64), tl.program_id(1)
    columns, ranks = column * COLUMNS + tl.arange(0, COLUMNS), tl.arange(0, RANK)
    kind = grad.dtype.element_ty
    weights = _tile(b, columns, b_row, ranks, b_rank, n, rank).to(kind)
    total = tl.zeros((COLUMNS, RANK), tl.float32)
    dh += column * m * rank
    for step in range(group * steps, tl.minimum((group + 1) * steps, tl.cdiv(m, ROWS))):
        rows = step * ROWS + tl.arange(0, ROWS)
        tile = _tile(grad, rows, grad_row, columns, 1, m, n)
        share = dot(tile, weights, tl.zeros((ROWS, RANK), tl.float32), TF32)
        put(dh, share * scale, rows, rank, ranks, 1, m, rank)
        h = _activations(low, low_row, gate_bias, rows, ranks, m, rank, 1, kind)
        total = dot(tl.trans(tile), h, total, TF32)
    put(db + group.to(tl.int64) * n * rank, total * scale, columns, rank, ranks, 1, n, rank)


@triton.jit
def over_rows(
    wide, low, gate_bias, out, seed, wide_row, low_row, m, n, rank, steps, limit, scale,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, RANK: tl.constexpr, PAIRS: tl.constexpr,
    SHARES: tl.constexpr, TF32: tl.constexpr,
):  # fmt: skip
    """Compute `out = scale drop(wide)^T h`, a sum over rows in groups as in `through_b`.

    Shapes: wide (m, n), out (groups, rank, n).
    """
    tiles = tl.cdiv(rank, RANK)
    start, group = tl.program_id(0) // tiles * COLUMNS, tl.program_id(1)
    columns = start + tl.arange(0, COLUMNS)
    ranks = tl.program_id(0) % tiles * RANK + tl.arange(0, RANK)
    total = tl.zeros((COLUMNS, RANK), tl.float32)
    for step in range(group * steps, tl.minimum((group + 1) * steps, tl.cdiv(m, ROWS))):
        rows = step * ROWS + tl.arange(0, ROWS)
        tile = _tile(wide, rows, wide_row, columns, 1, m, n)
        if seed is not None:
            tile = tl.where(_keep(seed, limit, rows, start, n, COLUMNS, PAIRS), tile, 0.0)
        kind = wide.dtype.element_ty
        h = _activations(low, low_row, gate_bias, rows, ranks, m, rank, SHARES, kind)
        total = dot(tl.trans(tile), h, total, TF32)
    out += group.to(tl.int64) * n * rank
    put(out, total * scale, columns, 1, ranks, n, n, rank)
