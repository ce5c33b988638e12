"""The definition of the moments of rows and of their gradient, in plain torch and float64.

Every implementation has the same two functions, with these shapes:

    x:      (rows, n) contiguous, any floating dtype, n > 0.
    values: (4, rows) mean, standard deviation, skewness, excess kurtosis; dtype `wide(x)`.
    offset: (rows) the mean minus the first sample of the row; a large mean does not round it.
    grad:   (4, rows) the gradient of the loss with respect to `values`.

A constant row has skewness and excess kurtosis 0, and only its mean has a gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

SINGLE_ONLY = frozenset({"mps"})
"""Devices without float64."""


def wide(x: Tensor) -> torch.dtype:
    """Return the dtype of the results: float64 for float64, float32 for all others."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean, standard deviation, skewness and excess kurtosis of each row.

    Args:
        x: (rows, n).

    Returns:
        `values` and `offset`, as listed in the module.
    """
    values, offset, _ = _exact(x)
    return values.to(wide(x)), offset.to(wide(x))


def moments_backward(grad: Tensor, x: Tensor, values: Tensor, offset: Tensor) -> Tensor:
    """Return the gradient of the loss with respect to x.

    Args:
        grad: (4, rows).
        x: (rows, n).
        values: (4, rows), the results for x; this implementation computes them again.
        offset: (rows), the offset for x; this implementation computes it again.

    Returns:
        (rows, n), with the dtype of x.
    """
    exact, _, z = _exact(x)
    c0, c1, c2, c3 = coefficients(grad.to(z.dtype), exact, x.shape[1])[..., None]
    by_x: Tensor = c0 + z * (c1 + z * (c2 + z * c3))
    return by_x.to(x.dtype)


def coefficients(grad: Tensor, values: Tensor, n: int) -> Tensor:
    """Return the gradient as a polynomial `c0 + c1 z + c2 z^2 + c3 z^3` in standardised samples z.

    Let s be the skewness and k the fourth standardised moment of a row of n samples. The mean has
    the derivative `1 / n` with respect to a sample, and the standard deviation has `z / n`. The
    derivatives of s and k are `3 (z^2 - s z - 1) / (n std)` and `4 (z^3 - k z - s) / (n std)`.

    Args:
        grad: (4, rows).
        values: (4, rows).
        n: samples per row.

    Returns:
        The coefficients, (4, rows).
    """
    by_mean, by_std, by_skewness, by_kurtosis = grad
    _, std, skewness, excess = values
    third, fourth = 3 * by_skewness / std, 4 * by_kurtosis / std
    c0 = -third - fourth * skewness
    c1 = by_std - third * skewness - fourth * (excess + 3)
    # A mask instead of a product: d log(std) is infinite for a constant row. NaN propagates.
    shape = torch.where(std != 0, torch.stack([c0, c1, third, fourth]), 0.0)
    return torch.cat([shape[:1] + by_mean, shape[1:]]) / n


def _exact(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return values, offset and standardised samples, in float64 if the device supports it."""
    exact = x.float() if x.device.type in SINGLE_ONLY else x.double()
    first = exact[:, :1]
    shifted = exact - first  # a constant row becomes exactly 0
    offset = shifted.mean(1, keepdim=True)
    d = shifted - offset
    std = d.square().mean(1, keepdim=True).sqrt()
    z = torch.where(std == 0, 0.0, d / std)
    excess = torch.where(std[:, 0] == 0, 0.0, z.pow(4).mean(1) - 3)
    mean = (first + offset)[:, 0]
    return torch.stack([mean, std[:, 0], z.pow(3).mean(1), excess]), offset[:, 0], z
