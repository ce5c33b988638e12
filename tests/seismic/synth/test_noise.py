"""Classes of noise: their spectra, their ratio to the signal, and a gauge."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.synth.mixture import average_gauge, corrupt
from scionwood_seismic.synth.noise import NOISES, UNSEEN
from scionwood_seismic.synth.signal import draw_gather

DT, DX, SHAPE = 0.002, 12.5, (96, 256)
ALL = {**NOISES, **UNSEEN}


def draw(kind: str, seed: int = 0) -> np.ndarray:
    return ALL[kind](np.random.default_rng(seed), SHAPE, DT, DX)


def kurtosis(x: np.ndarray) -> float:
    return float((x**4).mean() / (x**2).mean() ** 2 - 3)


def share(x: np.ndarray, low: float, high: float) -> float:
    """Return the share of the energy between two frequencies, Hz."""
    power = (np.abs(np.fft.rfft(x)) ** 2).sum(0)
    f = np.fft.rfftfreq(x.shape[1], DT)
    return float(power[(f >= low) & (f <= high)].sum() / power.sum())


@table("kind", ALL)
@table("shape", [(16, 16), (96, 256)])
def test_each_class_is_seeded_and_of_unit_amplitude(kind, shape):
    one, same, other = (ALL[kind](np.random.default_rng(seed), shape, DT, DX) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert one.dtype == np.float32
    assert one.std() == pytest.approx(1, abs=0.1)


def test_common_mode_noise_is_correlated_over_channels():
    stripes = draw("common_mode")
    alike = np.broadcast_to(np.median(stripes, axis=0), SHAPE)
    assert (stripes - alike).var() < 0.1


@pytest.mark.parametrize("kind", UNSEEN)
def test_unseen_noise_is_shared_by_neighbours_and_gaussian(kind):
    noise = draw(kind)
    neighbours = (noise[1:] * noise[:-1]).mean()
    far = (noise[40:] * noise[:-40]).mean()
    assert neighbours > 0.5
    assert abs(far) < 0.2
    assert abs(kurtosis(noise)) < 0.6


@table(
    ("kind", "low", "high", "least"),
    [
        ("band", 4, 90, 0.95),
        ("scattered", 4, 70, 0.95),
        ("swell", 0, 14, 0.7),
        ("long_period", 0, 6, 0.9),
        ("ringing", 0, 90, 0.85),
    ],
)
def test_noise_lies_in_its_band(kind, low, high, least):
    assert share(draw(kind), low, high) > least


def test_ground_roll_is_slower_than_reflections():
    """Most of its energy lies where frequency / wavenumber is below 700 m/s."""
    k = np.abs(np.fft.fftfreq(SHAPE[0], DX))[:, None]
    slow = np.fft.rfftfreq(SHAPE[1], DT) < 700 * k

    def slow_share(data: np.ndarray) -> float:
        power = np.abs(np.fft.rfft2(data)) ** 2
        return float(power[slow].sum() / power.sum())

    # Of some draws a part is aliased, and looks fast.
    assert np.mean([slow_share(draw("ground_roll", seed)) for seed in range(4)]) > 0.6
    assert slow_share(draw_gather(np.random.default_rng(0), SHAPE, dt=DT, dx=DX)) < 0.3


@table("kind", NOISES)
@table("snr", [-8.0, 0.0, 8.0])
def test_noise_has_the_requested_ratio(kind, snr):
    rng = np.random.default_rng(5)
    clean = draw_gather(rng, (64, 96)) * 1e-6  # strain rates are small numbers
    error = corrupt(rng, clean, kind, snr) - clean
    ratio = 10 * np.log10((clean.astype(float) ** 2).sum() / (error.astype(float) ** 2).sum())
    assert ratio == pytest.approx(snr, abs=0.01)


def test_a_gauge_averages_over_traces():
    data = np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32)
    averaged = average_gauge(data, 3)
    np.testing.assert_allclose(averaged[5], data[4:7].mean(0), rtol=1e-5)
    assert averaged.shape == data.shape
    assert average_gauge(data, 1) is data
