"""Skill over linear filters: its value, its remarks, its refusals, and solid points."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import scionwood_pde as pde
from scionwood import ReadError, RecipeError
from scionwood_pde.evaluation.filters import FILTERS
from scionwood_pde.evaluation.skill import notes, remarks
from scionwood_pde.readers.states import layout_of

NAMES = ["u_x"]


@pytest.fixture(scope="module")
def states() -> xr.DataArray:
    """(sample 4, time 5, channel 3, 16, 16, 16) of Burgers' equation."""
    return pde.simulate(n=4, n_points=16, n_steps=4)


def test_skill_is_one_minus_the_error_over_that_of_the_best_filter(states):
    wrong = states[3:] * np.float32(1.3)
    (row,) = pde.evaluate(wrong, states[3:], pde.Placing(fields=NAMES), training=states[:3])
    best = min(float(row[name]) for name in FILTERS)
    assert row["vrmse"] == pytest.approx(0.3, abs=0.001)
    assert row["skill"] == pytest.approx(1 - float(row["vrmse"]) / best)
    assert best < float(row["persistence"])


def test_a_field_that_is_small_in_its_unit_has_a_warning(states):
    with pytest.warns(UserWarning, match="u_x: its variance is .*e-1.*See nrmse"):
        pde.evaluate(1e-5 * states[3:, :2], 1e-5 * states[3:, :2], pde.Placing(fields=NAMES))


def test_filters_take_the_step_of_the_prediction(states):
    every = pde.evaluate(
        states[3:, ::2], states[3:], pde.Placing(fields=NAMES), training=states[:3, ::2]
    )
    strided = pde.evaluate(
        states[3:, ::2], states[3:], pde.Placing(fields=NAMES), training=states[:3]
    )
    assert strided == every


def test_remarks_name_what_is_worse_than_the_mean_or_a_filter(states):
    scaled = {factor: states[3:] * np.float32(factor) for factor in (1.001, 1.5, 2.5)}
    said = {
        factor: remarks(
            pde.evaluate(wrong, states[3:], pde.Placing(fields=NAMES), training=states[:3])
        )
        for factor, wrong in scaled.items()
    }
    assert said[1.001] == []
    assert "u_x, horizon 1: no better than a linear filter (skill -" in said[1.5][0]
    assert "u_x, horizon 1: worse than the mean of the field (VRMSE 1.5" in said[2.5][0]
    alone = remarks(pde.evaluate(scaled[1.5], states[3:], pde.Placing(fields=NAMES)))
    assert "no better than persistence" in alone[0]


def test_open_axes_get_cosine_modes_and_a_note(states):
    walls = states.copy()
    walls.coords["y"].attrs["boundary"] = "wall"
    assert notes(layout_of(states), True) == []
    assert "cosine modes along y (wall)" in notes(layout_of(walls), True)[0]
    (row,) = pde.evaluate(walls[3:], walls[3:], pde.Placing(fields=NAMES), training=walls[:3])
    assert row["skill"] == 1
    assert 0 < float(row["shell"]) < float(row["persistence"])


def test_training_states_of_another_grid_step_or_field_are_refused(states):
    finer = states.assign_coords({axis: states[axis] / 2 for axis in "xyz"})
    for axis in "xyz":
        finer[axis].attrs = states[axis].attrs
    for training, rule in (
        (states[:3, :, :, :8], "their sides are"),
        (finer[:3], "their spacings are"),
        (states[:3].assign_coords(time=states["time"].copy(data=np.arange(5) * 0.03)), "step by"),
    ):
        with pytest.raises(RecipeError, match=rule):
            pde.evaluate(states[3:], states[3:], training=training)
    odd = states.assign_coords(time=states["time"].copy(data=np.array([0.0, 1, 2, 3, 10])))
    with pytest.raises(RecipeError, match="times lie 1 to 7 apart"):
        pde.evaluate(odd, odd)
    with pytest.raises(ReadError, match="no field 'u_z'"):
        pde.evaluate(states[3:], states[3:], training=states[:3].isel(channel=[0, 1]))


def test_solid_points_do_not_count(states):
    solid = states.copy()
    solid[..., 4:8, :, :] = np.nan
    wrong = solid * np.float32(1.2)
    (row,) = pde.evaluate(wrong[3:], solid[3:], pde.Placing(fields=NAMES), training=solid[:3])
    fluid = states[3, 1, 0].values
    fluid = fluid[np.r_[:4, 8:16]]
    (first,) = pde.evaluate(wrong[3:, :2], solid[3:, :2], pde.Placing(fields=NAMES))
    assert first["vrmse"] == pytest.approx(0.2 * (fluid**2).mean() ** 0.5 / fluid.std(), rel=1e-3)
    assert {"skill", "shell"} <= row.keys()
    assert not {"large_scales", "spectral_distance"} & row.keys()
    holes = wrong.copy()
    holes[3, 1, 0, 0, 0, 0] = np.nan
    with pytest.raises(RecipeError, match="1 values are not finite where the reference has"):
        pde.evaluate(holes[3:], solid[3:], pde.Placing(fields=NAMES))


def test_a_file_with_solid_points_is_read_on_request(states, tmp_path):
    solid = states[:1].copy()
    solid[..., 4:8, :, :] = np.nan
    for name in ("solid.nc", "solid.zarr", "solid.hdf5"):
        pde.write_states(solid, tmp_path / name)
        with pytest.raises(ReadError, match="If NaN marks solid points, set `solids`"):
            pde.open_states(tmp_path / name).load()
        read = pde.open_states(tmp_path / name, solids=True)
        np.testing.assert_array_equal(read.values, solid.values)
