"""Noise classes of land, marine and fibre-optic (DAS) records.

Each class is a function `(rng, shape, dt, dx) -> (trace, time)` float32 of unit standard deviation;
`dt` is in s, `dx` in m. The shapes follow published descriptions, and the ranges are a choice of
this project. Swell and ground roll follow Yilmaz, Seismic Data Analysis, 2001, chapters 1 and 6.
Common-mode stripes and erratic channels resemble those in public DAS records. The ringing of a
wireline cable follows Henninges et al., 2021, doi 10.5194/se-12-521-2021.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import fft

Noise = Callable[[np.random.Generator, tuple[int, int], float, float], np.ndarray]


def shaped(
    rng: np.random.Generator, shape: tuple[int, int], dt: float, low: float, high: float
) -> np.ndarray:
    """Draw Gaussian noise with a zero-phase band-pass from `low` to `high` Hz along time.

    The response is that of a fourth-order Butterworth filter run forwards and backwards. With
    `low` 0 the filter is a low-pass. The result is (trace, time) float32.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    f = fft.rfftfreq(shape[1], dt)
    gain = 1 / (1 + (f / high) ** 8)
    if low > 0:
        gain = gain * (1 - 1 / (1 + (f / low) ** 8))
    filtered: np.ndarray = fft.irfft(fft.rfft(white) * gain.astype(np.float32), shape[1])
    return filtered


def white(rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float) -> np.ndarray:
    """Draw independent Gaussian samples."""
    return rng.standard_normal(shape, dtype=np.float32)


def band(rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float) -> np.ndarray:
    """Draw Gaussian noise in the band of the signal, 5 to 80 Hz."""
    return _unit(shaped(rng, shape, dt, 5, 80))


def erratic(rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float) -> np.ndarray:
    """Draw a few bad traces (2 %, 5 to 15 times stronger) and isolated spikes (0.3 %)."""
    noise = 0.3 * white(rng, shape, dt, dx)
    bad = rng.choice(shape[0], int(0.02 * shape[0]) + 1, replace=False)
    noise[bad] += rng.uniform(5, 15, (len(bad), 1)) * rng.standard_normal((len(bad), shape[1]))
    flat = noise.reshape(-1)
    spikes = rng.integers(0, flat.size, rng.poisson(0.003 * flat.size))
    flat[spikes] += 15 * rng.standard_normal(len(spikes))
    return _unit(noise)


def common_mode(
    rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float
) -> np.ndarray:
    """Draw one series below 60 Hz that all channels share, as when an interrogator vibrates."""
    stripe = _unit(shaped(rng, (1, shape[1]), dt, 0, 60))
    return _unit(0.3 * white(rng, shape, dt, dx) + 1.5 * stripe)


def swell(rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float) -> np.ndarray:
    """Draw clusters of traces with strong noise below 12 Hz, as from waves along a streamer."""
    noise = 0.3 * white(rng, shape, dt, dx)
    for _ in range(max(1, round(shape[0] * 6 / 256))):
        centre, half = int(rng.integers(shape[0])), int(rng.integers(3, 12))
        rows = np.arange(max(0, centre - half), min(shape[0], centre + half))
        window = np.hanning(len(rows) + 2)[1:-1, None]
        noise[rows] += 6 * window * _unit(shaped(rng, (len(rows), shape[1]), dt, 0, 12))
    return _unit(noise)


def ground_roll(
    rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float
) -> np.ndarray:
    """Draw dispersive surface waves, 18 Hz falling to 6 Hz, 250 to 500 m/s, source in view."""
    x = (np.arange(shape[0]) - rng.integers(0, shape[0])) * dx
    far = np.abs(x) / np.abs(x).max()
    v = rng.uniform(250, 500, (3, 1))
    # The train passes a random trace at a random time of the record, so it is always in view.
    through = rng.integers(shape[0])
    origin = rng.uniform(0, 0.7) * shape[1] * dt - np.abs(x[through]) / v.mean()
    t = np.arange(shape[1]) * dt
    tau = (t - (origin + np.abs(x) / v)[..., None]).astype(np.float32)  # (mode, trace, time), s
    width = (0.05 + 0.1 * far)[:, None]
    envelope = np.exp(-(((tau - 0.05 - 0.15 * far[:, None]) / width) ** 2))
    # The integral of the frequency: 18 Hz, minus 24 Hz/s for the first half second.
    sweep = np.clip(tau, 0, 0.5)
    phase = 2 * np.pi * ((18 - 24 * sweep) * tau + 12 * sweep**2)
    roll = (envelope * np.sin(phase + rng.uniform(0, 2 * np.pi, (3, 1, 1)))).sum(0)
    return _unit(0.2 * white(rng, shape, dt, dx) + 4 * roll)


def fading(rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float) -> np.ndarray:
    """Draw bursts on the channels (about 5 %) whose optical signal fades.

    The same channels also lose signal; see `channel_gain`.
    """
    noise = 0.3 * white(rng, shape, dt, dx)
    lost = rng.choice(shape[0], max(1, round(0.05 * shape[0])), replace=False)
    burst = _unit(np.abs(shaped(rng, (len(lost), shape[1]), dt, 0, 8)))
    strength = rng.uniform(1, 5, (len(lost), 1))
    noise[lost] += strength * burst * rng.standard_normal(burst.shape, dtype=np.float32)
    return _unit(noise)


