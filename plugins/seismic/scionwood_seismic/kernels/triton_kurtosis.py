"""The moments in Triton: forward reads x once; backward reads x once and writes once.

A row is split into parts with one program each, so that a few long rows occupy the device. A
program merges its blocks in registers, and a second, small kernel merges the parts of a row. Blocks
are standardised before they are merged (Pebay, 2008, SAND2008-6212), so float32 suffices.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from scionwood_seismic.kernels.reference import wide

PROGRAMS = 1024
"""Target number of programs per launch, about eight per multiprocessor of a large device."""
LARGEST = 4096
"""Samples in the largest block, which uses 16 registers per thread."""


class Plan(NamedTuple):
    """The partition of a row: `parts` programs, each with `steps` blocks of `block` samples."""

    block: int
    steps: int
    parts: int
    warps: int


def plan(rows: int, n: int) -> Plan:
    """Return the partition of (rows, n); only the shape decides, so results are reproducible."""
    block = min(triton.next_power_of_2(n), LARGEST)
    blocks = triton.cdiv(n, block)
    steps = triton.cdiv(blocks, max(1, PROGRAMS // rows))
    return Plan(block, steps, triton.cdiv(blocks, steps), 8 if block == LARGEST else 4)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean, standard deviation, skewness and excess kurtosis; see `reference.moments`."""
    x = x.contiguous()
    rows, n = x.shape
    values = x.new_empty((4, rows), dtype=wide(x))
    offset = x.new_empty(rows, dtype=wide(x))
    if rows == 0:
        return values, offset
    cut = plan(rows, n)
    parts = x.new_empty((4, rows, cut.parts), dtype=wide(x))
    wider = _wide(x)
    width = triton.next_power_of_2(cut.parts)
    with _device(x):
        _parts[(rows, cut.parts)](
            x,
            parts,
            n,
            cut.steps,
            BLOCK=cut.block,
            WIDE=wider,
            num_warps=cut.warps,
            enable_fp_fusion=True,
        )
        _merge[(rows,)](
            x, parts, values, offset, n, cut.parts, cut.steps * cut.block,
            WIDTH=width, WIDE=wider, num_warps=1, enable_fp_fusion=True,
        )  # fmt: skip
    return values, offset


def moments_backward(grad: Tensor, x: Tensor, values: Tensor, offset: Tensor) -> Tensor:
    """Return the gradient of the loss with respect to x; see `reference.moments_backward`."""
    x, grad = x.contiguous(), grad.contiguous()
    out = torch.empty_like(x)
    rows, n = x.shape
    if rows == 0:
        return out
    cut = plan(rows, n)
    blocks = triton.cdiv(n, cut.block)
    with _device(x):
        _backward[(rows * blocks,)](
            grad, x, values, offset, out, n, blocks,
            BLOCK=cut.block, WIDE=_wide(x), num_warps=cut.warps, enable_fp_fusion=True,
        )  # fmt: skip
    return out


def _device(x: Tensor) -> AbstractContextManager[object]:
    device: AbstractContextManager[object] = torch.cuda.device_of(x)
    return device


def _wide(x: Tensor) -> Any:
    return tl.float64 if x.dtype == torch.float64 else tl.float32


@triton.jit  # type: ignore[untyped-decorator]  # triton has no types
def _inverse(std: tl.tensor) -> tl.tensor:
    """Return `1 / std`, and 0 for a constant row; NaN propagates."""
    return tl.where(std == 0, 0.0, 1.0 / tl.where(std == 0, 1.0, std))


@triton.jit  # type: ignore[untyped-decorator]  # triton has no types
def _about(
    d: tl.tensor, r: tl.tensor, third: tl.tensor, fourth: tl.tensor
) -> tuple[tl.tensor, tl.tensor]:
    """Return the moments about a mean that is d below that of the set; r is its deviation.

    Both d and r are in units of the new deviation.
    """
    r2 = r * r
    d2 = d * d
    new_third = r2 * r * third + 3 * d * r2 + d2 * d
    new_fourth = r2 * r2 * fourth + 4 * d * r2 * r * third + 6 * d2 * r2 + d2 * d2
    return new_third, new_fourth


