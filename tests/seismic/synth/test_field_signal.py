"""The generators' physics: periods, dips, gain, mutes, and draws that depend on the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.synth.field_signal import (
    KINDS,
    PERIODS,
    STEEPEST,
    draw_dips,
    draw_record,
    draw_wavelet,
)
from scionwood_seismic.synth.signal import SIGNALS, draw_gather, ricker

SHAPE = (48, 96)


@table("kind", sorted(KINDS))
def test_a_record_has_unit_deviation_and_depends_on_the_seed_alone(kind):
    first, again, other = (
        draw_record(np.random.default_rng(seed), SHAPE, [kind]) for seed in (3, 3, 4)
    )
    assert first.shape == SHAPE
    assert first.dtype == np.float32
    assert first.std() == pytest.approx(1, rel=1e-4)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_dips_reach_from_flat_to_aliased():
    period = 12.0
    dips = np.abs(draw_dips(np.random.default_rng(0), 4000, period))
    assert (dips == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert (dips < 0.3).mean() > 0.5
    assert (dips > 0.5 * period).mean() > 0.01  # aliased at the dominant period
    assert dips.max() <= STEEPEST * period


def test_a_wavelet_has_the_period_that_was_asked_for():
    rng = np.random.default_rng(0)
    for period in (*PERIODS, 12.0):
        centres = []
        for _ in range(40):
            wavelet = draw_wavelet(rng, period)
            power = np.square(np.abs(np.fft.rfft(wavelet, 2048)))
            centres.append((power * np.fft.rfftfreq(2048)).sum() / power.sum())
            assert np.abs(wavelet).max() == pytest.approx(1)
        assert np.median(centres) * period == pytest.approx(1.2, abs=0.25)


def test_the_layers_of_a_stack_differ_between_neighbours_more_than_those_of_a_section():
    def similarity(kind: str) -> float:
        rng = np.random.default_rng(5)
        records = [draw_record(rng, SHAPE, [kind]) for _ in range(30)]
        pairs = [np.corrcoef(r[1:].ravel(), r[:-1].ravel())[0, 1] for r in records]
        return float(np.median(pairs))

    assert similarity("layers") < similarity("section")


@table("kind", SIGNALS)
@table("seed", range(8))
def test_a_gather_has_unit_amplitude_and_the_requested_shape(kind, seed):
    data = draw_gather(np.random.default_rng(seed), (40, 56), kind=kind)
    assert (data.shape, data.dtype) == ((40, 56), np.float32)
    assert data.std() == pytest.approx(1, rel=1e-4)


def test_the_wavelet_peaks_at_its_frequency():
    spectrum = np.abs(np.fft.rfft(ricker(30, 0.001, 0.4), 4000))
    assert np.fft.rfftfreq(4000, 0.001)[spectrum.argmax()] == pytest.approx(30, abs=0.5)


@table("kind", SIGNALS)
def test_signal_lies_below_120_hz(kind):
    """A denoiser can then learn that higher frequencies are noise."""
    power = np.abs(np.fft.rfft(draw_gather(np.random.default_rng(3), (64, 256), kind=kind))) ** 2
    above = np.fft.rfftfreq(256, 0.002) > 120
    assert power[:, above].sum() < 0.01 * power.sum()
