from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.evaluation.baselines import METHODS, bandpass, fk_threshold, fx_ssa
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.signal import draw_gather

DT = 0.002


def snr(clean: np.ndarray, estimate: np.ndarray) -> float:
    return float(10 * np.log10((clean**2).sum() / ((clean - estimate) ** 2).sum()))


def sine(frequency: float) -> np.ndarray:
    return np.tile(np.sin(2 * np.pi * frequency * np.arange(500) * DT), (3, 1))


def test_the_band_pass_keeps_its_band_without_a_shift() -> None:
    inside = bandpass(sine(30), DT)
    np.testing.assert_allclose(inside[:, 100:-100], sine(30)[:, 100:-100], atol=0.02)
    assert np.abs(bandpass(sine(2), DT)[:, 100:-100]).max() < 0.01
    assert np.abs(bandpass(sine(200), DT)[:, 100:-100]).max() < 0.01


def test_the_threshold_keeps_the_largest_coefficients() -> None:
    wave = np.cos(2 * np.pi * (np.arange(64)[:, None] * 5 / 64 + np.arange(64) * 9 / 64))
    noise = 0.1 * np.random.default_rng(0).standard_normal(wave.shape)
    assert snr(wave, fk_threshold(wave + noise, DT, keep=2 / wave.size)) > 35


def test_rank_reduction_keeps_as_many_plane_waves_as_its_rank() -> None:
    x, f = np.arange(48), np.fft.rfftfreq(128, DT)
    spectrum = sum(np.exp(-2j * np.pi * np.outer(x * delay, f)) for delay in (0.0, 1e-3, -2e-3))
    spectrum[:, (f < 10) | (f > 60)] = 0
    waves = np.fft.irfft(spectrum, 128, axis=1)
    assert snr(waves, fx_ssa(waves, DT, rank=3, window=24)) > 100
    assert snr(waves, fx_ssa(waves, DT, rank=2, window=24)) < 30


@table("shape", [(20, 30), (70, 64), (256, 256)])
@table("name", METHODS)
def test_every_method_accepts_any_size(name: str, shape: tuple[int, int]) -> None:
    data = np.random.default_rng(0).standard_normal(shape)
    assert METHODS[name](data, DT).shape == shape


def test_methods_reach_their_known_snr_on_white_noise() -> None:
    """Means over four gathers: band-pass above 4 dB, f-k above 5.5, f-x rank reduction above 7."""
    scores: dict[str, list[float]] = {name: [] for name in METHODS}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        clean = draw_gather(rng, (256, 256)).astype(float)
        noisy = corrupt(rng, clean, "white", 0.0)
        for name, method in METHODS.items():
            scores[name].append(snr(clean, method(noisy, DT)))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert means["identity"] == pytest.approx(0, abs=0.01)
    assert means["band-pass"] > 4
    assert means["f-k"] > 5.5
    assert means["f-x SSA"] > 7
