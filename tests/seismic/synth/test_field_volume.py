"""Slices of a generated volume: their order, their seed, and what they share."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.synth.field_volume import VOLUMES, draw_slices, offsets_of

SHAPE = (24, 64)


def test_the_nearest_slices_come_first():
    assert offsets_of(0) == (0,)
    assert offsets_of(2) == (0, -1, 1, -2, 2)


@table("kind", sorted(VOLUMES))
def test_neighbouring_slices_share_their_geology(kind):
    drawn = [draw_slices(np.random.default_rng(seed), SHAPE, [kind], 2) for seed in range(25)]
    again = draw_slices(np.random.default_rng(3), SHAPE, [kind], 2)
    np.testing.assert_array_equal(drawn[3], again)
    assert all(x.shape == (5, *SHAPE) and x.dtype == np.float32 for x in drawn)
    assert all(x[0].std() == pytest.approx(1, rel=1e-4) for x in drawn)

    def alike(place: int) -> float:
        return float(np.median([np.corrcoef(x[0].ravel(), x[place].ravel())[0, 1] for x in drawn]))

    assert alike(1) > 0.6  # offset -1
    assert alike(1) > alike(3)  # offset -2
    assert any(not np.allclose(x[0], x[1]) for x in drawn)
