"""The moments on a CPU: plain torch over blocks that fit in the cache, so memory is read once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from scionwood_seismic.kernels.reference import coefficients, wide

BLOCK = 1 << 17
"""Samples per block and thread. Two float32 blocks are 1 MiB, about the cache of one core."""


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean, standard deviation, skewness and excess kurtosis; see `reference.moments`."""
    first = x[:, :1].to(wide(x))
    scratch = _scratch(x)
    merged = [first.new_empty((4, 0))]
    for rows, columns in _blocks(x):
        parts = [_part(x[rows, span], first[rows], scratch) for span in columns]
        merged.append(_merge(parts, [(span.stop - span.start) / x.shape[1] for span in columns]))
    values = torch.cat(merged, 1)
    offset = values[0].clone()
    values[0] += first[:, 0]
    # A constant row would have the excess -3 of its fourth moment 0.
    values[3] = torch.where(values[1] == 0, 0.0, values[3] - 3)
    return values, offset


def moments_backward(grad: Tensor, x: Tensor, values: Tensor, offset: Tensor) -> Tensor:
    """Return the gradient of the loss with respect to x; see `reference.moments_backward`."""
    out = torch.empty_like(x)
    scratch = _scratch(x)
    first, offset = x[:, :1].to(values.dtype), offset[:, None]
    inverse = _inverse(values[1])[:, None]
    c0, c1, c2, c3 = coefficients(grad.to(values.dtype), values, x.shape[1])[..., None]
    for rows, columns in _blocks(x):
        for span in columns:
            block = x[rows, span]
            z, y = scratch[:, : block.numel()].view(2, *block.shape)
            torch.sub(block, first[rows], out=z).sub_(offset[rows]).mul_(inverse[rows])
            # Horner's scheme in place, for the polynomial of `coefficients`.
            torch.mul(z, c3[rows], out=y).add_(c2[rows]).mul_(z).add_(c1[rows]).mul_(z)
            out[rows, span] = y.add_(c0[rows])
    return out


def _blocks(x: Tensor) -> Iterator[tuple[slice, list[slice]]]:
    """Yield rows that fit in a block with all their columns, or one row with its pieces."""
    size = BLOCK * torch.get_num_threads()
    rows, n = x.shape
    step = max(1, size // n)
    columns = [slice(at, min(at + size, n)) for at in range(0, n, size)]
    for row in range(0, rows, step):
        yield slice(row, row + step), columns


def _scratch(x: Tensor) -> Tensor:
    """Allocate two blocks for reuse, because allocating memory costs more than the arithmetic."""
    size = min(BLOCK * torch.get_num_threads(), x.numel())
    return x.new_empty((2, size), dtype=wide(x))


def _part(x: Tensor, first: Tensor, scratch: Tensor) -> Tensor:
    """Return offset from `first`, deviation, third and fourth standardised moments, (4, rows)."""
    z, square = scratch[:, : x.numel()].view(2, *x.shape)
    torch.sub(x, first, out=z)  # in the dtype of `first`; a constant row becomes exactly 0
    offset = z.mean(1)
    z.sub_(offset[:, None])
    std = torch.mul(z, z, out=square).mean(1).sqrt_()
    z.mul_(_inverse(std)[:, None])
    torch.mul(z, z, out=square)
    third = z.mul_(square).mean(1)
    fourth = square.mul_(square).mean(1)
    return torch.stack([offset, std, third, fourth])


def _merge(parts: list[Tensor], shares: list[float]) -> Tensor:
    """Merge the moments of parts of a row, each (4, rows), into (4, rows).

    Args:
        parts: the moments of each part.
        shares: the share of the samples in each part.

    Source: Pebay, 2008, SAND2008-6212, here for any number of parts. Central moments refer to the
    common mean, in units of the common deviation.
    """
    if len(parts) == 1:
        return parts[0]
    weights = parts[0].new_tensor(shares)[:, None]
    offsets, stds, thirds, fourths = torch.stack(parts, 1)
    offset = (weights * offsets).sum(0)
    d = offsets - offset
    std = (weights * (stds.square() + d.square())).sum(0).sqrt()
    d, r = d * _inverse(std), stds * _inverse(std)
    third = r**3 * thirds + 3 * d * r**2 + d**3
    fourth = r**4 * fourths + 4 * d * r**3 * thirds + 6 * (d * r) ** 2 + d**4
    return torch.stack([offset, std, (weights * third).sum(0), (weights * fourth).sum(0)])


def _inverse(std: Tensor) -> Tensor:
    """Return `1 / std`, and 0 for a constant row; NaN propagates."""
    return torch.where(std == 0, 0.0, 1 / std)
