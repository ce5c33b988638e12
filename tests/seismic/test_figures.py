from __future__ import annotations

import numpy as np
import pytest

from scionwood_seismic.figures import panels, quality


@pytest.fixture
def noisy() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((20, 32)).astype(np.float32)


def test_panels_have_time_down_and_one_symmetric_gain(noisy: np.ndarray) -> None:
    figure = panels({"input": noisy, "removed": 0.1 * noisy}, dt=0.004)
    first, second = (axes.images[0] for axes in figure.axes)
    np.testing.assert_array_equal(first.get_array(), noisy.T)
    low, high = first.get_clim()
    assert -low == high == pytest.approx(np.quantile(np.abs(noisy), 0.98))
    assert second.get_clim() == (low, high)
    bottom, top = figure.axes[0].get_ylim()
    assert (bottom, top) == (pytest.approx(0.128), 0)


def test_the_qc_sheet_states_the_leakage(noisy: np.ndarray) -> None:
    figure = quality(noisy, 0.5 * noisy, 0.004)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == ["input", "denoised", "removed"]
    similarity = next(title for title in titles if title.startswith("local similarity"))
    assert float(similarity.split()[-1]) > 0.9  # what was removed is the signal itself


def test_silence_can_be_drawn(noisy: np.ndarray) -> None:
    assert panels({"input": 0 * noisy}).axes
