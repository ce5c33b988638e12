"""One number of an adapter's turn and its mean |z|, with a limit that allows few false alarms.

Each is a robust deviation from the references, in logarithms; the mean |z| says less and counts
half. The limit is a rank among the references, each judged beside the others, as in split conformal
prediction: a further adapter like them is beyond it in at most 5 % of cases. The weights were
chosen on adapters of other seeds than those that judge the number (docs/results/audit.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np

ALARMS = 0.05
"""The share of adapters like the references that may be called anomalous."""
HALF = 0.5
"""The weight of the mean |z| beside the turn."""
ENOUGH = math.ceil(1 / ALARMS) - 1
"""Fewer references have no rank that allows so few false alarms."""
_MIN_DEVIATION = 0.05
"""The least deviation of a logarithm."""


@final
class Departure:
    """The number and its limit, from references that were each judged beside the others.

    Args:
        turns: the turn of each reference from the mean change of the others.
        scores: the mean |z| of each reference.

    Attributes:
        limit: the largest number that is consistent with the references; `None` if they are fewer
            than `ENOUGH`.

    Example:
        >>> from scionwood_audit.departure import Departure
        >>> references = Departure([0.5 + 0.01 * i for i in range(19)], [1.0] * 19)
        >>> references.of(0.68, 1.0) == references.limit  # that of the last of them
        True
    """

    def __init__(self, turns: Sequence[float], scores: Sequence[float]) -> None:
        self._places = [_place(turns), _place(scores)]
        departures = sorted(self.of(*pair) for pair in zip(turns, scores, strict=True))
        rank = math.ceil(round((1 - ALARMS) * (len(departures) + 1), 9))
        self.limit = departures[rank - 1] if rank <= len(departures) else None

    def of(self, turn: float, score: float) -> float:
        """Return the number of an adapter."""
        pairs = zip((turn, score), self._places, strict=True)
        first, second = ((_log(value) - middle) / width for value, (middle, width) in pairs)
        return first + HALF * second


def _log(value: float) -> float:
    return math.log(max(value, 1e-12))


def _place(values: Sequence[float]) -> tuple[float, float]:
    """Return the median of the logarithms, and their robust deviation."""
    logs = np.array([_log(value) for value in values])
    middle = float(np.median(logs))
    return middle, max(1.4826 * float(np.median(np.abs(logs - middle))), _MIN_DEVIATION)
