"""The amplitude scale of a gather: the model sees unit amplitudes, and the file keeps its unit."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

QUANTILE = 0.99
"""Larger magnitudes than this quantile are clipped before the RMS is measured."""

ENOUGH = 1 << 22  # samples; more of them make the quantile slower but not better


def scale(gather: np.ndarray) -> float:
    """Return the RMS amplitude after clipping at the 99th percentile of the magnitudes.

    Clipping keeps a few bursts from making everything else small. The scale is proportional to the
    amplitudes, `scale(a x) = |a| scale(x)`. A denoiser that divides by it and multiplies by it is
    therefore proportional too. In a gather of more than 4 Mi samples, every n-th trace is measured.

    Args:
        gather: (trace, time), finite, any unit.

    Returns:
        A positive number in the unit of `gather`; 1 for a gather of zeros.
    """
    step = max(1, -(-gather.size // ENOUGH))
    magnitude = np.abs(gather[::step].astype(np.float64))
    top = float(np.quantile(magnitude, QUANTILE)) if magnitude.size else 0.0
    top = top or float(magnitude.max(initial=0.0))
    rms = float(np.sqrt((np.minimum(magnitude, top) ** 2).mean())) if magnitude.size else 0.0
    return rms or 1.0


def scale_in_blocks(blocks: Iterable[np.ndarray]) -> float:
    """Return the scale of a gather that does not fit in memory, from evenly spaced live traces.

    Args:
        blocks: the gather in pieces, (trace, time) each, any unit.

    Returns:
        See `scale`. At most 8 Mi samples are in memory, besides one block.
    """
    live_rows: list[np.ndarray] = []
    step, live_count, size = 1, 0, 0
    for block in blocks:
        rows = block[live(block)]
        live_rows.append(rows[-live_count % step :: step])
        live_count += len(rows)
        size += live_rows[-1].size
        while size > 2 * ENOUGH and sum(map(len, live_rows)) > 1:
            live_rows = [np.concatenate(live_rows)[::2]]
            step, size = 2 * step, live_rows[0].size
    return scale(np.concatenate(live_rows)) if live_rows else 1.0


def live(gather: np.ndarray) -> np.ndarray:
    """Return which traces are live, (trace,) bool: all samples finite, and not all equal."""
    finite = np.isfinite(gather).all(axis=1)
    varies = (gather != gather[:, :1]).any(axis=1)
    alive: np.ndarray = finite & varies
    return alive
