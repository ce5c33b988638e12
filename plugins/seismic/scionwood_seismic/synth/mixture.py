"""Mix signal and noise at a given signal-to-noise ratio, and average over a gauge length."""

from __future__ import annotations

import numpy as np

from scionwood_seismic.synth.noise import NOISES, UNSEEN, channel_gain


def corrupt(
    rng: np.random.Generator,
    clean: np.ndarray,
    kind: str,
    snr: float,
    *,
    dt: float = 0.002,
    dx: float = 12.5,
) -> np.ndarray:
    """Add noise of one class, scaled so that the result has the given SNR.

    The SNR is `10 log10(|clean|^2 / |noisy - clean|^2)`. Fading also lowers the gain of some
    channels; that loss counts as part of the error.

    Args:
        rng: the random number generator.
        clean: (trace, time) float32.
        kind: a key of `NOISES` or `UNSEEN`.
        snr: the signal-to-noise ratio, dB.
        dt: the sample interval, s.
        dx: the distance between traces, m.

    Returns:
        (trace, time) float32, in the units of `clean`.
    """
    draw = NOISES.get(kind) or UNSEEN[kind]
    noise = draw(rng, clean.shape, dt, dx)
    lost = clean * (channel_gain(noise) - 1) if kind == "fading" else np.zeros_like(clean)
    noisy: np.ndarray = clean + lost
    return noisy + _scale(lost, noise, _energy(clean) / 10 ** (snr / 10)) * noise


def average_gauge(gather: np.ndarray, gauge: int) -> np.ndarray:
    """Average over `gauge` neighbouring traces, as a fibre with that gauge length does.

    Args:
        gather: (trace, time) float32.
        gauge: the gauge length, traces; 1 changes nothing.

    Returns:
        (trace, time) float32.

    Source: Dean et al., 2017, doi 10.1111/1365-2478.12419.
    """
    if gauge == 1:
        return gather
    padded = np.pad(gather, ((gauge // 2, gauge - 1 - gauge // 2), (0, 0)), mode="edge")
    averaged: np.ndarray = np.lib.stride_tricks.sliding_window_view(padded, gauge, axis=0).mean(-1)
    return averaged


def _scale(lost: np.ndarray, noise: np.ndarray, target: float) -> float:
    """Return the positive a with |lost + a noise|^2 = target; 0 if the loss alone exceeds it."""
    a, b, c = _energy(noise), 2 * float((lost * noise).sum()), _energy(lost) - target
    return float(max(0.0, (-b + np.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a)))


def _energy(x: np.ndarray) -> float:
    return float((x.astype(np.float64) ** 2).sum())
