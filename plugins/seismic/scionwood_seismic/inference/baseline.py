"""The base line of traces: offset, trend and drift, which denoising must not change."""

from __future__ import annotations

import numpy as np
from scipy import fft

LITTLE = 0.02  # share of the energy of a trace up to which it has no base line

SLOW = 20.0  # dominant periods: what is slower is drift


def offsets(record: np.ndarray) -> np.ndarray:
    """Return the offset and the linear trend of each trace, where they are significant.

    Both come from the medians of the two halves of a trace, so that a few strong arrivals in a
    trace that is quiet or muted elsewhere have no offset.
    """
    samples = record.shape[1]
    half = samples // 2
    first, second = (np.median(part, axis=1) for part in (record[:, :half], record[:, half:]))
    time = (np.arange(samples, dtype=np.float32) - (samples - 1) / 2) / (samples / 2)
    middle = ((first + second) / 2)[:, None]
    return significant(record, middle + (second - first)[:, None] * time)


def drift(record: np.ndarray, period: float) -> np.ndarray:
    """Return the offset of each trace and what is slower than `SLOW` dominant periods."""
    slow = max(1, int(2 * record.shape[1] / (SLOW * period)))
    coefficients = fft.dct(record, norm="ortho", axis=1)
    coefficients[:, slow:] = 0
    slow_part: np.ndarray = fft.idct(coefficients, norm="ortho", axis=1)
    return slow_part


def significant(record: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Return a base line for the traces in which it is more than `LITTLE` of the energy.

    A base line that only the signal caused would bring a step into muted samples.
    """
    size = np.square(base).sum(axis=1) > LITTLE * np.square(record).sum(axis=1)
    significant_base: np.ndarray = base * size[:, None]
    return significant_base
