"""One amplitude scale a gather: a model sees unit amplitudes, and the file keeps its own."""

from __future__ import annotations

import numpy as np


def scale(gather: np.ndarray) -> float:
    """The RMS amplitude after clipping at the 99th percentile of the magnitudes.

    The clipping keeps a few bursts from making all else small. It is proportional to the
    amplitudes, `scale(a x) = |a| scale(x)`, which is what makes a denoiser that divides and
    multiplies by it proportional too.

    Args:
        gather: (trace, time), finite, any unit.

    Returns:
        A positive number in that unit; 1 for a gather of zeros.
    """
    magnitude = np.abs(gather.astype(np.float64))
    top = float(np.quantile(magnitude, 0.99)) or float(magnitude.max(initial=0.0))
    rms = float(np.sqrt((np.minimum(magnitude, top) ** 2).mean())) if magnitude.size else 0.0
    return rms or 1.0


def live(gather: np.ndarray) -> np.ndarray:
    """Which traces carry a signal: finite in all samples, and not constant. (trace,) bool."""
    finite = np.isfinite(gather).all(axis=1)
    return finite & (gather != gather[:, :1]).any(axis=1)