def channel_gain(noise: np.ndarray) -> np.ndarray:
    """Return the share of the signal that each channel of `fading` noise keeps, (trace, 1).

    The values lie in (0, 1]. The stronger the noise of a channel is relative to the median
    channel, the less light carries its signal.
    """
    loudness = np.sqrt((noise**2).mean(axis=1, keepdims=True))
    gain: np.ndarray = np.minimum(1, 1.5 * np.median(loudness) / (loudness + 1e-12))
    return gain.astype(np.float32)


def ringing(rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float) -> np.ndarray:
    """Draw standing waves on loose cable sections, with a wave speed of 3 to 5 km/s."""
    noise = 0.2 * white(rng, shape, dt, dx)
    t = np.arange(shape[1]) * dt
    for _ in range(rng.integers(1, 4)):
        size = int(rng.integers(min(12, shape[0] // 2), max(13, shape[0] * 2 // 3)))
        first = rng.integers(0, shape[0] - size + 1)
        order = np.arange(1, 6)[:, None]
        f = order * rng.uniform(3000, 5000) / (2 * size * dx)  # m c / 2L
        onset = rng.uniform(-0.2, 0.5) * shape[1] * dt
        decay = np.exp(-np.clip(t - onset, 0, None) / rng.uniform(0.1, 0.5)) * (t >= onset)
        along = np.sin(np.pi * order * (np.arange(size) + 0.5) / size) / order**0.5
        in_time = np.cos(2 * np.pi * f * t + rng.uniform(0, 2 * np.pi, (5, 1))) * decay * (f < 90)
        wave = along.T @ in_time
        noise[first : first + size] += rng.uniform(1, 2) * wave / (wave.std() + 1e-12)
    return _unit(noise)


def checkerboard(
    rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float
) -> np.ndarray:
    """Draw a pattern that alternates along traces and time, as from digitiser interference."""
    period, f = rng.uniform(4, 20), rng.uniform(10, 60)
    along = np.sin(2 * np.pi * np.arange(shape[0]) / period + rng.uniform(0, 2 * np.pi))
    in_time = np.sin(2 * np.pi * f * np.arange(shape[1]) * dt + rng.uniform(0, 2 * np.pi))
    board = np.tanh(3 * along)[:, None] * np.tanh(3 * in_time)
    return _unit(0.3 * white(rng, shape, dt, dx) + board)


def long_period(
    rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float
) -> np.ndarray:
    """Draw a drift below 4 Hz that changes smoothly along the fibre, as from temperature."""
    drift = shaped(rng, shape, dt, 0, 4)
    along = np.hanning(33)[None, :]
    size = fft.next_fast_len(shape[0] + 32, real=True)
    drift = fft.irfft(fft.rfft(drift.T, size) * fft.rfft(along, size), size)[
        :, 16 : 16 + shape[0]
    ].T
    return _unit(0.2 * white(rng, shape, dt, dx) + 1.5 * _unit(drift))


def ambient(rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float) -> np.ndarray:
    """Draw wind and ocean noise: power falls with frequency, and neighbouring traces share it."""
    spectrum = fft.fft2(rng.standard_normal(shape, dtype=np.float32))
    # The 0.01 bounds the power at frequency 0.
    f = np.abs(fft.fftfreq(shape[1]))[None] + 0.01
    return _unit(fft.ifft2(spectrum * f**-0.7 * _near(shape[0], 0.15)).real)


def scattered(rng: np.random.Generator, shape: tuple[int, int], dt: float, dx: float) -> np.ndarray:
    """Draw noise in the band of the signal, 5 to 60 Hz, that a few neighbouring traces share."""
    spectrum = fft.fft(shaped(rng, shape, dt, 5, 60), axis=0)
    return _unit(fft.ifft(spectrum * _near(shape[0], 0.12), axis=0).real)


NOISES: Mapping[str, Noise] = {
    "white": white,
    "band": band,
    "erratic": erratic,
    "common_mode": common_mode,
    "swell": swell,
    "ground_roll": ground_roll,
    "fading": fading,
    "ringing": ringing,
    "checkerboard": checkerboard,
    "long_period": long_period,
}
"""Name -> noise class, for the classes that the recipes train on."""

UNSEEN: Mapping[str, Noise] = {"ambient": ambient, "scattered": scattered}
"""Name -> noise class, for the classes that no recipe trains on; they stand for a new survey."""


def _near(traces: int, width: float) -> np.ndarray:
    """Return a Gaussian low-pass along traces, (trace, 1); `width` is in cycles per trace."""
    response: np.ndarray = np.exp(-((fft.fftfreq(traces) / width) ** 2))[:, None].astype(np.float32)
    return response


def _unit(x: np.ndarray) -> np.ndarray:
    normalised: np.ndarray = (x / (x.std() + 1e-12)).astype(np.float32)
    return normalised
