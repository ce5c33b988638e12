"""One amplitude scale a gather: a model sees unit amplitudes, and the file keeps its own."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

ENOUGH = 1 << 22  # samples; a quantile of more of them is no better, and slow


def scale(gather: np.ndarray) -> float:
    """The RMS amplitude after clipping at the 99th percentile of the magnitudes.

    The clipping keeps a few bursts from making all else small. It is proportional to the
    amplitudes, `scale(a x) = |a| scale(x)`, which is what makes a denoiser that divides and
    multiplies by it proportional too. Of a gather of more than 4 Mi samples, every n-th trace is
    measured.

    Args:
        gather: (trace, time), finite, any unit.

    Returns:
        A positive number in that unit; 1 for a gather of zeros.
    """
    step = max(1, -(-gather.size // ENOUGH))
    magnitude = np.abs(gather[::step].astype(np.float64))
    top = float(np.quantile(magnitude, 0.99)) if magnitude.size else 0.0
    top = top or float(magnitude.max(initial=0.0))
    rms = float(np.sqrt((np.minimum(magnitude, top) ** 2).mean())) if magnitude.size else 0.0
    return rms or 1.0


def scale_in_blocks(blocks: Iterable[np.ndarray]) -> float:
    """The scale of a gather that is too long for memory, over evenly chosen live traces.

    Args:
        blocks: (trace, time) each, any unit.

    Returns:
        See `scale`; at most 8 Mi samples are held beside a block.
    """
    kept: list[np.ndarray] = []
    step, seen, held = 1, 0, 0
    for block in blocks:
        rows = block[live(block)]
        kept.append(rows[-seen % step :: step])
        seen += len(rows)
        held += kept[-1].size
        while held > 2 * ENOUGH and sum(map(len, kept)) > 1:
            kept = [np.concatenate(kept)[::2]]
            step, held = 2 * step, kept[0].size
    return scale(np.concatenate(kept)) if kept else 1.0


def live(gather: np.ndarray) -> np.ndarray:
    """Which traces carry a signal: finite in all samples, and not constant. (trace,) bool."""
    finite = np.isfinite(gather).all(axis=1)
    return finite & (gather != gather[:, :1]).any(axis=1)
