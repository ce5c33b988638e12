"""The part of a gather without signal is found, and it is refused where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.inference.noise_window import find_noise_window
from scionwood_seismic.synth.signal import draw_gather

SHAPE = (64, 256)


def noise(level: float) -> np.ndarray:
    return level * np.random.default_rng(0).standard_normal(SHAPE)


def signal(start: int) -> np.ndarray:
    """Events of unit RMS from a sample on."""
    events = draw_gather(generator(1, "test", 0), (SHAPE[0], SHAPE[1] - start))
    return np.pad(events, ((0, 0), (start, 0)))


def test_the_part_before_the_first_arrivals_is_found() -> None:
    gather = noise(0.1)
    gather[:, 100:] += np.sin(np.arange(SHAPE[1] - 100) / 2)
    window = find_noise_window(gather)
    assert window is not None
    assert window.how == "before the first arrivals"
    assert not window.where[:, 100:].any()
    assert window.where[:, :80].all()


@table("level", [0.5, 1.0, 2.0])
def test_the_quietest_part_has_the_level_of_the_noise(level: float) -> None:
    gather = signal(0) + noise(level)
    window = find_noise_window(gather)
    assert window is not None
    assert gather[window.where].std() == pytest.approx(level, rel=0.08)


def test_a_gather_that_is_full_of_signal_has_no_window() -> None:
    time = np.arange(SHAPE[1]) + 0.3 * np.arange(SHAPE[0])[:, None]
    assert find_noise_window(np.sin(time / 2) + noise(0.05)) is None


def test_noise_that_all_traces_share_is_not_told_from_signal() -> None:
    assert find_noise_window(np.ones((SHAPE[0], 1)) * noise(1.0)[:1]) is None


def test_a_gather_that_is_too_small_has_no_window() -> None:
    assert find_noise_window(noise(1.0)[:1, :20]) is None
    assert find_noise_window(noise(1.0)[:3, :60]) is None
