"""The canonical sampling: the period of a record, and an exact way back."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.synth.canonical import (
    CANONICAL_PERIOD,
    Plan,
    dominant_period,
    plan,
    resample,
)
from scionwood_seismic.synth.signal import convolve, place_spikes, ricker


def events(period: float, *, traces: int = 24, samples: int = 600, dip: float = 0.2) -> np.ndarray:
    """Return events with a Ricker wavelet of a period, samples."""
    times = np.arange(40, samples - 40, 3.3 * period)[:, None] + dip * np.arange(traces)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (len(times), 1))
    spikes = place_spikes(times, signs * np.ones_like(times), (traces, samples))
    return convolve(spikes, ricker(1 / period, 1.0, length=4 * period))


@table("period", [6.0, 12.0, 30.0, 60.0])
@table("traces", [1, 24])
def test_the_dominant_period_is_that_of_the_wavelet(period, traces):
    record = events(period, traces=traces, samples=1200)
    assert dominant_period(record) == pytest.approx(period, rel=0.15)


def test_neither_drift_nor_unit_nor_noise_moves_the_period():
    record = events(12.0)
    drift = record + 50 + np.linspace(0, 3, record.shape[1])
    for other in (1e6 * record, 1e-9 * record, drift):
        assert dominant_period(other) == pytest.approx(dominant_period(record), rel=0.1)
    record = events(20.0, traces=48)
    noise = record.std() * np.random.default_rng(1).standard_normal(record.shape)
    assert dominant_period(record + noise) == pytest.approx(20.0, rel=0.15)


def test_silent_records_and_stations_are_not_resampled():
    assert plan(np.zeros((4, 100))) == Plan(CANONICAL_PERIOD, 1.0, False, 100)
    steps = plan(events(50.0, traces=3), domain="station")
    assert (steps.factor, steps.drop_high) == (1.0, False)


@table("n", [37, 100, 101, 250])
def test_resampling_to_more_samples_and_back_is_exact(n):
    record = np.random.default_rng(0).standard_normal((3, 37))
    np.testing.assert_allclose(resample(resample(record, n), 37), record, atol=1e-12)


def test_resampling_keeps_a_constant_and_places_events_in_time():
    flat = resample(np.full((1, 60), 7.0), 25)
    np.testing.assert_allclose(flat, 7.0)
    record = events(20.0, traces=1, samples=400)
    fine = resample(record, 800)
    # Sample k of the fine record lies at (k + 1/2) / 2 - 1/2 samples of the coarse one.
    assert (int(fine.argmax()) + 0.5) / 2 - 0.5 == pytest.approx(int(record.argmax()), abs=0.5)


@table("period", [4.0, 12.0, 40.0])
def test_what_is_not_removed_comes_back_bit_for_bit(period):
    record = events(period).astype(np.float32)
    steps = plan(record)
    assert not steps.drop_high
    canonical = steps.apply(record)
    assert canonical.shape == (24, steps.length)
    assert np.array_equal(steps.restore(record, np.zeros_like(canonical)), record)


@pytest.mark.parametrize("period", [5.0, 40.0])
def test_a_plan_reaches_the_canonical_period(period):
    record = events(period)
    found = dominant_period(plan(record).apply(record))
    assert found == pytest.approx(CANONICAL_PERIOD, rel=0.15)


def test_what_is_removed_goes_where_it_was():
    record = events(40.0)
    steps = plan(record)
    back = steps.restore(record, steps.apply(record))
    assert np.square(back).sum() < 1e-4 * np.square(record).sum()


def test_incoherent_energy_above_the_band_goes_and_coherent_energy_stays():
    record = events(14.0)
    noise = 0.6 * record.std() * np.random.default_rng(2).standard_normal(record.shape)
    assert plan(record + noise).drop_high
    assert not plan(record).drop_high
    assert not plan(record + noise, domain="das").drop_high
