from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor

from scionwood import ReadError, RecipeError, WriteError
from scionwood_pde.backbones import tadpole
from scionwood_pde.cache import convert
from scionwood_pde.inference import cached_moments, decode, encode, first_moments, rollout
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.states import from_simulation
from scionwood_pde.readers.write import write_zarr
from scionwood_pde.solvers import simulate


@pytest.fixture(scope="module")
def states() -> xr.DataArray:
    """(sample 2, time 3, channel 3, 16, 16, 16) of Burgers' equation."""
    return from_simulation(simulate("burgers", 16, 3, 2, 0.02, 2, torch.Generator().manual_seed(0)))


def shifted(x: Tensor) -> Tensor:
    """A model that moves every field by one cell along x."""
    return x.roll(1, 2)


def test_latents_decode_to_what_the_model_restores(states: xr.DataArray, tmp_path: Path) -> None:
    model = tadpole(size="tiny").eval()
    encode(model, states, tmp_path / "latents")
    found = decode(model, tmp_path / "latents")
    assert found.dims == states.dims
    xr.testing.assert_equal(found.drop_vars(()).time, states.time)
    state = torch.from_numpy(states.values[1, 2])[None]
    mean, std = state.mean((2, 3, 4), keepdim=True), state.std((2, 3, 4), keepdim=True)
    with torch.no_grad():
        wanted = model((state - mean) / std) * std + mean
    np.testing.assert_allclose(found.values[1, 2], wanted[0], rtol=1e-4, atol=1e-5)


def test_another_model_does_not_decode(states: xr.DataArray, tmp_path: Path) -> None:
    encode(tadpole(size="tiny"), states[:1, :1], tmp_path / "latents")
    with pytest.raises(RecipeError, match=r"another model \(tiles: whole domain"):
        decode(tadpole(size="tiny", tile=16), tmp_path / "latents")
    with pytest.raises(ReadError, match="no such file"):
        decode(tadpole(size="tiny"), tmp_path)


def test_a_rollout_starts_from_the_first_state(states: xr.DataArray) -> None:
    found = rollout(shifted, states, 4, moments=first_moments(states))
    assert found.dims == states.dims
    for step in range(5):
        wanted = np.roll(states.values[:, 0], step, axis=2)
        np.testing.assert_allclose(found.values[:, step], wanted, atol=1e-6)
    assert found.time.values.tolist() == pytest.approx([0, 0.02, 0.04, 0.06, 0.08])


def test_models_see_normalised_fields(states: xr.DataArray, tmp_path: Path) -> None:
    seen: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        seen.append(x)
        return x

    write_zarr(100 * states.astype(np.float32) + 7, tmp_path / "states.zarr")
    reader = open_reader(tmp_path / "states.zarr")
    scaled = reader.to_xarray()
    rollout(keep, scaled, 1, moments=first_moments(scaled))
    assert torch.cat(seen).mean((0, 2, 3, 4)).abs().max() < 1e-5
    np.testing.assert_allclose(torch.cat(seen).std((0, 2, 3, 4)), 1, rtol=1e-5)
    mean, deviation = cached_moments(convert([reader], tmp_path / "cache"), scaled)
    wanted = scaled.values.mean((0, 1, 3, 4, 5)), scaled.values.std((0, 1, 3, 4, 5))
    np.testing.assert_allclose(mean.flatten(), wanted[0], rtol=1e-4)
    np.testing.assert_allclose(deviation.flatten(), wanted[1], rtol=1e-4)


def test_a_constant_field_stays(states: xr.DataArray) -> None:
    constant = xr.full_like(states, 3.0)
    found = rollout(shifted, constant, 2, moments=first_moments(constant))
    np.testing.assert_array_equal(found.values, 3)


def test_a_rollout_that_blows_up_is_stopped(states: xr.DataArray) -> None:
    with pytest.raises(WriteError, match="step 3 of sample 0 is not finite"):
        rollout(lambda x: x * 1e15, states, 9, moments=first_moments(states))


def test_one_time_does_not_say_how_far_the_next_is(states: xr.DataArray) -> None:
    with pytest.raises(RecipeError, match="one time"):
        rollout(shifted, states[:, :1], 2, moments=first_moments(states))
