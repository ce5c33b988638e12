"""What a projection from a short vector to all adapted weights must be able to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

Source = Callable[[], Tensor]
"""Returns the adapted weights of one layer as a vector, without adapters."""


class Projection(ABC):
    """A fixed linear map P from a vector with d entries to the weights of some layers in a row.

    Args:
        d: the length of the vector.
        seed: the seed of everything random in P.
    """

    def __init__(self, d: int, seed: int) -> None:
        self.d, self.seed, self.total = d, seed, 0
        self.sources: dict[int, Source] = {}

    def extend(self, count: int, source: Source | None = None) -> int:
        """Add the weights of the next layer and return the index of the first one.

        Args:
            count: the number of weights.
            source: returns them; only a projection that depends on them needs it.
        """
        start = self.total
        self.total += count
        if source is not None:
            self.sources[start] = source
        self.forget()
        return start

    @abstractmethod
    def forget(self) -> None:
        """Forget what was computed for a smaller number of weights."""

    @abstractmethod
    def spread(self, theta: Tensor, start: int, count: int) -> Tensor:
        """Return rows of P theta: the changes of consecutive weights.

        Args:
            theta: (d,).
            start: the index of the first weight.
            count: the number of weights, those of one layer.

        Returns:
            (count,) in the dtype of theta.
        """

    @abstractmethod
    def gather(self, values: Tensor, start: int) -> Tensor:
        """Return the transpose: the same rows of P, multiplied by a vector and summed.

        Args:
            values: (count,), in the dtype of the computation.
            start: the index of the first weight.

        Returns:
            (d,) in the dtype of values.
        """


class Grouping(Projection):
    """A partition of the weights: each uses one entry of the vector, over the root of its number.

    P has one entry in each row and orthonormal columns, so that it keeps norms and angles.
    """

    def __init__(self, d: int, seed: int) -> None:
        super().__init__(d, seed)
        self._scales: Tensor | None = None

    def forget(self) -> None:
        """See `Projection.forget`."""
        self._scales = None

    @abstractmethod
    def groups(self, start: int, count: int, device: torch.device) -> Tensor:
        """Return the groups of consecutive weights, (count,) int64 in [0, d)."""

    @abstractmethod
    def sizes(self, device: torch.device) -> Tensor:
        """Return the number of weights of each group, (d,) int64."""

    @final
    def scales(self, device: torch.device) -> Tensor:
        """Return 1 / sqrt(n_j) for each group of n_j weights, and 1 for an empty group.

        Returns:
            (d,) float32; the weights are counted once.
        """
        if self._scales is None or self._scales.device != device:
            with torch.inference_mode(False):  # what is kept serves training later
                # A hash can leave groups empty; 1 / sqrt(0) would be infinite. Such entries of
                # theta act on nothing.
                counts = self.sizes(device).clamp(min=1)
                # Squares of these add up to 1 in each column; in float64 they are rounded once.
                self._scales = counts.to(torch.float64).rsqrt_().to(torch.float32)
        return self._scales

    @final
    def spread(self, theta: Tensor, start: int, count: int) -> Tensor:
        """See `Projection.spread`."""
        groups = self.groups(start, count, theta.device)
        return (theta * self.scales(theta.device)).index_select(0, groups)

    @final
    def gather(self, values: Tensor, start: int) -> Tensor:
        """See `Projection.gather`."""
        groups = self.groups(start, values.numel(), values.device)
        summed = values.new_zeros(self.d).index_add(0, groups, values)
        return summed * self.scales(values.device)
