"""Linear filters of a record along time and traces, and reduction of its rank."""

from __future__ import annotations

import numpy as np
from scipy import fft

EDGE = 32  # samples by which a record is continued by its mirror image


def band_pass(record: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the part of a record between two frequencies, with soft corners and zero phase.

    Args:
        record: (trace, time), any unit.
        low: lower corner, cycles per sample; 0: none.
        high: upper corner, cycles per sample; from 0.5 on: none.

    Example:
        >>> import numpy as np
        >>> slow = np.sin(np.arange(200) / 20)[None]
        >>> bool(abs(band_pass(slow, 0.05, 0.5)).max() < 0.1)
        True
    """
    samples = record.shape[1]
    edge = min(EDGE, samples - 1)
    padded = np.pad(record, ((0, 0), (edge, edge)), mode="reflect")
    f = fft.rfftfreq(padded.shape[1])
    gain = np.ones_like(f)
    if low > 0:
        gain /= 1 + (low / np.maximum(f, 1e-9)) ** 8
    if high < 0.5:
        gain /= 1 + (f / high) ** 12
    filtered: np.ndarray = fft.irfft(fft.rfft(padded) * gain, padded.shape[1])
    return filtered[:, edge : edge + samples]


def fan(record: np.ndarray, slowest: float) -> np.ndarray:
    """Return the part of a record whose events are at most so slow (an f-k velocity filter).

    Args:
        record: (trace, time), any unit.
        slowest: the largest delay that is kept, samples per trace.
    """
    traces, samples = record.shape
    rows, edge = traces // 4, min(EDGE, samples - 1)
    padded = np.pad(record, ((rows, rows), (edge, edge)), mode="reflect")
    k = np.abs(fft.fftfreq(padded.shape[0]))[:, None]
    f = np.abs(fft.rfftfreq(padded.shape[1]))
    # A soft corner: a sixteenth of the slowness, in which the gain falls from 3/4 to 1/4.
    beyond = (k / np.maximum(f, 1e-6) - slowest) / (slowest / 16 + 1e-9)
    gain = 1 / (1 + np.exp(np.clip(beyond, -50, 50)))
    spectrum = fft.fft(fft.rfft(padded) * 1.0, axis=0) * gain
    kept: np.ndarray = fft.irfft(fft.ifft(spectrum, axis=0), padded.shape[1])
    return kept[rows : rows + traces, edge : edge + samples]


def fx_ssa(
    data: np.ndarray, dt: float, *, rank: int = 6, window: int = 64, highest: float = 90
) -> np.ndarray:
    """Reduce the rank of f-x Hankel matrices in overlapping windows (Cadzow filtering, SSA).

    At each frequency, k linear events in a window give a Hankel matrix of rank k.

    Args:
        data: (trace, time).
        dt: the sample interval, s.
        rank: the number of events in a window.
        window: traces per window; neighbouring windows overlap by half.
        highest: the highest frequency that is kept, Hz.

    Returns:
        (trace, time).

    Source: Trickett, 2008, SEG expanded abstracts, 2586-2590; Oropeza and Sacchi, 2011, Geophysics
    76(3), V25, doi 10.1190/1.3552706.
    """
    samples = data.shape[1]
    total, weights = np.zeros(data.shape), np.zeros((len(data), 1))
    in_band = np.fft.rfftfreq(samples, dt) <= highest
    for rows, taper in _windows(len(data), window):
        spectrum = np.fft.rfft(data[rows], axis=1)
        reduced = np.zeros_like(spectrum)
        reduced[:, in_band] = _reduce(spectrum[:, in_band].T, rank).T
        total[rows] += np.fft.irfft(reduced, n=samples, axis=1) * taper
        weights[rows] += taper
    return total / weights


def prediction(record: np.ndarray, *, order: int = 4, window: int = 32) -> np.ndarray:
    """Return the f-x prediction of each trace from its neighbours on both sides.

    Args:
        record: (trace, time), any unit; at least three traces.
        order: neighbours on each side, at most a third of the window.
        window: traces per window; neighbouring windows overlap by half.

    Source: Canales, 1984, SEG expanded abstracts, 525-527.
    """
    total, weight = np.zeros(record.shape), np.zeros((len(record), 1))
    window = min(window, len(record))
    order = min(order, max(1, window // 3))
    at = np.arange(order, window)[:, None] - np.arange(1, order + 1)
    for rows, taper in _windows(len(record), window):
        spectrum = np.fft.rfft(record[rows]).T
        before = spectrum[:, at]
        normal = np.einsum("fnl,fnm->flm", before.conj(), before)
        level = 0.02 * np.einsum("fll->f", normal).real / order + 1e-20
        right = np.einsum("fnl,fn->fl", before.conj(), spectrum[:, order:])
        weights = np.linalg.solve(normal + level[:, None, None] * np.eye(order), right[..., None])
        ahead = np.einsum("fnl,fl->fn", before, weights[..., 0])
        behind = np.einsum("fnl,fl->fn", spectrum[:, ::-1].conj()[:, at], weights[..., 0])
        both, count = np.zeros_like(spectrum), np.zeros(window)
        both[:, order:] += ahead
        both[:, : window - order] += behind[:, ::-1].conj()
        count[order:] += 1
        count[: window - order] += 1
        part = np.fft.irfft((both / np.maximum(count, 1)).T, record.shape[1])
        total[rows] += taper * part
        weight[rows] += taper
    return total / weight


def _windows(traces: int, window: int) -> list[tuple[slice, np.ndarray]]:
    """Return windows of traces that overlap by half, and the taper of each, (trace, 1)."""
    window = min(window, traces)
    last = traces - window
    starts = sorted({*range(0, last, max(1, window // 2)), last})
    taper = np.hanning(window + 2)[1:-1, None]
    return [(slice(start, start + window), taper) for start in starts]


def _reduce(rows: np.ndarray, rank: int) -> np.ndarray:
    """Reduce the rank of the Hankel matrix of each row, (frequency, trace), and average it back."""
    n = rows.shape[1]
    height = n // 2 + 1
    at = np.arange(height)[:, None] + np.arange(n - height + 1)
    hankel = rows[:, at]
    # The leading left vectors come from the square of the matrix, in half of the time of an SVD.
    _, vectors = np.linalg.eigh(hankel @ hankel.conj().swapaxes(1, 2))
    leading = vectors[..., -rank:]
    low = leading @ (leading.conj().swapaxes(1, 2) @ hankel)
    total = np.zeros_like(rows)
    for i in range(height):
        total[:, i : i + n - height + 1] += low[:, i]
    return total / np.bincount(at.ravel(), minlength=n)
