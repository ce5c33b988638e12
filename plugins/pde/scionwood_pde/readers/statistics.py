"""Statistics of fields, accumulated state by state, so that data need not fit into memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np


@final
@dataclass(frozen=True)
class Statistics:
    """Statistics of one channel over all samples, times and points, in its unit.

    Args:
        mean: the mean.
        std: the standard deviation.
        minimum: the smallest value.
        maximum: the largest value.
        change: root mean square change from one time to the next; `None` for a single time.
    """

    mean: float
    std: float
    minimum: float
    maximum: float
    change: float | None


@final
class Sums:
    """Running statistics of a series of states, in float64.

    Args:
        channels: number of channels of each state.

    Source: the pairwise update of Chan, Golub and LeVeque (1979).
    """

    def __init__(self, channels: int) -> None:
        self.count, self.steps, self.mean, self.squares, self.changes = np.zeros((5, channels))
        self.minimum, self.maximum = np.full(channels, np.inf), np.full(channels, -np.inf)

    def add(self, state: np.ndarray, before: np.ndarray | None = None) -> None:
        """Add a state.

        Args:
            state: (channel, *space). NaN, which marks solid points, does not count.
            before: the state one time earlier, or `None` for the first time.
        """
        values = state.reshape(len(state), -1).astype(np.float64)
        is_finite = np.isfinite(values)
        points = is_finite.sum(1)
        # A state of NaN alone has no points: its weight is 0, and the division must not fail.
        mean = np.where(is_finite, values, 0).sum(1) / np.maximum(points, 1)
        total, shift = self.count + points, mean - self.mean
        spread = (np.where(is_finite, values - mean[:, None], 0) ** 2).sum(1)
        weight = points / np.maximum(total, 1)
        # Means and squares of two sets combine without the difference of two large sums.
        self.squares += spread + shift**2 * self.count * weight
        self.mean += shift * weight
        self.count = total
        self.minimum = np.fmin(self.minimum, np.where(is_finite, values, np.inf).min(1))
        self.maximum = np.fmax(self.maximum, np.where(is_finite, values, -np.inf).max(1))
        if before is not None:
            steps = values - before.reshape(len(state), -1)
            self.changes += np.nansum(steps**2, 1)
            self.steps += np.isfinite(steps).sum(1)

    def statistics(self) -> list[Statistics]:
        """Return the statistics of each channel; at least one state must have been added."""
        deviation = np.sqrt(self.squares / np.maximum(self.count, 1))
        change = np.sqrt(self.changes / np.maximum(self.steps, 1)) if self.steps.any() else None
        return [
            Statistics(
                float(self.mean[i]),
                float(deviation[i]),
                float(self.minimum[i]),
                float(self.maximum[i]),
                None if change is None else float(change[i]),
            )
            for i in range(len(self.mean))
        ]
