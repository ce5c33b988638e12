"""Signal: events with moveout, amplitudes that vary along the spread, and a Ricker wavelet.

The moveout curves follow Yilmaz, Seismic Data Analysis, 2001, chapter 3. Microseismic arrivals on a
straight fibre follow Karrenbach et al., 2019, doi 10.1190/geo2017-0396.1. The parameter ranges are
a choice of this project.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

SIGNALS = ("reflection", "vsp", "microseismic")
"""The kinds of gather: a shot gather, a vertical seismic profile and a passive record."""


def ricker(frequency: float, dt: float, length: float = 0.128) -> np.ndarray:
    """Return the zero-phase Ricker wavelet, `(1 - 2a) exp(-a)` with `a = (pi f t)^2`.

    Args:
        frequency: the peak frequency f, Hz.
        dt: the sample interval, s.
        length: the support of the wavelet, s.

    Returns:
        (time,) float64; the peak, 1, is in the middle.

    Source: Ricker, N., 1953, Geophysics 18(1), 10-40.
    """
    half = round(length / dt / 2)
    a = (np.pi * frequency * dt * np.arange(-half, half + 1)) ** 2
    wavelet: np.ndarray = (1 - 2 * a) * np.exp(-a)
    return wavelet


def draw_gather(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    dt: float = 0.002,
    dx: float = 12.5,
    kind: str = "reflection",
) -> np.ndarray:
    """Draw a noise-free gather of unit standard deviation.

    Args:
        rng: the random number generator.
        shape: (trace, time).
        dt: the sample interval, s.
        dx: the distance between traces, m.
        kind: one of `SIGNALS`.

    Returns:
        (trace, time) float32.
    """
    moveout = {"reflection": _reflections, "vsp": _vsp, "microseismic": _microseismic}[kind]
    times, amplitudes = moveout(rng, shape, dt, dx)
    spikes = place_spikes(times / dt, amplitudes, shape)
    traces = convolve(spikes, ricker(rng.uniform(15, 45), dt))
    normalised: np.ndarray = (traces / (traces.std() + 1e-12)).astype(np.float32)
    return normalised


def _reflections(
    rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return times (event, trace), s, and amplitudes of hyperbolic, linear and dipping events."""
    n = rng.integers(4, 13)
    x = (np.arange(shape[0]) - rng.integers(0, shape[0])) * dx
    t0 = rng.uniform(0.05, 0.95, (n, 1)) * shape[1] * dt
    slowness = 1 / rng.uniform(1500, 4500, (n, 1))  # s/m
    dip = rng.choice([-1, 1], (n, 1)) / rng.uniform(2500, 20000, (n, 1))
    which = rng.choice(3, (n, 1), p=[0.6, 0.2, 0.2])
    hyperbola = np.sqrt(t0**2 + (x * slowness) ** 2)
    times = np.choose(which, [hyperbola, t0 + np.abs(x) * slowness, t0 + x * dip])
    offset = (x / max(np.abs(x).max(), dx)) ** 2  # a single trace has no offset
    signs = rng.choice([-1, 1], (n, 1)) * rng.uniform(0.2, 1, (n, 1))
    return times, signs * (1 + rng.uniform(-0.5, 0.5, (n, 1)) * offset)


def _vsp(
    rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return a down-going arrival with multiples, and reflections; velocity grows with depth."""
    v0, gradient = rng.uniform(1500, 3000), rng.uniform(0.2, 1.2)
    z = np.arange(shape[0]) * dx + rng.uniform(0, 500)
    vertical = np.log1p(gradient * z / v0) / gradient  # one-way time for v = v0 + gradient z
    start = rng.uniform(0.05, 0.3) * shape[1] * dt - vertical[0]
    lags = np.concatenate([[0.0], rng.uniform(0.03, 0.5, rng.integers(0, 3))])
    down = start + vertical + lags[:, None] * shape[1] * dt
    deep = rng.integers(shape[0] // 4, shape[0] * 3 // 2, rng.integers(2, 7)) * dx + z[0]
    deep_time = np.log1p(gradient * deep / v0)[:, None] / gradient
    # Below its reflector a receiver sees no reflection: a time before the record is dropped.
    up = np.where(z < deep[:, None], start + 2 * deep_time - vertical, -1.0)
    strong = np.where(lags > 0, 0.4, 1.0)[:, None] * np.ones_like(down)
    weak = rng.choice([-1, 1], (len(deep), 1)) * rng.uniform(0.15, 0.5, (len(deep), 1))
    return np.concatenate([down, up]), np.concatenate([strong, weak * np.ones_like(up)])


def _microseismic(
    rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return P and S arrivals of 1 to 3 events near a straight fibre; polarity may flip."""
    n = rng.integers(1, 4)
    x = np.arange(shape[0]) * dx
    apex = rng.uniform(0, x[-1], (n, 1))
    distance = np.hypot(x - apex, rng.uniform(50, 800, (n, 1)))
    vp = rng.uniform(2500, 5500, (n, 1))
    vs = vp / rng.uniform(1.6, 1.9, (n, 1))
    nearest = distance.min(axis=1, keepdims=True)
    origin = rng.uniform(0.05, 0.7, (n, 1)) * shape[1] * dt - nearest / vp
    decay = np.sqrt(nearest / distance)
    # The S waves of a shear source change sign on either side of the apex.
    flip = np.where(rng.random((n, 1)) < 0.5, np.tanh((x - apex) / (4 * dx)), 1.0)
    p = rng.uniform(0.2, 0.7, (n, 1)) * decay
    s = rng.choice([-1, 1], (n, 1)) * decay * flip
    return np.concatenate([origin + distance / vp, origin + distance / vs]), np.concatenate([p, s])


def place_spikes(samples: np.ndarray, amplitudes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Place spikes at fractional sample positions (event, trace), shared by two neighbours."""
    left = np.floor(samples).astype(np.int64)
    # Linear interpolation: a delay of less than a sample is not rounded away.
    right_share = samples - left
    trace = np.broadcast_to(np.arange(shape[0]), left.shape)
    spikes = np.zeros(shape[0] * shape[1])
    for step, share in ((0, 1 - right_share), (1, right_share)):
        at = left + step
        inside = (at >= 0) & (at < shape[1])
        flat = (trace * shape[1] + at)[inside]
        spikes += np.bincount(flat, (amplitudes * share)[inside], minlength=spikes.size)
    return spikes.reshape(shape)


def convolve(spikes: np.ndarray, wavelet: np.ndarray) -> np.ndarray:
    """Convolve each trace with a wavelet whose time zero is its middle sample."""
    n, half = spikes.shape[1], len(wavelet) // 2
    size = fft.next_fast_len(n + len(wavelet) - 1, real=True)
    spectrum = fft.rfft(spikes.astype(np.float32), size) * fft.rfft(wavelet, size)
    traces: np.ndarray = fft.irfft(spectrum, size)[:, half : half + n]
    return traces
