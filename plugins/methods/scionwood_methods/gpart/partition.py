"""A random partition of all adapted weights into groups; a hash replaces any stored table.

Weight i of the model belongs to group `SplitMix64(seed + i) mod d`, in unsigned 64-bit arithmetic.
SplitMix64 (Steele, Lea, Flood 2014, DOI 10.1145/2660193.2660195) has the additive constant
0x9E3779B97F4A7C15. It must never change, because a saved vector is tied to this hash.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from scionwood_methods.gpart.projection import Grouping

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
    z = z.bitwise_xor_(shifted(z, 30)).mul_(_signed(FIRST))
    z = z.bitwise_xor_(shifted(z, 27)).mul_(_signed(SECOND))
    return z.bitwise_xor_(shifted(z, 31))


@final
class Partition(Grouping):
    """The groups of the weights of one adapter, and the isometric scale of each group.

    Args:
        d: the number of groups.
        seed: the seed of the hash.
    """

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
        half = shifted(hashed, 1).remainder_(self.d)
        return half.mul_(2).add_(hashed.bitwise_and_(1)).remainder_(self.d)

    def sizes(self, device: torch.device) -> Tensor:
        """See `Grouping.sizes`."""
        counts = torch.zeros(self.d, dtype=torch.int64, device=device)
        for start in range(0, self.total, CHUNK):
            groups = self.groups(start, min(CHUNK, self.total - start), device)
            counts += torch.bincount(groups, minlength=self.d)
        return counts


def shifted(z: Tensor, bits: int) -> Tensor:
    """Shift int64 to the right and fill with zeros, as for unsigned numbers."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    """Return the int64 with the bits of an integer modulo 2^64."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
