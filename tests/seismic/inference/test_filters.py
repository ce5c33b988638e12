"""Filters keep what they are for, and take the rest."""

from __future__ import annotations

import numpy as np
from known_networks import events

from scionwood_seismic.inference.filters import band_pass, fan, fx_ssa, prediction


def kept(result: np.ndarray, wave: np.ndarray) -> float:
    """Return the share of the amplitude of a wave that is in a result."""
    return float((result * wave).sum() / np.square(wave).sum())


def test_a_band_pass_keeps_the_band_and_takes_both_sides():
    time = np.arange(400)
    slow, middle, fast = (np.sin(2 * np.pi * f * time)[None] for f in (0.005, 0.08, 0.4))
    result = band_pass(slow + middle + fast, 0.03, 0.2)
    assert kept(result, middle) > 0.98
    assert abs(kept(result, slow)) < 0.02
    assert abs(kept(result, fast)) < 0.02


def test_a_fan_takes_slow_events_and_keeps_fast_ones():
    fast, slow = events(0.5, traces=64, samples=256), events(4.0, traces=64, samples=256)
    result = fan(fast + slow, 2.0)
    assert kept(result, fast) > 0.9
    assert kept(result, slow) < 0.2


def test_rank_reduction_and_prediction_keep_linear_events_in_noise():
    wave = events(0.5, traces=64, samples=256)
    noise = wave.std() * np.random.default_rng(0).standard_normal(wave.shape)
    for result in (fx_ssa(wave + noise, 1.0, rank=3, highest=0.2), prediction(wave + noise)):
        assert kept(result, wave) > 0.6
        assert np.square(result - wave).sum() < 0.5 * np.square(noise).sum()
