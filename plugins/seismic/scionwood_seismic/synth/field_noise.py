"""Noise at the canonical sampling: white, coloured, shared by neighbours, and real windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from scipy import fft
from scipy import ndimage as nd

from scionwood_seismic.synth.canonical import resample
from scionwood_seismic.synth.noise import erratic, fading, swell

COLOURS = {"white": 0.3, "band": 0.3, "pink": 0.15, "high": 0.1, "near": 0.15}
"""Name -> the share of the coloured noise. `near` is shared by a few neighbouring traces."""

Shape = tuple[int, int]


@final
class NoiseWindows:
    """Windows of real noise, cut at random and stretched in time by a factor of 0.5 to 2.

    Args:
        records: noise records, (trace, time) each; every record is as likely as any other.
    """

    def __init__(self, records: Sequence[np.ndarray]) -> None:
        self.records = tuple(records)

    def draw(self, rng: np.random.Generator, shape: Shape) -> np.ndarray:
        """Draw a window without mean, (trace, time); its largest 0.3 % are clipped.

        A record with fewer traces is mirrored. In half of the windows the traces change places, so
        that what neighbours share by chance is not taken for signal.
        """
        traces, samples = shape
        record = self.records[rng.integers(len(self.records))]
        length = min(round(samples * np.exp(rng.uniform(np.log(0.5), np.log(2)))), record.shape[1])
        first = rng.integers(0, max(1, len(record) - traces + 1))
        start = rng.integers(0, record.shape[1] - length + 1)
        window = record[first : first + traces, start : start + length].astype(np.float64)
        missing = traces - len(window)
        window = np.pad(window, ((0, missing), (0, 0)), mode="symmetric") if missing else window
        window = resample(window - window.mean(axis=1, keepdims=True), samples)
        window = np.clip(window, *np.quantile(window, [0.003, 0.997]))
        window = window[rng.permutation(traces)] if rng.random() < 0.5 else window
        return window[:, ::-1] if rng.random() < 0.5 else window


def draw_noise(
    rng: np.random.Generator,
    shape: Shape,
    real: NoiseWindows | None = None,
    share: float = 0.0,
    colours: Sequence[str] = tuple(COLOURS),
) -> np.ndarray:
    """Draw noise of unit standard deviation, (trace, time) float32.

    Args:
        rng: the random number generator.
        shape: (trace, time), samples.
        real: windows of real noise.
        share: the share of draws that start from a real window; a third of them gets coloured noise
            beside it.
        colours: names of `COLOURS` to choose from.
    """
    if real is not None and rng.random() < share:
        noise = real.draw(rng, shape)
        if rng.random() < 0.3:
            noise = _unit(noise) + rng.uniform(0.2, 1) * _coloured(rng, shape, colours)
    else:
        noise = _coloured(rng, shape, colours)
    return _unit(_uneven(rng, noise)).astype(np.float32)


def _coloured(rng: np.random.Generator, shape: Shape, colours: Sequence[str]) -> np.ndarray:
    white = rng.standard_normal(shape)
    weights = np.array([COLOURS[name] for name in colours])
    kind = rng.choice(list(colours), p=weights / weights.sum())
    if kind == "white":
        return white
    spectrum, f = fft.rfft(white), fft.rfftfreq(shape[1])
    if kind == "near":
        smooth = fft.irfft(spectrum * (f < rng.uniform(0.08, 0.3)), shape[1])
        near: np.ndarray = nd.gaussian_filter1d(smooth, rng.uniform(0.4, 1.0), axis=0)
        return near
    if kind == "band":
        low, high = rng.uniform(0, 0.07), rng.uniform(0.09, 0.4)
        below, beyond = np.clip(low - f, 0, None) / 0.02, np.clip(f - high, 0, None) / 0.04
        gain = np.exp(-(below**2) - beyond**2)
    elif kind == "pink":
        gain = (f + 0.01) ** -rng.uniform(0.3, 1.2)
    else:
        gain = np.clip(f / 0.2, 0, 1) ** 2
    coloured: np.ndarray = fft.irfft(spectrum * gain, shape[1])
    return coloured


def _uneven(rng: np.random.Generator, noise: np.ndarray) -> np.ndarray:
    """Return noise that may differ in level along traces or time, or noise of another class."""
    traces, samples = noise.shape
    u = rng.random()
    if u < 0.1:
        return noise * np.exp(0.7 * rng.standard_normal((traces, 1)))
    if u < 0.17:
        return erratic(rng, noise.shape, 0.002, 12.5)
    if u < 0.21:
        return fading(rng, noise.shape, 0.002, 12.5)
    if u < 0.24:
        return swell(rng, noise.shape, 0.0012, 12.5)
    if u < 0.3:
        burst = (np.arange(samples) - rng.uniform(0, samples)) / rng.uniform(5, 30)
        noise = noise * (0.3 + 3 * np.exp(-(burst**2)))
    return noise


def _unit(noise: np.ndarray) -> np.ndarray:
    normalised: np.ndarray = noise / (noise.std() + 1e-12)
    return normalised
