"""Statistics of fields, gathered state by state, so that data need not fit into memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np


@final
@dataclass(frozen=True)
class Statistics:
    """Of one channel over all samples, times and points, in its unit.

    Args:
        mean: the mean.
        std: the standard deviation.
        minimum: the smallest value.
        maximum: the largest value.
        change: root mean square of the change from one time to the next; None of a single time.
    """

    mean: float
    std: float
    minimum: float
    maximum: float
    change: float | None


@final
class Sums:
    """Statistics of states that come one by one, in float64.

    Args:
        channels: of each state.

    Source: the combination of Chan, Golub and LeVeque (1979).
    """

    def __init__(self, channels: int) -> None:
        self.count, self.steps = 0, 0
        self.mean, self.squares, self.changes = np.zeros((3, channels))
        self.minimum, self.maximum = np.full(channels, np.inf), np.full(channels, -np.inf)

    def add(self, state: np.ndarray, before: np.ndarray | None = None) -> None:
        """Count a state in.

        Args:
            state: (channel, *space).
            before: the state one time earlier, if there is one.
        """
        values = state.reshape(len(state), -1).astype(np.float64)
        points = values.shape[1]
        mean = values.mean(1)
        total, shift = self.count + points, mean - self.mean
        spread = ((values - mean[:, None]) ** 2).sum(1)
        self.squares += spread + shift**2 * self.count * points / total
        self.mean += shift * points / total
        self.count = total
        self.minimum = np.minimum(self.minimum, values.min(1))
        self.maximum = np.maximum(self.maximum, values.max(1))
        if before is not None:
            steps = values - before.reshape(len(state), -1)
            self.changes += (steps**2).sum(1)
            self.steps += points

    def statistics(self) -> list[Statistics]:
        """Of each channel; at least one state was added."""
        deviation = np.sqrt(self.squares / self.count)
        change = np.sqrt(self.changes / self.steps) if self.steps else None
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
