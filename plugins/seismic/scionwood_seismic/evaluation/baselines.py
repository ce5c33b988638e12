"""Classical denoising methods, for comparison: filters, thresholding and rank reduction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import butter, sosfiltfilt
from skimage.restoration import denoise_tv_chambolle

from scionwood_seismic.inference.filters import fx_ssa


def identity(data: np.ndarray, dt: float) -> np.ndarray:
    """Return the gather unchanged: the unprocessed input."""
    return data


def bandpass(data: np.ndarray, dt: float, *, low: float = 8, high: float = 70) -> np.ndarray:
    """Apply a zero-phase fourth-order Butterworth band-pass along time.

    The filter runs forwards and backwards.

    Args:
        data: (trace, time).
        dt: the sample interval, s.
        low: lower corner, Hz.
        high: upper corner, Hz.

    Returns:
        (trace, time).

    Source: Butterworth, S., 1930, Experimental Wireless 7, 536-541; the filter is SciPy's.
    """
    sections = butter(4, [low, min(high, 0.45 / dt)], btype="band", fs=1 / dt, output="sos")
    # 27 is SciPy's own padding for this filter; it must be shorter than a trace.
    padding = min(27, data.shape[1] - 1)
    filtered: np.ndarray = sosfiltfilt(sections, data, axis=1, padlen=padding)
    return filtered


def fk_threshold(data: np.ndarray, dt: float, *, keep: float = 0.05) -> np.ndarray:
    """Keep the largest coefficients of the f-k spectrum and set the others to zero.

    Args:
        data: (trace, time).
        dt: the sample interval, s; not used.
        keep: the share of coefficients that are kept.

    Returns:
        (trace, time).

    Source: hard thresholding, Donoho and Johnstone, 1994, Biometrika 81(3), here in the f-k domain.
    """
    spectrum = np.fft.fft2(data)
    magnitude = np.abs(spectrum)
    sparse_spectrum = spectrum * (magnitude >= np.quantile(magnitude, 1 - keep))
    return np.fft.ifft2(sparse_spectrum).real


def bandpass_ssa(data: np.ndarray, dt: float) -> np.ndarray:
    """Apply the band-pass, and then f-x SSA. See `bandpass` and `fx_ssa`."""
    return fx_ssa(bandpass(data, dt), dt)


def trace_median(data: np.ndarray, dt: float, *, width: int = 5) -> np.ndarray:
    """Apply a running median over `width` neighbouring traces.

    Args:
        data: (trace, time).
        dt: the sample interval, s; not used.
        width: length of the median, traces.

    Returns:
        (trace, time).

    Source: Bednar, 1983, Geophysics 48(12), 1598-1610.
    """
    filtered: np.ndarray = median_filter(data, (width, 1))
    return filtered


def common_mode(data: np.ndarray, dt: float) -> np.ndarray:
    """Subtract the median over all traces from each sample. Shapes: (trace, time) in and out."""
    without: np.ndarray = data - np.median(data, axis=0, keepdims=True)
    return without


def total_variation(data: np.ndarray, dt: float, *, weight: float = 1.0) -> np.ndarray:
    """Apply total-variation denoising, after division by the standard deviation of the signal.

    Args:
        data: (trace, time).
        dt: the sample interval, s; not used.
        weight: strength; larger values remove more. 1 is best at an SNR of 0 dB.

    Returns:
        (trace, time).

    Source: Chambolle, 2004, J. Math. Imaging and Vision 20, 89-97, as in scikit-image.
    """
    unit = float(np.std(data)) / np.sqrt(2) or 1.0  # at 0 dB half of the power is signal
    smooth: np.ndarray = denoise_tv_chambolle(data / unit, weight=weight)
    return unit * smooth


METHODS: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "identity": identity,
    "band-pass": bandpass,
    "f-k": fk_threshold,
    "f-x SSA": fx_ssa,
    "bp + SSA": bandpass_ssa,
    "median 5": trace_median,
    "TV": total_variation,
    "common-mode": common_mode,
}
"""Name -> method, for the comparison table. Each takes (trace, time) and dt in s."""
