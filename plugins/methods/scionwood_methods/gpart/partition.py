"""A random partition of all adapted weights into groups; a hash replaces any stored table.

Weight i of the model belongs to group `SplitMix64(seed + i) mod d`, in unsigned 64-bit arithmetic.
SplitMix64 (Steele, Lea, Flood 2014, DOI 10.1145/2660193.2660195) has the additive constant
0x9E3779B97F4A7C15. It must never change, because a saved vector is tied to this hash.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

GAMMA, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
CHUNK = 1 << 22
"""The number of weights whose groups are counted at a time."""


def splitmix64(start: int, count: int, seed: int | Tensor, device: torch.device) -> Tensor:
    """Return the hashes of `seed + start`, `seed + start + 1`, and so on.

    Args:
        start: the first index.
        count: the number of indices.
        seed: any integer, or a tensor with one int64.
        device: the device of the result.

    Returns:
        (count,) int64 with the bits of the unsigned hashes; int64 arithmetic wraps in the same way.
    """
    shift = _signed(seed) if isinstance(seed, int) else seed
    z = torch.arange(start, start + count, dtype=torch.int64, device=device) + shift
    z = z.add_(_signed(GAMMA))
    z = z.bitwise_xor_(_shifted(z, 30)).mul_(_signed(FIRST))
    z = z.bitwise_xor_(_shifted(z, 27)).mul_(_signed(SECOND))
    return z.bitwise_xor_(_shifted(z, 31))


@final
class Partition:
    """The groups of the weights of one adapter, and the isometric scale of each group.

    Args:
        d: the number of groups.
        seed: the seed of the hash.
    """

    def __init__(self, d: int, seed: int) -> None:
        self.d, self.seed, self.total = d, seed, 0
        self._scales: Tensor | None = None

    def extend(self, count: int) -> int:
        """Add the weights of the next layer and return the index of the first one."""
        start, self._scales = self.total, None
        self.total += count
        return start

    def groups(self, start: int, count: int, device: torch.device) -> Tensor:
        """Return the groups of consecutive weights.

        Args:
            start: the index of the first weight.
            count: the number of weights.
            device: the device of the result.

        Returns:
            (count,) int64, in [0, d).
        """
        hashed = splitmix64(start, count, self.seed, device)
        # u = 2 (u >> 1) + (u & 1); both parts are below 2^63, where signed and unsigned agree.
        half = _shifted(hashed, 1).remainder_(self.d)
        return half.mul_(2).add_(hashed.bitwise_and_(1)).remainder_(self.d)

    def scales(self, device: torch.device) -> Tensor:
        """Return 1 / sqrt(n_j) for each group of n_j weights, and 1 for an empty group.

        Returns:
            (d,) float32; the weights are counted once.
        """
        if self._scales is None or self._scales.device != device:
            counts = torch.zeros(self.d, dtype=torch.int64, device=device)
            for start in range(0, self.total, CHUNK):
                groups = self.groups(start, min(CHUNK, self.total - start), device)
                counts += torch.bincount(groups, minlength=self.d)
            self._scales = counts.clamp_(min=1).to(torch.float64).rsqrt_().to(torch.float32)
        return self._scales


def _signed(value: int) -> int:
    """Return the int64 with the bits of an integer modulo 2^64."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """Shift to the right and fill with zeros, as for unsigned numbers."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
