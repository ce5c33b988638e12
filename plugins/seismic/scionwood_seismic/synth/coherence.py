"""What neighbouring traces of a record share: their spectrum, and their local coherence."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft
from scipy import ndimage as nd

FFT = 1024
LAG = 4  # samples, the largest lag of two neighbours
SEGMENT, SEGMENTS = 512, 8  # what a spectrum looks at, at most


def local_coherence(record: np.ndarray) -> float:
    """Return the energy-weighted correlation of neighbouring traces in small windows, 0 to 1.

    Each window has 8 traces and 32 samples, and the best lag within four samples counts. At most
    400 windows are looked at.

    Args:
        record: (trace, time), any unit.
    """
    corners = [
        (i, j)
        for i in range(0, max(1, record.shape[0] - 7), 8)
        for j in range(0, max(1, record.shape[1] - 31), 32)
    ]
    windows: dict[tuple[int, ...], list[np.ndarray]] = {}  # those at the edges are smaller
    for i, j in corners[:: -(-len(corners) // 400)]:
        window = record[i : i + 8, j : j + 32]
        if window.shape[0] >= 2 and window.shape[1] >= 16:
            windows.setdefault(window.shape, []).append(window)
    energy = total = 0.0
    for group in map(np.stack, windows.values()):
        energies = np.square(group).sum(axis=(1, 2))
        energy += float(energies.sum())
        total += float((energies * _best_alike(group)).sum())
    return total / energy if energy else 0.0


def coherent_spectrum(record: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the power that neighbouring traces share above its floor, and its frequencies.

    The record is levelled first, so that its strongest arrival does not decide alone. Fewer than
    six traces share nothing reliable; there the power itself counts.

    Args:
        record: (trace, time), any unit.

    Returns:
        Two arrays of 513 values: power, and frequency in cycles per sample.
    """
    traces, n = record.shape
    many = traces >= 6
    size = min(n, SEGMENT)
    taper = np.hanning(size + 2)[1:-1]
    level = nd.uniform_filter(np.square(record), (min(traces, 15), min(n, 101)))
    x = record / (np.sqrt(np.maximum(level, 0)) + 1e-3 * record.std() + 1e-30)
    starts = np.unique(np.linspace(0, n - size, min(SEGMENTS, -(-2 * n // size) - 1)).astype(int))
    power = np.zeros(FFT // 2 + 1)
    for at in starts:
        piece = x[:, at : at + size]
        spectra = fft.rfft((piece - piece.mean(axis=1, keepdims=True)) * taper, FFT)
        power += _shared_power(spectra) if many else np.square(np.abs(spectra)).mean(axis=0)
    if not many:
        power = nd.uniform_filter1d(power, 9)
    # Smoothed cross-spectra of independent noise do not vanish: the floor is taken from the weakest
    # frequencies, which hold no event.
    return np.clip(power - 1.5 * np.quantile(power, 0.3), 0, None), fft.rfftfreq(FFT)


def _shared_power(spectra: np.ndarray) -> np.ndarray:
    cross = spectra[1:] * spectra[:-1].conj()
    # The mean is over complex values: the phases of independent noise cancel, those of an event of
    # nearly constant slope do not.
    smooth = nd.uniform_filter(cross.real, (8, 9)) + 1j * nd.uniform_filter(cross.imag, (8, 9))
    power: np.ndarray = np.abs(smooth).mean(axis=0)
    return power


def _best_alike(windows: np.ndarray) -> np.ndarray:
    """Return the correlation of neighbouring traces of each window at its best lag, (window,)."""
    inner = windows.shape[2] - 2 * LAG
    one = windows[:, 1:, LAG:-LAG]
    others = sliding_window_view(windows[:, :-1], inner, axis=2)
    both = np.einsum("wti,wtli->wl", one, others)
    energy = np.square(windows[:, :-1]).sum(axis=1)
    other_energy = sliding_window_view(energy, inner, axis=1).sum(axis=2)
    norm = np.sqrt(np.einsum("wti,wti->w", one, one)[:, None] * other_energy + 1e-30)
    best: np.ndarray = (np.abs(both) / norm).max(axis=1)
    return best
