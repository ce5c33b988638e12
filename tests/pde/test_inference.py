from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from case_table import table
from torch import Tensor

from scionwood import ReadError, RecipeError, WriteError
from scionwood_pde.backbones import Tadpole
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.inference import (
    decode,
    encode,
    normaliser_for,
    open_latents,
    rollout,
    steps_of,
)
from scionwood_pde.readers.cache import write_cache
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.states import from_simulation, layout_of
from scionwood_pde.readers.write import save_states
from scionwood_pde.solvers import simulate


@pytest.fixture(scope="module")
def states() -> xr.DataArray:
    """(sample 2, time 3, channel 3, 16, 16, 16) of Burgers' equation."""
    return from_simulation(simulate("burgers", 16, 3, 2, 0.02, 2, torch.Generator().manual_seed(0)))


def shifted(x: Tensor) -> Tensor:
    """A model that moves every field by one cell along x."""
    return x.roll(1, 2)


def test_decoded_latents_equal_the_models_reconstruction(states, tmp_path):
    model = Tadpole(size="tiny").eval()
    restored = decode(model, encode(model, states, tmp_path / "latents"))
    assert restored.dims == states.dims
    xr.testing.assert_equal(restored.drop_vars(()).time, states.time)
    state = torch.from_numpy(states.values[1, 2])[None]
    axes = (2, 3, 4)
    mean, std = state.mean(axes, keepdim=True), state.std(axes, correction=0, keepdim=True)
    with torch.no_grad():
        wanted = model((state - mean) / std) * std + mean
    np.testing.assert_allclose(restored.values[1, 2], wanted[0], rtol=1e-4, atol=1e-5)


def test_refuses_to_decode_with_another_model(states, tmp_path):
    latents = encode(Tadpole(size="tiny"), states[:1, :1], tmp_path / "latents")
    with pytest.raises(RecipeError, match=r"another model \(tiles: whole domain"):
        decode(Tadpole(size="tiny", tile=16), latents)
    (tmp_path / "notes.nc").write_text("none")
    save_states(states, tmp_path / "states.zarr")
    for strange in ("", "notes.nc", "states.zarr"):
        with pytest.raises(ReadError, match=r"no latents\. Give the folder that encode wrote"):
            open_latents(tmp_path / strange)
    with pytest.raises(ReadError, match="no such file"):
        open_latents(tmp_path / "absent")


def test_latents_in_memory_equal_those_of_a_folder(states, tmp_path):
    model = Tadpole(size="tiny", tile=16).eval()
    kept, made = (encode(model, states[:1], place) for place in (tmp_path / "latents", None))
    xr.testing.assert_identical(made, kept.load())
    halved = made.assign(mean=0 * made["mean"], deviation=made["deviation"] / 2)
    whole, half = decode(model, made), decode(model, halved)
    means = made["mean"].values[..., None, None, None]
    np.testing.assert_allclose(half, (whole - means) / 2, atol=1e-6)
    some = decode(model, made.isel(time=1).sel(channel=["u_z", "u_x"]))
    np.testing.assert_allclose(some, whole[:, 1:2, [2, 0]], rtol=1e-4, atol=1e-5)
    assert some.time.values.tolist() == whole.time.values[1:2].tolist()
    wider = made.isel(i=[0, 0])
    with pytest.raises(RecipeError, match=r"its latents have \(2, 1, 1\) cells"):
        decode(model, wider)


def test_a_rollout_starts_from_the_first_state(states):
    predicted = rollout(shifted, states, 4, normaliser=normaliser_for(None, states))
    assert predicted.dims == states.dims
    for step in range(5):
        wanted = np.roll(states.values[:, 0], step, axis=2)
        np.testing.assert_allclose(predicted.values[:, step], wanted, atol=1e-6)
    assert predicted.time.values.tolist() == pytest.approx([0, 0.02, 0.04, 0.06, 0.08])


def test_models_see_normalised_fields(states, tmp_path):
    seen: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        seen.append(x)
        return x

    save_states(100 * states.astype(np.float32) + 7, tmp_path / "states.zarr")
    reader = open_reader(tmp_path / "states.zarr")
    scaled = reader.to_xarray()
    rollout(keep, scaled, 1, normaliser=normaliser_for(None, scaled)).compute()
    assert torch.cat(seen).mean((0, 2, 3, 4)).abs().max() < 1e-5
    np.testing.assert_allclose(torch.cat(seen).std((0, 2, 3, 4)), 1, rtol=1e-3)
    write_cache([reader], tmp_path / "cache")
    scale = normaliser_for(None, scaled, tmp_path / "cache")
    wanted = scaled.values.mean((0, 1, 3, 4, 5)), scaled.values.std((0, 1, 3, 4, 5))
    np.testing.assert_allclose(scale.mean, wanted[0], rtol=1e-4)
    np.testing.assert_allclose(scale.std, wanted[1], rtol=1e-4)


def of_run(states: xr.DataArray, interval: float | None) -> Normaliser:
    names = [str(name) for name in states.channel.values]
    return Normaliser(tuple(names), (0.0,) * 3, (2.0,) * 3, interval, "T")


def test_a_run_is_applied_with_its_own_normaliser(states):
    order = ["u_z", "u_x"]
    kept = Normaliser(("u_x", "u_y", "u_z"), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), 0.02, "T")
    scale = normaliser_for(kept, states.sel(channel=order))
    assert (scale.fields, scale.mean, scale.std) == (("u_z", "u_x"), (3, 1), (6, 4))
    with pytest.raises(RecipeError, match="field 'w': the run was trained on u_x, u_y, u_z"):
        normaliser_for(kept, states.assign_coords(channel=["u_x", "u_y", "w"]))


