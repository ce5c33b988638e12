"""What is no state, or no option of one, is refused by name, and nothing is dropped."""

import numpy as np
import pytest
import xarray as xr
from case_table import table
from fields_of import FIELD, dataset

import scionwood_pde as pde
from scionwood import ReadError, RecipeError
from scionwood_pde import inference
from scionwood_pde.backbones import Tadpole

pde.register()


def test_cells_of_a_globe_are_counted_if_all_dims_are_named():
    field = np.random.default_rng(0).standard_normal((5, 6, 7))
    lon = ("lon", 0.25 * np.arange(7), {"units": "degrees_east"})
    lat = ("lat", 0.25 * np.arange(6), {"units": "degrees_north"})
    lev = ("lev", [1000.0, 925, 850, 700, 500], {"units": "hPa", "positive": "down"})
    air = xr.Dataset({"t": (("lev", "lat", "lon"), field)}, {"lon": lon, "lat": lat, "lev": lev})
    with pytest.raises(ReadError, match="name the dims of all axes to use cells as they are"):
        air.isel(lev=slice(0, 3)).scionwood.states(dims={"x": "lon", "y": "lat"})
    states = air.scionwood.states(dims={"x": "lon", "y": "lat", "z": "lev"})
    assert [states[axis].attrs["units"] for axis in "xyz"] == ["cell"] * 3
    assert states.z.values.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(states[0, 0, 0], field.T)


def test_complex_fields_are_refused():
    wave = xr.Dataset({"psi": (("z", "y", "x"), np.ones((4, 4, 4), complex))})
    with pytest.raises(ReadError, match="complex128, and states are real numbers"):
        wave.scionwood.states()


def test_nothing_is_lost_for_its_name_or_type():
    data = dataset("t", "nz", "ny", "nx")
    dims = data["q"].dims
    for name in ("time", "x", "channel"):
        own = data.assign({name: (dims, FIELD)})
        with pytest.raises(ReadError, match=f"field '{name}' has the name of a coordinate"):
            own.scionwood.states()
        states = own.scionwood.states(rename={name: "other"})
        assert states.channel.values.tolist() == ["q", "other"]
    for values in (FIELD + 1j, FIELD.astype("U4")):
        beside = data.assign(c=(dims, values))
        assert beside.scionwood.states(fields="q").channel.values.tolist() == ["q"]
    with pytest.raises(ReadError, match=r"or hold no real numbers: c \('t', 'nz', 'ny', 'nx'\)"):
        data.assign(c=(dims, FIELD + 1j)).scionwood.states()
    with pytest.raises(ReadError, match=r"field 'q' holds datetime64\[ns\]"):
        data.assign(q=(dims, np.full(FIELD.shape, "2000", "M8[ns]"))).scionwood.states()
    with pytest.warns(UserWarning, match=r"left out.*: energy \('t',\), nu \(\)\. Name the chan"):
        data.assign(energy=("t", FIELD[:, 0, 0, 0]), nu=0.1).scionwood.states()


def test_one_place_for_each_dim_and_one_name_for_each_field():
    data = dataset("time", "z", "y", "x")
    with pytest.raises(ReadError, match="dims names 'z' as x, so that the dim 'x' has no place"):
        data.scionwood.states(dims={"x": "z"})
    with pytest.raises(ReadError, match="dims names 'x' for y, z"):
        data.scionwood.states(dims={"y": "x", "z": "x"})
    swapped = data.scionwood.states(dims={"x": "z", "z": "x"})
    np.testing.assert_array_equal(swapped.values[0, :, 0], FIELD.transpose(0, 1, 2, 3))
    with pytest.raises(ReadError, match="its axes are x, z, and y is none of them"):
        data.isel(y=0, drop=True).scionwood.states()
    for fields in ([], ["q", "q"]):
        with pytest.raises(ReadError, match="names none, or one of them twice"):
            data.scionwood.states(fields=fields)
    twice = xr.DataArray(np.stack([FIELD, FIELD], 1), dims=("time", "channel", "z", "y", "x"))
    with pytest.raises(ReadError, match="two fields have the name 'u'"):
        twice.assign_coords(channel=["u", "u"]).scionwood.states()
    with pytest.raises(ReadError, match="the name of one of its coordinates"):
        data["q"].rename("x").assign_coords(x=np.arange(6.0)).scionwood.states()


def test_states_without_labels_are_placed_by_their_dims():
    plain = xr.DataArray(FIELD[None, :, None], dims=("sample", "time", "channel", "z", "y", "x"))
    states = plain.scionwood.states()
    np.testing.assert_array_equal(states.values[0, :, 0], FIELD.transpose(0, 3, 2, 1))
    assert states.unit.item() == "unknown"


def test_times_are_kept_and_checked():
    data = dataset("time", "z", "y", "x").assign_coords(time=("time", [3.0, 4, 5], {"units": "h"}))
    assert data.isel(time=2).scionwood.states().time.values.tolist() == [5.0]
    assert data.isel(time=2).scionwood.states().time.attrs["units"] == "h"
    with pytest.raises(ReadError, match="time 1 of its 3 times is nan"):
        data.assign_coords(time=[3.0, np.nan, 5]).scionwood.states()


@table("suffix", [".nc", ".zarr", ".hdf5"])
def test_a_name_that_would_be_a_path_is_refused_by_writers(tmp_path, suffix):
    data = dataset("t", "z", "y", "x").rename(q="flow/u")
    with pytest.raises(RecipeError, match="field 'flow/u' would be a path in the file"):
        pde.write_states(data, tmp_path / f"own{suffix}")
    pde.write_states(data.rename({"flow/u": "wind speed"}), tmp_path / f"own{suffix}")
    back = pde.open_states(tmp_path / f"own{suffix}")
    assert back.channel.values.tolist() == ["wind speed"]
    np.testing.assert_array_equal(back.values[0, :, 0], FIELD.transpose(0, 3, 2, 1))


def test_options_that_do_not_fit_are_refused_by_name():
    states = pde.simulate(n=1, n_points=16, n_steps=1)
    with pytest.raises(RecipeError, match="device gpu: Expected one of cpu, cuda"):
        pde.encode(states, options=pde.EncodeOptions(device="gpu"))
    with pytest.raises(RecipeError, match="at_once: -1: it is 1 or more"):
        pde.encode(states, options=pde.EncodeOptions(tile=16, at_once=-1))
    with pytest.raises(RecipeError, match="states of the type ndarray"):
        pde.encode(states.values)
    with pytest.raises(RecipeError, match="n: 1, skip: -1"):
        pde.simulate(n=1, skip=-1)


@pytest.mark.parametrize("dims", [1, 2])
def test_lines_and_planes_are_refused_by_models_of_volumes(dims):
    states = pde.simulate(equation="burgers", n=1, n_points=16, dims=dims, n_steps=1)
    for data in (states, states.chunk()):
        with pytest.raises(RecipeError, match=f"states of {dims} space axes; the model has 3"):
            pde.encode(data)
    model, scale = Tadpole(), inference.normaliser_for(None, states)
    with pytest.raises(RecipeError, match=r"a state of shape .* \(batch, field, x, y, z\)"):
        inference.rollout(model, states, 1, normaliser=scale).compute()
