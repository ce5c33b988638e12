"""A partition by the sign and the size of the frozen weights, without a stored table.

The weights below zero, and the others, are sorted by size. Each half is cut into groups of equal
count. A weight finds its group by bisection among the first members of the groups, which are d
numbers. The frozen weights themselves are what a table would store.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from scionwood import AdapterError
from scionwood_methods.gpart.projection import Grouping

_INDICES = 1 << 32


@final
class SignedMagnitude(Grouping):
    """Groups of weights with one sign and similar sizes; the seed has no effect.

    Of d groups, `round(d n / N)` go to the n negative ones of N weights, at least one to each half
    that has weights. Group g of k takes the places `floor(g n / k)` to `floor((g + 1) n / k)` in
    the order of the absolute values. The order of equal values is that of the weights in the model.

    The weights are sorted once, which needs 16 bytes for each of them for that moment. What is kept
    are 24 bytes for each group.
    """

    def __init__(self, d: int, seed: int) -> None:
        super().__init__(d, seed)
        self._firsts: tuple[Tensor, Tensor] | None = None
        self._made_for: tuple[torch.dtype, torch.device] | None = None

    def forget(self) -> None:
        """See `Projection.forget`."""
        super().forget()
        self._firsts = None

    def groups(self, start: int, count: int, device: torch.device) -> Tensor:
        """Return the groups of the weights of one layer, (count,) int64 in [0, d)."""
        weights = self.sources[start]()
        below, above = self._bounds(weights.dtype, device)
        keys = _keys(weights.to(device), start)
        # The number of first members that are not above the key, less one, is its group.
        negative = torch.bucketize(keys, below, right=True) - 1
        positive = torch.bucketize(keys, above, right=True) - 1 + len(below)
        return torch.where(weights.to(device) < 0, negative, positive).clamp_(0, self.d - 1)

    def sizes(self, device: torch.device) -> Tensor:
        """See `Grouping.sizes`."""
        counts = torch.zeros(self.d, dtype=torch.int64, device=device)
        for start, source in self.sources.items():
            groups = self.groups(start, source().numel(), device)
            counts += torch.bincount(groups, minlength=self.d)
        return counts

    def _bounds(self, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the keys of the first members: of the groups below zero, and of the others."""
        placement = (dtype, device)
        if self._firsts is None or self._made_for != placement:
            with torch.inference_mode(False):  # what is kept serves training later
                halves = self._sorted(device)
                shares = _shares(self.d, [len(half) for half in halves])
                below, above = (_firsts(half, k) for half, k in zip(halves, shares, strict=True))
            self._firsts, self._made_for, self._scales = (below, above), placement, None
        return self._firsts

    def _sorted(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if self.total >= _INDICES:
            rule = f"`grouping: signed_magnitude` is for fewer than {_INDICES} weights"
            raise AdapterError(f"{self.total} adapted weights", rule, "Take `grouping: random`")
        parts: tuple[list[Tensor], list[Tensor]] = ([], [])
        for start, source in self.sources.items():
            weights = source().to(device)
            keys = _keys(weights, start)
            parts[0].append(keys[weights < 0])
            parts[1].append(keys[weights >= 0])
        below, above = (torch.cat(half).sort().values for half in parts)
        return below, above


def _keys(weights: Tensor, start: int) -> Tensor:
    """Return int64 numbers that sort like pairs of absolute value and index."""
    # The bits of a float that is not negative sort like the float.
    sizes = weights.detach().to(torch.float32).abs().view(torch.int32).to(torch.int64)
    indices = torch.arange(start, start + len(weights), device=weights.device)
    return sizes * _INDICES + indices


def _shares(d: int, counts: list[int]) -> tuple[int, int]:
    below, above = counts
    if not below or not above:
        return (d if below else 0), (d if above else 0)
    if d == 1:
        return 0, 1  # one group for all; `groups` gives it to the negative weights too
    share = min(max(round(d * below / (below + above)), 1), d - 1)
    return share, d - share


def _firsts(keys: Tensor, k: int) -> Tensor:
    places = torch.arange(k, device=keys.device) * len(keys) // max(k, 1)
    return keys[places]
