"""A run is compared with the states it is applied to: units, grid, equation, and its own error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from case_table import table

import scionwood_pde as pde
from scionwood import ReadError, RecipeError, find_run
from scionwood_pde import inference
from scionwood_pde.data.domain import FILE, Domain
from scionwood_pde.data.files import Files
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.evaluation.skill import no_better_than_persistence
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.states import layout_of
from scionwood_pde.tasks.dynamics import Dynamics, check_cubes
from scionwood_pde.tasks.states import mean_over, mean_vrmse


@pytest.fixture(scope="module")
def states() -> xr.DataArray:
    """(sample 3, time 3, channel 3, 16, 16, 16) of Burgers' equation."""
    return pde.simulate(n=3, n_points=16, n_steps=2)


@pytest.fixture(scope="module")
def domain(states: xr.DataArray) -> Domain:
    return Domain.of(layout_of(states))


def changed(states: xr.DataArray, axis: str, **attributes: str) -> xr.DataArray:
    other = states.copy()
    other.coords[axis].attrs.update(attributes)
    return other


def test_states_like_those_of_the_training_raise_no_word(states, domain, tmp_path):
    assert domain.equation == "burgers"
    domain.write(tmp_path)
    again = Domain.read(tmp_path)
    assert again == domain
    assert again.check(layout_of(states), "the file") == []
    (tmp_path / FILE).write_text((tmp_path / FILE).read_text().replace("0.0625", "NaN"))
    with pytest.raises(ReadError, match="not finite"):
        Domain.read(tmp_path)
    assert Domain.read(tmp_path / "none") is None


@table(
    ("change", "message"),
    [
        (lambda s: s.assign_coords(unit=("channel", ["km/h"] * 3)), "unit of u_x: km/h"),
        (lambda s: changed(s, "time", units="h"), "unit of time: h: the run was trained with T"),
        (lambda s: s.assign_attrs(equation="navier_stokes"), "equation: navier_stokes"),
        (lambda s: s[..., ::2, ::2, ::2], "points 0.125 L apart along x"),
        (lambda s: s[..., ::-1, :], "points -0.0625 L apart along y.*Turn the axis with sortby"),
    ],
    ids=["fields", "time", "equation", "spacing", "direction"],
)
def test_other_units_equations_and_spacings_are_refused(change, message, states, domain):
    with pytest.raises(RecipeError, match=message):
        domain.check(layout_of(change(states)), "the states")


def test_what_is_not_known_is_said(states, domain):
    silent = states.drop_attrs(deep=False)
    (said,) = domain.check(layout_of(silent), "the file")
    assert said == "these cannot be compared: equation (unknown in the file, burgers in the run)"
    larger = replace(layout_of(states), coords={a: np.arange(32) / 16 for a in "xyz"})
    (said,) = domain.check(larger, "the file")
    assert "a grid of (32, 32, 32) points; the run was trained on (16, 16, 16)" in said
    (said,) = domain.check(layout_of(changed(states, "y", boundary="wall")), "the file")
    assert said == "the boundary of y is wall; in the run it is periodic"


def test_the_shipped_run_refuses_another_equation():
    shipped = Domain.read(find_run("pde/dynamics", quiet=True))
    assert shipped is not None
    flow = pde.simulate(equation="navier_stokes", n=1, n_points=32, n_steps=1, interval=0.04)
    with pytest.raises(RecipeError, match=r"unit of u_x: L/T: the run was trained with U"):
        pde.rollout(flow, options=pde.RolloutOptions(steps=1))


def test_a_first_step_that_is_no_better_than_persistence_is_said(states):
    assert no_better_than_persistence(states, states) == ""
    worse = states.copy(data=states.values[:, [0, 2, 1]] * np.float32(3))
    worse[:, 0] = states[:, 0]
    assert "the run does not fit these states" in no_better_than_persistence(worse, states)
    assert no_better_than_persistence(worse, states[:, :1]) == ""


@table("name", ["a.zarr", "a.nc", "a.hdf5"])
def test_a_file_keeps_the_equation(name, states, tmp_path):
    pde.write_states(states, tmp_path / name)
    assert open_reader(tmp_path / name).layout.equation == "burgers"
    assert pde.open_states(tmp_path / name).attrs["equation"] == "burgers"


def test_solid_points_are_masked_in_statistics_loss_and_rollout(states, tmp_path):
    solid = states.copy()
    solid[..., :4, :, :] = np.nan
    pde.write_states(solid, tmp_path / "solid.zarr")
    with pytest.raises(ReadError, match="set `solids`"):
        _ = Files(files=[str(tmp_path / "solid.zarr")]).normaliser
    data = Files(files=[str(tmp_path / "solid.zarr")], solids=True, batch_size=2)
    assert data.domain.solids
    batch = next(iter(data.train_dataloader()))
    fluid = np.delete(solid.values[:, :, 0], slice(4), axis=2)
    train = [place.sample for place in data.split["train"]]
    assert data.normaliser.mean[0] == pytest.approx(fluid[train].mean(), abs=1e-6)
    assert data.normaliser.std[0] == pytest.approx(fluid[train].std(), rel=1e-5)
    assert batch["mask"].mean() == 0.75
    assert not batch["state"][:, :, :4].any()
    longer = Files(files=[str(tmp_path / "solid.zarr")], solids=True, history=2)
    sample = next(iter(longer.val_dataloader()))
    assert [sample[name].shape[1] for name in ("state", "next", "mask")] == [6, 3, 3]
    loss = Dynamics(torch.nn.Identity(), unroll=2).losses(sample)["loss"]
    first, last = sample["state"][:, :3], sample["next"]
    both = [first - sample["state"][:, 3:], first - last]
    mean = sum(mean_over(error.square(), sample["mask"]) for error in both) / 2
    torch.testing.assert_close(loss, mean)
    wrong = batch["next"].clone()
    wrong[:, :, :4] += 5
    assert mean_over((wrong - batch["next"]).square(), batch["mask"]) == 0
    assert mean_vrmse(wrong, batch["next"], batch["mask"]) == 0
    scale = Normaliser.of(["u_x", "u_y", "u_z"], [np.nan_to_num(states.values[0, 0])])
    rolled = inference.rollout(lambda x: x + 1, solid[:1], 2, normaliser=scale, solids=True)
    assert np.isnan(rolled.values[0, :, :, :4]).all()
    torch.testing.assert_close(
        rolled.values[0, 2, :, 4:] - rolled.values[0, 0, :, 4:],
        np.broadcast_to(2 * np.array(scale.std)[:, None, None, None], (3, 12, 16, 16)).astype("f4"),
        rtol=1e-4,
        atol=1e-5,
    )
    moving = states.copy()
    moving[:, 1, :, :4] = np.nan
    pde.write_states(moving, tmp_path / "moving.nc")
    with pytest.raises(ReadError, match="solid points do not move"):
        list(Files(files=[str(tmp_path / "moving.nc")], solids=True).train_dataloader())
    with pytest.raises(RecipeError, match="not trained with solid points"):
        inference.rollout(lambda x: x, solid[:1], 1, normaliser=scale).compute()


def test_a_projection_needs_cells_that_are_cubes(states):
    check_cubes(Domain.of(layout_of(states)))
    for other, sides in (
        (states[..., ::2, :], "0.0625 x 0.125 x 0.0625"),
        (states[..., ::-1], "0.0625 x 0.0625 x -0.0625"),
    ):
        with pytest.raises(RecipeError, match=f"sides {sides}, and the projection needs cubes"):
            check_cubes(Domain.of(layout_of(other)))
