"""A persistent product in Triton: every multiprocessor does an equal part of all sums (stream-K).

The steps of all tiles, (tiles x steps of depth), are divided evenly among the programs. The last
program of a tile adds what programs with lower numbers have computed of it, in their order. So the
result is the same in every run on a card. A program waits for lower numbers only, which start
first, so that it never waits for ever. Operands arrive by the copy engine (TMA).
"""
# mypy: ignore-errors
# The bodies are Triton's language, which mypy does not know.

import triton
import triton.language as tl

from scionwood.kernels.triton_sums import finish
from scionwood.kernels.triton_tiles import dot, place, put, side_product


@triton.jit
def stream(
    left, right, out, bias, low, factor, gate_bias, seed, exchange, flags,
    low_row, factor_rank, factor_column, m, n, depth, rank, limit, scale,
    a_shares, da, a_count, a_size, b_shares, db, b_count, b_size,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, RANK: tl.constexpr,
    PAIRS: tl.constexpr, SHARES: tl.constexpr, BLOCK: tl.constexpr, ONTO: tl.constexpr,
    TF32: tl.constexpr, ACROSS: tl.constexpr, PROGRAMS: tl.constexpr,
):  # fmt: skip
    """Compute what `triton_tiles.product` computes, with `PROGRAMS` programs.

    left and right are descriptors of (m, depth) and (depth, n), or of (n, depth) with `ACROSS`.
    exchange is (programs, rows of a tile, columns of a tile) in float32; flags are zero before and
    after.
    """
    if tl.program_id(0) < PROGRAMS:
        program, steps = tl.program_id(0), tl.cdiv(depth, DEPTH)
        units = tl.cdiv(m, ROWS) * tl.cdiv(n, COLUMNS) * steps
        share = tl.cdiv(units, PROGRAMS)
        unit = program * share
        last = tl.minimum(unit + share, units)
        while unit < last:
            tile, start = unit // steps, unit % steps
            end = tl.minimum(steps, start + last - unit)
            row, column = place(tile, m, n, ROWS, COLUMNS)
            if end == steps:  # a tile that ends here starts from its other terms
                total = side_product(
                    out, bias, low, factor, gate_bias, seed, low_row, factor_rank, factor_column,
                    row, column, m, n, rank, limit, scale, left.dtype,
                    ROWS, COLUMNS, RANK, PAIRS, SHARES, ONTO, TF32,
                )  # fmt: skip
            else:
                total = tl.zeros((ROWS, COLUMNS), tl.float32)
            for step in range(start, end):
                left_tile = left.load([row * ROWS, step * DEPTH])
                if ACROSS:
                    right_tile = right.load([column * COLUMNS, step * DEPTH]).T
                else:
                    right_tile = right.load([step * DEPTH, column * COLUMNS])
                total = dot(left_tile, right_tile, total, TF32)
            if end == steps:
                first = tile * steps // share
                total = _joined(total, exchange, flags, first, program, ROWS, COLUMNS)
                rows = row * ROWS + tl.arange(0, ROWS)
                columns = column * COLUMNS + tl.arange(0, COLUMNS)
                put(out, total, rows, n, columns, 1, m, n)
            else:
                tl.store(_share(exchange, program, ROWS, COLUMNS), total)
                tl.debug_barrier()  # the flag follows the values of all threads
                tl.atomic_xchg(flags + program, 1, sem="release")
            unit += end - start
    elif a_shares is not None:
        finish(a_shares, da, a_count, a_size, b_shares, db, b_count, b_size, PROGRAMS, BLOCK)


@triton.jit
def _share(exchange, program, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    entries = tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    return exchange + program * ROWS * COLUMNS + entries


@triton.jit
def _joined(total, exchange, flags, first, program, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Add the sums of the programs from `first` up to this one, and clear their flags."""
    for other in range(first, program):
        while tl.atomic_add(flags + other, 0, sem="acquire") == 0:
            pass
        tl.debug_barrier()  # no thread reads before the flag is there
        total += tl.load(_share(exchange, other, ROWS, COLUMNS), cache_modifier=".cg")
        tl.store(flags + other, 0)
    return total
