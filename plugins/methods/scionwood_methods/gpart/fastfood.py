"""A dense random projection in place of a partition, computed without storing a matrix.

Source: Q. Le, T. Sarlos, A. Smola, Fastfood - computing Hilbert space expansions in loglinear time
(ICML 2013), as the map of C. Li et al., Measuring the intrinsic dimension of objective landscapes
(2018). The stacking of blocks and the scale are those of the authors' code of GPart (see
`GpartConfig`). There, the factors come from torch's generator and are stored, 9 bytes for each
weight. Here, a hash gives them at each use.
"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor

from scionwood_methods.gpart.partition import shifted, splitmix64
from scionwood_methods.gpart.projection import Projection

_STREAM = 1 << 40
"""The distance between the hash indices of the random factors of a projection."""


@final
class Fastfood(Projection):
    """Blocks `H G Pi H B` of size L, one below the other, cut to D rows and scaled by 1/sqrt(D L).

    L is the smallest power of two that is not below d; the vector is filled with zeros to L. H is
    the Walsh-Hadamard matrix, B are random signs, Pi is a permutation and G are normal numbers;
    each block has its own. The expectation of P^T P is the identity: the norm of the vector is
    kept on average, and exactly only by a partition.
    """

    def forget(self) -> None:
        """See `Projection.forget`."""

    @property
    def width(self) -> int:
        """The size L of a block."""
        # The Walsh-Hadamard matrix exists here for powers of two only.
        return 1 << (self.d - 1).bit_length()

    def spread(self, theta: Tensor, start: int, count: int) -> Tensor:
        """See `Projection.spread`."""
        first, last = start // self.width, (start + count - 1) // self.width
        signs, order, normal = self._factors(first, last + 1 - first, theta)
        filled = torch.nn.functional.pad(theta, (0, self.width - self.d))
        mixed = hadamard(filled * signs).gather(1, order)
        rows = hadamard(mixed * normal).reshape(-1) * self._scale()
        return rows.narrow(0, start - first * self.width, count)

    def gather(self, values: Tensor, start: int) -> Tensor:
        """See `Projection.gather`."""
        first, last = start // self.width, (start + values.numel() - 1) // self.width
        signs, order, normal = self._factors(first, last + 1 - first, values)
        before = start - first * self.width
        after = (last + 1 - first) * self.width - before - values.numel()
        rows = torch.nn.functional.pad(values, (before, after)).view(-1, self.width)
        mixed = hadamard(rows) * normal
        # The transpose runs the factors backwards: B H Pi^T G H. H and the diagonals are symmetric,
        # and scatter undoes the gather of the permutation.
        back = torch.zeros_like(mixed).scatter(1, order, mixed)
        return (hadamard(back) * signs).sum(0)[: self.d] * self._scale()

    def _scale(self) -> float:
        # Each entry of H G Pi H B has the variance L, because G is standard normal and H has
        # entries 1 and -1: with D rows, 1 / (D L) makes the expectation of P^T P the identity.
        return 1 / math.sqrt(self.total * self.width)

    def _factors(self, first: int, blocks: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the signs, the permutations and the normal numbers of consecutive blocks."""
        start, count = first * self.width, blocks * self.width
        shape = (blocks, self.width)
        bits, ranks, radii, angles = (
            splitmix64(start + number * _STREAM, count, self.seed, like.device)
            for number in range(4)
        )
        signs = (1 - 2 * (bits & 1)).view(shape).to(like.dtype)
        # Sorting hashes gives a permutation without a generator, on any device the same.
        order = ranks.view(shape).argsort(dim=1, stable=True)
        # Box and Muller: 53 bits of two hashes make two numbers, the first in (0, 1].
        radius = (-2 * _fractions(radii, 1).log()).sqrt()
        normal = radius * (2 * math.pi * _fractions(angles, 0)).cos()
        return signs, order, normal.view(shape).to(like.dtype)


def hadamard(rows: Tensor) -> Tensor:
    """Multiply each row by the Walsh-Hadamard matrix, whose entries are 1 and -1.

    Shapes: (row, L) -> (row, L), L a power of two.
    """
    count, width = rows.shape
    half = 1
    while half < width:
        # H_2L = [[H_L, H_L], [H_L, -H_L]]: log2 L passes of sums and differences, and no matrix.
        left, right = rows.reshape(count, -1, 2, half).unbind(2)
        rows = torch.stack((left + right, left - right), 2).reshape(count, width)
        half *= 2
    return rows


def _fractions(hashed: Tensor, more: int) -> Tensor:
    return (shifted(hashed, 11) + more).to(torch.float64) / (1 << 53)
