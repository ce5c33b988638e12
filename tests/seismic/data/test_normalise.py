from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.data import normalise
from scionwood_seismic.data.normalise import live, scale, scale_in_blocks


@table("factor", [1e-30, 1e-9, 1e6, 1e30])
def test_scale_is_proportional_to_the_amplitudes(factor: float) -> None:
    data = np.random.default_rng(0).standard_normal((30, 40)).astype(np.float32)
    scaled = scale(data * np.float32(factor))
    assert scaled == pytest.approx(factor * scale(data), rel=1e-5)


def test_a_single_spike_does_not_change_the_scale() -> None:
    data = np.random.default_rng(0).standard_normal((30, 40))
    before = scale(data)
    data[3, 7] = 1e6
    assert scale(data) == pytest.approx(before, rel=0.05)


def test_zeros_and_a_single_spike_have_a_scale() -> None:
    data = np.zeros((30, 40))
    assert scale(data) == 1
    data[3, 7] = 5
    assert 0 < scale(data) <= 5


class TestALongGather:
    """The scale of a long gather comes from evenly spaced live traces, for any block size."""

    @pytest.fixture
    def data(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        data = rng.standard_normal((500, 40)) * np.linspace(1, 9, 500)[:, None]
        data[100:200] = 0
        return data.astype(np.float32)

    @table("size", [1, 7, 64, 500])
    def test_the_scale_does_not_depend_on_the_blocks(
        self, data: np.ndarray, size: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = scale(data[live(data)])
        assert scale_in_blocks([data[i : i + size] for i in range(0, 500, size)]) == whole
        monkeypatch.setattr(normalise, "ENOUGH", 2000)
        some = scale_in_blocks([data[i : i + size] for i in range(0, 500, size)])
        assert some == pytest.approx(whole, rel=0.1)

    def test_all_parts_of_a_long_gather_count_equally(
        self, data: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(normalise, "ENOUGH", 400)
        backwards = [data[i : i + 50][::-1] for i in range(450, -1, -50)]
        forwards = [data[i : i + 50] for i in range(0, 500, 50)]
        assert scale_in_blocks(backwards) == pytest.approx(scale_in_blocks(forwards), rel=0.2)

    def test_a_dead_gather_has_a_scale(self) -> None:
        assert scale_in_blocks([np.zeros((5, 8)), np.full((5, 8), np.nan)]) == 1


def test_constant_and_non_finite_traces_are_not_live() -> None:
    data = np.random.default_rng(0).standard_normal((5, 8))
    data[1], data[2] = 0, 3.5
    data[3, 4], data[4, 0] = np.nan, np.inf
    assert live(data).tolist() == [True, False, False, False, False]
