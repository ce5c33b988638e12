"""What a run measures or takes of its data: the normaliser, and conditions."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
import xarray as xr
from case_table import table

import scionwood_pde as pde
from scionwood import ReadError, RecipeError
from scionwood_pde.backbones import BilinearForecast
from scionwood_pde.data.files import Files
from scionwood_pde.data.normaliser import FILE, Normaliser
from scionwood_pde.inference import beyond_training
from scionwood_pde.readers.cache import write_cache
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.write import save_states


@pytest.fixture(scope="module")
def states() -> xr.DataArray:
    """(sample 6, time 4, channel 3, 16, 16, 16) of Burgers' equation."""
    return pde.simulate(n=6, n_points=16, n_steps=3)


def test_numbers_of_a_file_condition_a_model(states, tmp_path):
    viscosity = np.linspace(0.01, 0.06, 6)
    save_states(states, tmp_path / "states.nc")
    with xr.open_dataset(tmp_path / "states.nc", engine="h5netcdf") as dataset:
        own = dataset.load().assign(viscosity=("sample", viscosity)).assign_attrs(mach=0.3)
    own.to_netcdf(tmp_path / "own.nc", engine="h5netcdf")
    own.to_zarr(tmp_path / "own.zarr", consolidated=False)
    save_states(states, tmp_path / "own.hdf5")
    with h5py.File(tmp_path / "own.hdf5", "r+") as file:
        file["scalars/viscosity"] = viscosity
        file.attrs["mach"] = 0.3
    for name in ("own.nc", "own.zarr", "own.hdf5"):
        fields = ["u_x", "u_y", "u_z"]
        data = Files(
            files=[str(tmp_path / name)],
            fields=fields,
            conditions=["dt", "viscosity", "mach"],
            time_stride=2,
        )
        numbers = torch.cat([batch["conditions"] for batch in data.train_dataloader()])
        train = [place.sample for place in data.split["train"]]
        assert numbers.shape == (2 * len(train), 3)
        assert set(numbers[:, 1].tolist()) == set(np.float32(viscosity[train]).tolist())
        torch.testing.assert_close(numbers[:, ::2], torch.tensor([[0.04, 0.3]]).expand(8, 2))


def test_refuses_conditions_that_the_data_cannot_have(states, tmp_path):
    file, cache = tmp_path / "states.nc", tmp_path / "cache"
    save_states(states, file)
    write_cache([open_reader(file)], cache)
    for name, message in (
        ("nu", "no variable or attribute 'nu'"),
        ("time", r"'time' has the shape \(4,\); a condition has one number"),
        ("u_x", r"'u_x' has the shape \(6, 4, 16, 16, 16\)"),
        ("equation", "'equation' holds <U7, and a condition is a finite number"),
    ):
        with pytest.raises(ReadError, match=message):
            Files(files=[str(file)], conditions=[name])
    with pytest.raises(ReadError, match=r"a cache keeps states alone.*need viscosity"):
        Files(files=[str(cache)], conditions=["viscosity"])
    with pytest.raises(RecipeError, match="single states have no next one"):
        Files(files=[str(cache)], conditions=["dt"], time_stride=0)


def test_a_rollout_names_conditions_beyond_the_training():
    model = BilinearForecast(fields=1, width=2, stencil=3, conditions=["nu", "mach"])
    state = torch.randn(8, 1, 16, 16, 16)
    drawn = torch.stack([torch.linspace(0.01, 0.05, 8), torch.full((8,), 0.3)], dim=1)
    model.measure([{"state": state, "next": state + 0.1, "conditions": drawn}])
    assert beyond_training(model, {"nu": [0.01, 0.05], "mach": 0.3}) == []
    assert beyond_training(model, {"nu": [0.02, 0.5], "mach": 0.8}) == [
        "nu is 0.5, and the training had 0.03 with a deviation of 0.0131",
        "mach is 0.8, and the training had 0.3 alone",
    ]
    assert beyond_training(torch.nn.Identity(), {}) == []
    # A deviation of exactly 1 is none of a constant.
    drawn[:, 0] = torch.tensor([1.0, 3.0]).repeat(4)
    model.measure([{"state": state, "next": state + 0.1, "conditions": drawn}])
    assert beyond_training(model, {"nu": 2.5, "mach": 0.3}) == []


STATES = np.random.default_rng(0).normal(7, 3, (5, 2, 4, 4, 4)).astype(np.float32)


def test_normalised_fields_have_unit_variance_and_convert_back():
    states = torch.from_numpy(STATES)
    scale = Normaliser.of(["p", "u"], STATES)
    normalised = scale.apply(states)
    axes = (0, 2, 3, 4)
    torch.testing.assert_close(normalised.mean(axes), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalised.std(axes, correction=0), torch.ones(2))
    torch.testing.assert_close(scale.undo(normalised), states)


def test_a_constant_field_is_only_shifted():
    scale = Normaliser.of(["p"], np.full((2, 1, 4, 4, 4), 1e6, np.float32))
    assert (scale.mean, scale.std) == ((1e6,), (1.0,))


def test_reads_the_normaliser_that_was_written(tmp_path):
    scale = Normaliser.of(["p", "u"], STATES, 0.1, "s")
    scale.write(tmp_path)
    assert Normaliser.read(tmp_path) == scale
    assert Normaliser.read(tmp_path / "another") is None


@table(
    ("content", "message"),
    [
        ("{", "not a readable normaliser"),
        ('{"fields": ["p"]}', "not a readable normaliser"),
        ('{"fields": ["p"], "mean": [0.0], "std": [0.0]}', "one positive standard deviation"),
        ('{"fields": ["p"], "mean": [0.0, 1.0], "std": [1.0]}', "one mean"),
    ],
)
def test_names_the_damage(content, message, tmp_path):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ReadError, match=rf"{FILE}.*{message}"):
        Normaliser.read(tmp_path)
