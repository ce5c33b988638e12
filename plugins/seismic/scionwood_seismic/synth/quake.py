"""Records of one station: two wave trains on three components, and the noise of an instrument.

The unit of time is the sample, and frequencies are in cycles per sample. Corners and lengths are
log-uniform over wide ranges, so that a draw stands for many magnitudes, distances and sample
intervals. The ranges are a choice of this project.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from scionwood_seismic.synth.field_noise import NoiseWindows

COMPONENTS = 3


def draw_quake(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Draw an earthquake: P and S trains with their codas, and often long periods under them.

    Args:
        rng: the random number generator.
        samples: samples of a component.

    Returns:
        (component, time) of unit standard deviation.
    """
    while True:
        p = rng.uniform(-0.3, 0.8) * samples
        s = p + _log_uniform(rng, 0.03, 0.75) * samples
        record = _train(rng, samples, p, rng.uniform(0.1, 0.8)) + _train(rng, samples, s, 1.0)
        if rng.random() < 0.5:
            long = _shaped(rng, samples, 0.0005, rng.uniform(0.002, 0.02), -0.5)
            record += rng.uniform(0, 1) * record.std() * long * (np.arange(samples) > p)
        if record.std() > 1e-9:  # both trains may lie outside the record
            unit: np.ndarray = record / record.std()
            return unit


def draw_station_noise(
    rng: np.random.Generator, samples: int, real: NoiseWindows | None = None, share: float = 0.0
) -> np.ndarray:
    """Draw noise: white, coloured with random corners, or windows of real noise.

    Args:
        rng: the random number generator.
        samples: samples of a component.
        real: windows of real noise; each component gets a window of its own.
        share: the share of draws from these windows.

    Returns:
        (component, time) of unit standard deviation.
    """
    if real is not None and rng.random() < share:
        noise = np.concatenate([real.draw(rng, (1, samples)) for _ in range(COMPONENTS)])
    elif rng.random() < 0.5:
        noise = rng.standard_normal((COMPONENTS, samples))
    else:
        low, high = _log_uniform(rng, 0.0005, 0.01), _log_uniform(rng, 0.003, 0.4)
        noise = _shaped(rng, samples, low, high, rng.uniform(-1.5, 0.3))
    unit: np.ndarray = noise / (noise.std() + 1e-12)
    return unit


def _train(rng: np.random.Generator, samples: int, at: float, amplitude: float) -> np.ndarray:
    """Return a wave train: noise of a band under an envelope that rises fast and decays."""
    low = _log_uniform(rng, 0.001, 0.03)
    high = min(low * _log_uniform(rng, 3, 100), 0.45)
    carrier = _shaped(rng, samples, low, high, rng.uniform(-0.7, 0.2))
    after = np.clip(np.arange(samples) - at, 0, None)
    rise, decay = rng.uniform(1, 40), _log_uniform(rng, 30, 800)
    envelope = (1 - np.exp(-after / rise)) * np.exp(-after / decay)
    train: np.ndarray = amplitude * rng.uniform(0.3, 1, (COMPONENTS, 1)) * carrier * envelope
    return train


def _shaped(
    rng: np.random.Generator, samples: int, low: float, high: float, slope: float
) -> np.ndarray:
    """Return noise with a band and a slope of its spectrum, of unit standard deviation."""
    f = fft.rfftfreq(samples)
    gain = np.maximum(f, 1e-3) ** slope / (1 + (low / np.maximum(f, 1e-4)) ** 4)
    gain /= 1 + (f / high) ** 4
    noise = fft.irfft(fft.rfft(rng.standard_normal((COMPONENTS, samples))) * gain, samples)
    shaped: np.ndarray = noise / (noise.std() + 1e-12)
    return shaped


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
