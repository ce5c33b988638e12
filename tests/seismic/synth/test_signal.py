from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.synth.signal import SIGNALS, draw_gather, ricker


@table("kind", SIGNALS)
@table("seed", range(8))
def test_a_gather_has_unit_amplitude_and_the_requested_shape(kind: str, seed: int) -> None:
    data = draw_gather(np.random.default_rng(seed), (40, 56), kind=kind)
    assert (data.shape, data.dtype) == ((40, 56), np.float32)
    assert data.std() == pytest.approx(1, rel=1e-4)


def test_the_wavelet_peaks_at_its_frequency() -> None:
    spectrum = np.abs(np.fft.rfft(ricker(30, 0.001, 0.4), 4000))
    assert np.fft.rfftfreq(4000, 0.001)[spectrum.argmax()] == pytest.approx(30, abs=0.5)


@table("kind", SIGNALS)
def test_signal_lies_below_120_hz(kind: str) -> None:
    """A denoiser can then learn that higher frequencies are noise."""
    power = np.abs(np.fft.rfft(draw_gather(np.random.default_rng(3), (64, 256), kind=kind))) ** 2
    above = np.fft.rfftfreq(256, 0.002) > 120
    assert power[:, above].sum() < 0.01 * power.sum()
