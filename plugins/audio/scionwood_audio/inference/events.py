"""Scores of positions to events, and the threshold that held-out examples give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scionwood_audio.model.mel import FRAME, RATE

POSITIONS = RATE // FRAME
"""Positions a second."""

OVERLAP = 0.3
"""Overlap, as intersection over union, from which a found event is a true one (DCASE task 5)."""

SHARE = 0.75
"""Share of the score of a typical call from which on there is a call.

On made recordings whose songs are 22 and 14 dB above the noise, seeds other than that of the
handbook, all shares from 0.65 to 0.85 gave an F1 within 0.02 of the best threshold.
"""

Events = Sequence[tuple[float, float]]
"""Beginning and end of each event in seconds."""


@dataclass(frozen=True)
class Shape:
    """Positions of the moving mean of scores, of the shortest event, and of a gap inside one."""

    smooth: int
    shortest: int
    gap: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Shape:
        """Return the shape of events that last about as long as the examples."""
        middle, shortest = float(np.median(seconds)), min(seconds)
        smooth = 2 * round(POSITIONS * float(np.clip(0.08 * middle, 0.04, 0.16)) / 2) + 1
        return cls(
            smooth,
            max(2, round(POSITIONS * 0.4 * shortest)),
            max(1, round(POSITIONS * min(0.4 * shortest, 0.3))),
        )


def levelled(scores: np.ndarray, shape: Shape) -> np.ndarray:
    """Return scores, smoothed, less the level of the background of their recording.

    The level is the lower quartile, which calls do not reach unless they fill three quarters of
    the recording. A threshold then carries over to a recording with another background. Dividing by
    their spread as well carried over worse in trials with examples held out.
    """
    from scipy.ndimage import uniform_filter1d

    # Edges repeat: zeros beyond them would be the log-odds of a call as often as not. In float32 a
    # day of scores takes 17 MB.
    smooth: np.ndarray = uniform_filter1d(scores.astype(np.float32), shape.smooth, mode="nearest")
    smooth -= np.quantile(smooth, 0.25)
    return smooth


def events_of(values: np.ndarray, threshold: float, shape: Shape) -> list[tuple[int, int]]:
    """Return the events above a threshold as first and one past the last position."""
    above = np.concatenate([[False], values > threshold, [False]])
    edges = np.flatnonzero(above[1:] != above[:-1]).reshape(-1, 2)
    joined: list[tuple[int, int]] = []
    for start, end in edges.tolist():
        if joined and start - joined[-1][1] <= shape.gap:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return [(start, end) for start, end in joined if end - start >= shape.shortest]


def matches(events: Events, true: Events, overlap: float = OVERLAP) -> list[tuple[int, int]]:
    """Pair found with true events, each at most once, the best overlap first."""
    pairs = []
    for i, (a, b) in enumerate(events):
        for j, (c, d) in enumerate(true):
            if (common := min(b, d) - max(a, c)) > 0:
                share = common / (max(b, d) - min(a, c))
                if share >= overlap:
                    pairs.append((share, i, j))
    paired: list[tuple[int, int]] = []
    used_found, used_true = set(), set()
    for _, i, j in sorted(pairs, reverse=True):
        if i not in used_found and j not in used_true:
            used_found.add(i)
            used_true.add(j)
            paired.append((i, j))
    return paired


def threshold_in_place(inside: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the threshold, and the score of a typical call.

    A call that is pasted elsewhere brings its own noise, and is then easier to find. The scores
    therefore come from where the examples were marked, and from composed scenes only for clips that
    silence surrounds. Their median is that of a typical call, and zero that of the background.
    """
    typical = float(np.median([np.median(values) for values in inside]))
    return SHARE * typical, typical
