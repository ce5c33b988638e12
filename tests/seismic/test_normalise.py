from __future__ import annotations

import numpy as np
import pytest

from scionwood_seismic.normalise import live, scale


@pytest.mark.parametrize("factor", [1e-30, 1e-9, 1e6, 1e30])
def test_scale_is_proportional_to_the_amplitudes(factor: float) -> None:
    data = np.random.default_rng(0).standard_normal((30, 40)).astype(np.float32)
    scaled = scale(data * np.float32(factor))
    assert scaled == pytest.approx(factor * scale(data), rel=1e-5)


def test_one_spike_does_not_shrink_the_rest() -> None:
    data = np.random.default_rng(0).standard_normal((30, 40))
    before = scale(data)
    data[3, 7] = 1e6
    assert scale(data) == pytest.approx(before, rel=0.05)


def test_silence_and_a_lone_spike_have_a_scale() -> None:
    data = np.zeros((30, 40))
    assert scale(data) == 1
    data[3, 7] = 5
    assert 0 < scale(data) <= 5


def test_constant_and_not_finite_traces_are_not_live() -> None:
    data = np.random.default_rng(0).standard_normal((5, 8))
    data[1], data[2] = 0, 3.5
    data[3, 4], data[4, 0] = np.nan, np.inf
    assert live(data).tolist() == [True, False, False, False, False]
