from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.synth.mixture import average_gauge, corrupt
from scionwood_seismic.synth.noise import NOISES
from scionwood_seismic.synth.signal import draw_gather


@table("kind", NOISES)
@table("snr", [-8.0, 0.0, 8.0])
def test_noise_has_the_requested_ratio(kind: str, snr: float) -> None:
    rng = np.random.default_rng(5)
    clean = draw_gather(rng, (64, 96)) * 1e-6  # strain rates are small numbers
    error = corrupt(rng, clean, kind, snr) - clean
    ratio = 10 * np.log10((clean.astype(float) ** 2).sum() / (error.astype(float) ** 2).sum())
    assert ratio == pytest.approx(snr, abs=0.01)


def test_a_gauge_averages_over_traces() -> None:
    data = np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32)
    averaged = average_gauge(data, 3)
    np.testing.assert_allclose(averaged[5], data[4:7].mean(0), rtol=1e-5)
    assert averaged.shape == data.shape
    assert average_gauge(data, 1) is data
