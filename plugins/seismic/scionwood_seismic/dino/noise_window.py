"""Find a part of a gather without signal: before the first arrivals, or the quietest part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import ndimage as nd

SMALLEST = 400
"""The fewest samples of a noise window; fewer give no reliable moments."""

COHERENT = 0.3
"""Correlation of neighbouring traces from which a part holds signal."""

RISE = 4.0
"""By how much the energy rises at a first arrival at least."""

BLOCK = (24, 64)
"""Traces and samples of the parts that are compared."""

SPREAD = 1.15
"""The RMS of further quiet parts, as a multiple of that of the quietest one."""

LAGS = 8  # samples by which neighbouring traces may be shifted against each other


@final
@dataclass(frozen=True)
class NoiseWindow:
    """The part of a gather that holds noise only.

    Attributes:
        where: (trace, time), true inside.
        how: how it was found.
    """

    where: np.ndarray
    how: str

    @property
    def share(self) -> float:
        """The share of the gather that the window covers."""
        return float(self.where.mean())

    def __str__(self) -> str:
        return f"{self.how}, {self.share:.0%} of the gather"


def find_noise_window(data: np.ndarray, period: float = 12.0) -> NoiseWindow | None:
    """Return the part of a gather before the first arrivals, or its quietest part.

    A part counts as noise if neighbouring traces are not alike in it. So it is not possible to find
    noise that all traces share.

    Args:
        data: (trace, time), any unit; finite.
        period: the dominant period, samples; the window ends this long before an arrival.

    Returns:
        The window; None if no part is free of signal, or the gather is too small to tell.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> gather = rng.standard_normal((32, 200))
        >>> gather[:, 120:] += 10 * np.sin(np.arange(80))
        >>> print(find_noise_window(gather))
        before the first arrivals, 55% of the gather
    """
    x = np.asarray(data, np.float64)
    early = _before_arrivals(x, period)
    if early is not None:
        return NoiseWindow(early, "before the first arrivals")
    quiet = _quietest(x)
    return None if quiet is None else NoiseWindow(quiet, "the quietest part")


def _before_arrivals(x: np.ndarray, period: float) -> np.ndarray | None:
    """Return where a trace has not reached its strongest rise of energy yet."""
    traces, samples = x.shape
    size, margin = max(4, round(2 * period)), round(period)
    if samples < 4 * size:
        return None
    energy = nd.uniform_filter1d(np.square(x), min(traces, 5), axis=0) if traces > 1 else x**2
    total = np.pad(np.cumsum(energy, axis=1), ((0, 0), (1, 0)))
    at = np.arange(size, samples - size)
    before = total[:, at] / at
    after = (total[:, at + size] - total[:, at]) / size
    # Energy after over energy before; a mute of exact zeros before the arrival is not infinitely
    # quiet.
    rise = after / (before + 1e-12 * energy.mean() + 1e-300)
    first = at[rise.argmax(axis=1)]
    # One trace with a spike must not move the arrival of its neighbours.
    first = nd.median_filter(first, min(9, traces), mode="nearest")
    sharp = np.median(rise.max(axis=1)) > RISE
    where = np.arange(samples) < (first - margin)[:, None]
    if not sharp or where.sum() < SMALLEST or _rms(x[where]) > 0.5 * _rms(x[~where]):
        return None
    return where if _incoherent(x, where) else None


def _quietest(x: np.ndarray) -> np.ndarray | None:
    """Return the quietest blocks whose traces are not alike."""
    size = min(BLOCK[0], x.shape[0]), min(BLOCK[1], x.shape[1])
    if size[0] < 6 or size[1] < 4 * LAGS:
        return None
    corners = [
        (i, j)
        for i in range(0, x.shape[0] - size[0] + 1, size[0])
        for j in range(0, x.shape[1] - size[1] + 1, size[1])
    ]
    views = [(slice(i, i + size[0]), slice(j, j + size[1])) for i, j in corners]
    noise = [(_rms(x[view]), view) for view in views if _coherence(x[view]) < COHERENT]
    noise = [pair for pair in noise if pair[0] > 0]
    if not noise:
        return None
    lowest = min(rms for rms, _ in noise)
    where = np.zeros(x.shape, bool)
    for rms, view in noise:
        where[view] |= rms <= SPREAD * lowest
    return where if where.sum() >= SMALLEST else None


def _incoherent(x: np.ndarray, where: np.ndarray) -> bool:
    """Return whether the traces are not alike inside of a window that starts every trace."""
    length = int(np.median(where.sum(axis=1)))
    if len(x) < 6 or length < 4 * LAGS:
        return True  # too small to tell: the rise of the energy has decided
    return _coherence(x[:, :length] * where[:, :length]) < COHERENT


def _coherence(block: np.ndarray) -> float:
    """Return the correlation of neighbouring traces at the best common shift."""
    block = block - block.mean(axis=1, keepdims=True)
    one = block[1:, LAGS:-LAGS]
    best = 0.0
    for lag in range(-LAGS, LAGS + 1):
        other = np.roll(block[:-1], lag, axis=1)[:, LAGS:-LAGS]
        norm = np.sqrt(np.square(one).sum() * np.square(other).sum()) + 1e-300
        # `roll` wraps around, but by LAGS at most, and as many samples are cut off at both ends. Of
        # either sign: polarity may flip from trace to trace.
        best = max(best, abs(float((one * other).sum())) / norm)
    return best


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.square(x).mean())) if x.size else 0.0