@triton.jit  # type: ignore[untyped-decorator]  # triton has no types
def _parts(
    x: tl.tensor,
    parts: tl.tensor,
    n: tl.tensor,
    steps: tl.tensor,
    BLOCK: tl.constexpr,
    WIDE: tl.constexpr,
) -> None:
    row, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    first = tl.load(x + row * n).to(WIDE)
    start = part.to(tl.int64) * steps * BLOCK
    steps = tl.minimum(steps, tl.cdiv(n - start, BLOCK))
    samples_before = tl.zeros((), WIDE)
    mean, std, third, fourth = samples_before, samples_before, samples_before, samples_before
    for step in range(0, steps):
        at = start + step * BLOCK + tl.arange(0, BLOCK)
        inside = at < n
        d = tl.load(x + row * n + at, mask=inside, other=0.0).to(WIDE) - first
        count = tl.minimum(n - start - step * BLOCK, BLOCK).to(WIDE)
        new_mean = tl.sum(tl.where(inside, d, 0.0), 0) / count
        d = tl.where(inside, d - new_mean, 0.0)
        new_std = tl.sqrt(tl.sum(d * d, 0) / count)
        z = d * _inverse(new_std)
        z2 = z * z
        new_third = tl.sum(z2 * z, 0) / count
        new_fourth = tl.sum(z2 * z2, 0) / count
        # Merge the block into the previous ones; p and q are their shares of the samples.
        p, q = samples_before / (samples_before + count), count / (samples_before + count)
        gap = new_mean - mean
        both = tl.sqrt(p * std * std + q * new_std * new_std + p * q * gap * gap)
        unit = _inverse(both)
        a3, a4 = _about(-q * gap * unit, std * unit, third, fourth)
        b3, b4 = _about(p * gap * unit, new_std * unit, new_third, new_fourth)
        mean, std, samples_before = mean + q * gap, both, samples_before + count
        third, fourth = p * a3 + q * b3, p * a4 + q * b4
    out = parts + row * tl.num_programs(1) + part
    stride = tl.num_programs(0).to(tl.int64) * tl.num_programs(1)
    tl.store(out, mean)
    tl.store(out + stride, std)
    tl.store(out + 2 * stride, third)
    tl.store(out + 3 * stride, fourth)


@triton.jit  # type: ignore[untyped-decorator]  # triton has no types
def _merge(
    x: tl.tensor,
    parts: tl.tensor,
    values: tl.tensor,
    offset: tl.tensor,
    n: tl.tensor,
    width: tl.tensor,
    span: tl.tensor,
    WIDTH: tl.constexpr,
    WIDE: tl.constexpr,
) -> None:
    row = tl.program_id(0).to(tl.int64)
    stride = tl.num_programs(0).to(tl.int64)
    at = tl.arange(0, WIDTH)
    inside = at < width
    source = parts + row * width + at
    means = tl.load(source, mask=inside, other=0.0)
    stds = tl.load(source + stride * width, mask=inside, other=0.0)
    thirds = tl.load(source + 2 * stride * width, mask=inside, other=0.0)
    fourths = tl.load(source + 3 * stride * width, mask=inside, other=0.0)
    start = at.to(tl.int64) * span
    weights = tl.where(inside, tl.minimum(n - start, span).to(WIDE) / n, 0.0)
    mean = tl.sum(weights * means, 0)
    gap = tl.where(inside, means - mean, 0.0)
    std = tl.sqrt(tl.sum(weights * (stds * stds + gap * gap), 0))
    unit = _inverse(std)
    third, fourth = _about(gap * unit, stds * unit, thirds, fourths)
    first = tl.load(x + row * n).to(WIDE)
    tl.store(offset + row, mean)
    tl.store(values + row, first + mean)
    tl.store(values + stride + row, std)
    tl.store(values + 2 * stride + row, tl.sum(weights * third, 0))
    excess = tl.where(std == 0, 0.0, tl.sum(weights * fourth, 0) - 3)
    tl.store(values + 3 * stride + row, excess)


@triton.jit  # type: ignore[untyped-decorator]  # triton has no types
def _backward(
    grad: tl.tensor,
    x: tl.tensor,
    values: tl.tensor,
    offset: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    blocks: tl.tensor,
    BLOCK: tl.constexpr,
    WIDE: tl.constexpr,
) -> None:
    program = tl.program_id(0).to(tl.int64)
    row, block = program // blocks, program % blocks
    stride = tl.num_programs(0).to(tl.int64) // blocks
    at = block * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    sample = tl.load(x + row * n + at, mask=inside, other=0.0).to(WIDE)
    std = tl.load(values + stride + row)
    unit = _inverse(std)
    skewness = tl.load(values + 2 * stride + row)
    excess = tl.load(values + 3 * stride + row)
    c0 = tl.load(grad + row)
    c1 = tl.load(grad + stride + row)
    c2 = 3 * unit * tl.load(grad + 2 * stride + row)
    c3 = 4 * unit * tl.load(grad + 3 * stride + row)
    # The polynomial of `reference.coefficients`; derivatives may be infinite for a constant row.
    varies = std != 0
    c2, c3 = tl.where(varies, c2, 0.0), tl.where(varies, c3, 0.0)
    c1 = tl.where(varies, c1 - c2 * skewness - c3 * (excess + 3), 0.0)
    c0 += -c2 - c3 * skewness
    first = tl.load(x + row * n).to(WIDE)
    z = (sample - first - tl.load(offset + row)) * unit
    result = (c0 + z * (c1 + z * (c2 + z * c3))) / n
    tl.store(out + row * n + at, result.to(out.dtype.element_ty), mask=inside)
