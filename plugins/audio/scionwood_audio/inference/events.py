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
    """What the lengths of the examples say of events.

    Attributes:
        smooth: positions of the moving mean of the scores.
        shortest: fewest positions of an event.
        gap: positions without a call that still belong to one event.
    """

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
    # Edges repeat: zeros beyond them would be the log-odds of a call as often as not.
    padded = np.pad(scores, shape.smooth // 2, "edge")
    smooth = np.convolve(padded, np.ones(shape.smooth) / shape.smooth, "valid")
    values: np.ndarray = (smooth - np.quantile(smooth, 0.25)).astype(np.float32)
    return values


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


def in_seconds(events: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """Return events of positions in seconds."""
    return [(start / POSITIONS, end / POSITIONS) for start, end in events]


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


def event_f1(pairs: Sequence[tuple[Events, Events]], overlap: float = OVERLAP) -> float:
    """Return the F1 of found events, over pairs of the found and the true ones of a recording."""
    right = sum(len(matches(events, true, overlap)) for events, true in pairs)
    total = sum(len(events) + len(true) for events, true in pairs)
    return 2 * right / total if total else 1.0


def threshold_in_place(inside: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the threshold, and the score of a typical call.

    A call that is pasted elsewhere brings its own noise, and is then easier to find. The scores
    therefore come from where the examples were marked. Their median is that of a typical call, and
    zero that of the background, so that the threshold needs no sounds made by us.
    """
    typical = float(np.median([np.median(values) for values in inside]))
    return SHARE * typical, typical


def calibrate(scored: Sequence[tuple[np.ndarray, Events]], shape: Shape) -> float:
    """Return the threshold with the best F1 on held-out scenes.

    For examples that silence surrounds, which have no place of their own. Near the best one F1 is
    flat, and its edge is chance: the middle of all thresholds within 0.02 of the best is taken.
    """
    pooled = np.concatenate([values for values, _ in scored])
    thresholds = np.unique(np.quantile(pooled, np.linspace(0.3, 0.995, 80)))
    results = np.array(
        [
            event_f1([(in_seconds(events_of(v, level, shape)), true) for v, true in scored])
            for level in thresholds
        ]
    )
    good = np.flatnonzero(results >= results.max() - 0.02)
    best = good[np.argmin(np.abs(good - np.median(good)))]
    return float(thresholds[best])