@table(("interval", "steps"), [(0.02, 2), (0.04, 1), (None, 2)])
def test_a_rollout_has_the_steps_of_the_run(states, interval, steps):
    scale = of_run(states, interval)
    count = steps_of(layout_of(states), scale, None)
    predicted = rollout(shifted, states, count, normaliser=scale)
    wanted = [(interval or 0.02) * step for step in range(steps + 1)]
    assert predicted.time.values.tolist() == pytest.approx(wanted)
    odd = of_run(states, 0.03)
    with pytest.raises(RecipeError, match=r"times 0.02 T apart: the run steps by 0.03 T"):
        steps_of(layout_of(states), odd, None)
    assert steps_of(layout_of(states), odd, 5) == 5


def test_latents_keep_their_normalisation(states):
    model = Tadpole(size="tiny").eval()
    restored = decode(model, encode(model, states, None, normaliser=of_run(states, None)))
    state = torch.from_numpy(states.values[1, 2])[None]
    with torch.no_grad():
        wanted = 2 * model(state / 2)
    np.testing.assert_allclose(restored.values[1, 2], wanted[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tile", [None, 16])
def test_a_large_mean_does_not_hide_a_field(states, tile):
    model = Tadpole(size="tiny", tile=tile).eval()
    far = states[:1, :1].astype(np.float64) * 1e-3 + 1e6
    near, moved = (decode(model, encode(model, each, None)) for each in (states[:1, :1], far))
    np.testing.assert_allclose((moved - 1e6) * 1e3, near, atol=1e-4)
    scale = normaliser_for(None, far)
    predicted = rollout(shifted, far, 1, normaliser=replace(scale, interval=0.02))
    np.testing.assert_allclose(predicted[0, 1], far[0, 0].roll(x=1), atol=1e-8)


def test_a_rollout_keeps_constants_and_refuses_what_it_cannot_go_on_with(states):
    constant = xr.full_like(states, 3.0)
    predicted = rollout(shifted, constant, 2, normaliser=normaliser_for(None, constant))
    np.testing.assert_array_equal(predicted.values, 3)
    scale = normaliser_for(None, states)
    with pytest.raises(WriteError, match=r"step 3 of sample \d is not finite"):
        rollout(lambda x: x * 1e15, states, 9, normaliser=scale).compute()
    with pytest.raises(RecipeError, match="has the time of a step"):
        rollout(shifted, states[:, :1], 2, normaliser=scale)


class Watching:
    """A model of two frames with a condition, which adds their difference times `dt`."""

    history, conditions = 2, ("dt", "viscosity")

    def __call__(self, x: Tensor, numbers: Tensor) -> Tensor:
        before, now = x.chunk(2, dim=1)
        return now + (now - before) * numbers[:, 0] * numbers[:, 1]

    def limited(self, x: Tensor) -> Tensor:
        return x.clamp(-3, 3)


def test_a_rollout_gives_a_model_its_frames_and_conditions(states):
    scale = of_run(states, None)
    predicted = rollout(Watching(), states, 2, normaliser=scale, conditions={"viscosity": 100.0})
    assert predicted.time.values.tolist() == pytest.approx([0, 0.02, 0.04, 0.06])
    np.testing.assert_array_equal(predicted.values[:, :2], states.values[:, :2])
    before, now = states.values[:, 0] / 2, states.values[:, 1] / 2
    for step in (2, 3):
        before, now = now, np.clip(now + (now - before) * 0.02 * 100, -3, 3)
        np.testing.assert_allclose(predicted.values[:, step], 2 * now, atol=1e-5)
    assert steps_of(layout_of(states), scale, None, history=2) == 1
    with pytest.raises(RecipeError, match="condition 'viscosity': the run was trained with dt"):
        rollout(Watching(), states, 2, normaliser=scale)
    with pytest.raises(RecipeError, match="condition 'drag'"):
        rollout(shifted, states, 2, normaliser=scale, conditions={"drag": 1.0})
    scaled = of_run(states, 0.5)
    with pytest.raises(RecipeError, match="the model sees 2 frames"):
        rollout(Watching(), states, 2, normaliser=scaled, conditions={"viscosity": 1.0})


class Raised:
    """A model that raises every value by the number that it is given."""

    conditions = ("nu",)

    def __call__(self, x: Tensor, numbers: Tensor) -> Tensor:
        return x + numbers[:, :, None, None, None]


def test_samples_have_their_own_conditions(states):
    scale = Normaliser(tuple(states.channel.values), (0.0,) * 3, (1.0,) * 3, 0.02, "T")
    made = rollout(Raised(), states, 1, normaliser=scale, conditions={"nu": [1.0, 3.0]})
    np.testing.assert_allclose((made[:, 1] - made[:, 0])[:, 0, 0, 0, 0], [1, 3], rtol=1e-5)
    made = rollout(Raised(), states, 1, normaliser=scale, conditions={"nu": 2})
    np.testing.assert_allclose((made[:, 1] - made[:, 0])[:, 0, 0, 0, 0], [2, 2], rtol=1e-5)
    for wrong in ([1.0, 2.0, 3.0], float("nan")):
        with pytest.raises(RecipeError, match="one finite number, or one of each of the 2 samples"):
            rollout(Raised(), states, 1, normaliser=scale, conditions={"nu": wrong})
