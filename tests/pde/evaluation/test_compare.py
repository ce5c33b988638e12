"""Comparison with reference states: by scale, by enstrophy, and at the predicted times."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from case_table import table

from scionwood import RecipeError
from scionwood_pde.evaluation.compare import (
    SCALES,
    at_times_of,
    enstrophy_errors,
    enstrophy_rows,
    errors,
)
from scionwood_pde.evaluation.skill import check_regular
from scionwood_pde.readers.states import from_simulation, layout_of
from scionwood_pde.solvers import simulate


@pytest.fixture(scope="module")
def states() -> xr.DataArray:
    """(sample 2, time 4, channel 3, 16, 16, 16) of Burgers' equation."""
    return from_simulation(simulate("burgers", 16, 3, 3, 0.02, 2, torch.Generator().manual_seed(0)))


def with_wave(states: xr.DataArray, number: int) -> xr.DataArray:
    """Return the states plus a wave along x with the given number of periods."""
    return states + 0.1 * np.sin(2 * np.pi * number * states.coords["x"]).astype(np.float32)


@table(("number", "scale"), [(1, 0), (3, 1), (7, 2)])
def test_an_error_shows_at_its_own_scale(states, number, scale):
    by_measure = errors(with_wave(states, number).transpose(*states.dims), states)
    parts = torch.stack([by_measure[name] for name in SCALES])
    torch.testing.assert_close(
        parts.square().sum(0), by_measure["vrmse"].square(), rtol=2e-3, atol=0.0
    )
    assert (parts[scale] > 0.99 * by_measure["vrmse"]).all()


def test_a_box_that_is_not_a_cube_has_no_scales(states):
    half = states.isel(x=slice(8))
    assert not set(SCALES) & errors(half, half).keys()


def test_twice_the_velocity_has_four_times_the_enstrophy(states):
    relative = enstrophy_errors(2 * states, states)
    assert list(relative) == ["u"]
    torch.testing.assert_close(relative["u"], torch.full((2, 3, 1), 3.0, dtype=torch.float64))
    assert enstrophy_rows(relative) == [
        {"field": "enstrophy u", "horizon": "1", "nrmse": pytest.approx(3)}
    ]


def test_enstrophy_needs_a_whole_vector_in_a_periodic_box(states):
    part = states.isel(channel=[0, 1])
    assert not enstrophy_errors(part, part)
    walls = states.copy()
    walls.coords["y"].attrs["boundary"] = "wall"
    assert not enstrophy_errors(walls, walls)


def test_the_reference_is_selected_at_the_predicted_times(states):
    second = states[:, ::2]
    xr.testing.assert_equal(at_times_of(second, states), second)
    with pytest.raises(
        RecipeError, match=r"state at time 0.02: the nearest reference state is at 0\. "
    ):
        at_times_of(states, second)


def test_states_in_other_units_or_on_another_grid_are_not_compared(states):
    def other(axis: str, factor: float = 1, **attrs: str) -> xr.DataArray:
        line = states.coords[axis]
        return states.assign_coords({axis: (axis, factor * line.values, {**line.attrs, **attrs})})

    for changed, rule in (
        (other("time", units="h"), "unit of time is T; in the reference states it is h"),
        (states.assign_coords(unit=("channel", ["V"] * 3)), "is U; in the reference states it is"),
        (other("x", 3), "points along x lie 0.0625 apart; in the reference states 0.1875"),
        (other("x", -1), "points along x lie 0.0625 apart; in the reference states -0.0625"),
    ):
        with pytest.raises(RecipeError, match=rule):
            at_times_of(states, changed)
    unsaid = other("time", units="unknown")
    assert at_times_of(states, unsaid).sizes == states.sizes


@table("times", [[0.0, 0, 0, 0], [3.0, 2, 1, 0], [0.0, 1, 1, 2]])
def test_times_that_do_not_rise_are_refused(states, times):
    line = ("time", times, states.coords["time"].attrs)
    with pytest.raises(RecipeError, match=r"and each is later than the one before.*sortby"):
        check_regular(layout_of(states.assign_coords(time=line)), "states")
