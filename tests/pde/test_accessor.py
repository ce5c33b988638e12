"""xarray first: the accessor and the engine place any dataset, and drop nothing."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from case_table import table
from fields_of import FIELD, dataset

import scionwood_pde as pde
from scionwood import ReadError, RecipeError
from scionwood_pde.data.files import Files
from scionwood_pde.readers.dataset import states_of
from scionwood_pde.readers.engine import ScionwoodBackend

pde.register()
CASES = {
    "names": (dataset("t", "nz", "ny", "nx"), {}),
    "letters": (dataset("T", "K", "J", "I"), {}),
    "axis": (
        dataset(
            "a", "b", "c", "d", a={"axis": "T"}, b={"axis": "Z"}, c={"axis": "Y"}, d={"axis": "X"}
        ),
        {},
    ),
    "standard": (
        dataset(
            "when",
            "up",
            "north",
            "east",
            when={"standard_name": "time"},
            up={"positive": "up"},
            north={"standard_name": "projection_y_coordinate"},
            east={"standard_name": "projection_x_coordinate"},
        ),
        {},
    ),
    "given": (
        dataset("a", "b", "c", "d"),
        {"time": "a", "z": "b", "y": "c", "x": "d"},
    ),
}


@table("name", CASES)
def test_dims_are_found_by_names_attributes_and_by_hand(name):
    data, dims = CASES[name]
    states = data.scionwood.states(dims=dims)
    assert states.dims == ("sample", "time", "channel", "x", "y", "z")
    np.testing.assert_array_equal(states.values[0, :, 0], FIELD.transpose(0, 3, 2, 1))
    assert states.unit.item() == "K"
    np.testing.assert_array_equal(states.values, data["q"].scionwood.states(dims=dims).values)


def test_what_has_no_place_is_asked_for():
    with pytest.raises(
        ReadError, match=r"no xarray variable has the dims.*Name them, such as dims="
    ):
        states_of(dataset("a", "b", "c", "d"))
    with pytest.raises(
        ReadError, match=r"\['quantile'\] have no place.*dims=\{'sample': 'quantile'"
    ):
        states_of(dataset("quantile", "z", "y", "x"))
    with pytest.raises(ReadError, match=r"the dims t, step could each be time"):
        states_of(dataset("t", "step", "y", "x"))
    with pytest.raises(ReadError, match=r"roles are sample, time, x, y, z; this file has the dims"):
        states_of(dataset("t", "z", "y", "x"), dims={"x": "lon"})
    flat = dataset("t", "z", "y", "x").assign(depth=(("y", "x"), FIELD[0, 0]))
    with pytest.raises(ReadError, match=r"lack an axis, lie on other points.*depth \('y', 'x'\)"):
        states_of(flat)
    thin = dataset("t", "z", "y", "x").isel(z=slice(1))
    with pytest.raises(ReadError, match="axis z has a side of 1"):
        states_of(thin)
    mixed = dataset("t", "z", "y", "x", x={"units": "m"}, y={"units": "km"}, z={"units": "m"})
    with pytest.raises(ReadError, match="mixed units: x in m, y in km"):
        states_of(mixed)


def test_velocities_on_faces_are_averaged_on_request_only():
    data = dataset("t", "z", "y", "x")
    faces = np.random.default_rng(1).standard_normal((3, 4, 5, 7), np.float32)
    data = data.assign(u=(("t", "z", "y", "xu"), faces, {"units": "m/s"}))
    with pytest.raises(
        ReadError, match=r"on other points than x, y, z, or hold no real numbers: u"
    ):
        data.scionwood.states()
    states = data.scionwood.states(staggered={"xu": "x"})
    mean = (faces[..., 1:] + faces[..., :-1]) / 2
    np.testing.assert_array_equal(states.sel(channel="u").values[0], mean.transpose(0, 3, 2, 1))
    assert states.sel(channel="u").unit.item() == "m/s"
    with pytest.raises(ReadError, match="one face more than centres"):
        data.scionwood.states(staggered={"xu": "y"})


def test_fields_are_renamed_and_chosen():
    data = dataset("t", "z", "y", "x").assign(p=(("t", "z", "y", "x"), 2 * FIELD))
    states = data.scionwood.states(rename={"p": "pressure"}, fields=["pressure"])
    np.testing.assert_array_equal(states.values[0, :, 0], 2 * FIELD.transpose(0, 3, 2, 1))
    for rename, rule in (
        ({"r": "s"}, "no field 'r'"),
        ({"p": "q"}, "two fields have the name 'q'"),
    ):
        with pytest.raises(ReadError, match=rule):
            states_of(data, rename=rename)


def test_plain_to_zarr_and_back_keeps_channels_units_and_boundary(tmp_path):
    states = pde.simulate(n=1, n_points=16, n_steps=1)
    states.to_zarr(tmp_path / "plain.zarr", consolidated=False)
    xr.testing.assert_identical(pde.open_states(tmp_path / "plain.zarr").load(), states)


def test_encode_decode_and_evaluate():
    states = pde.simulate(n=1, n_points=16, n_steps=1)
    data = pde.as_dataset(states).rename(sample="member", time="t", x="nx", y="ny", z="nz")
    latents = data.scionwood.encode(tile=16)
    assert latents["latents"].dims == ("member", "t", "channel", "latent", "i", "j", "k")
    back = latents.scionwood.decode(tile=16)
    assert list(back) == ["u_x", "u_y", "u_z"]
    assert back["u_x"].attrs["units"] == "U"
    (row, *_) = back.scionwood.evaluate(data, fields=["u_x"])
    assert 0 < row["vrmse"] < 1
    with pytest.raises(RecipeError, match="no dataset of latents"):
        data.scionwood.decode()


def test_results_take_the_dims_and_coordinates_of_the_dataset():
    own = {"sample": "member", "time": "t", "x": "nx", "y": "ny", "z": "nz"}
    flow = pde.as_dataset(pde.simulate(n=2, n_points=32, n_steps=1)).rename(own)
    flow = flow.transpose("t", "member", "nz", "ny", "nx").assign_coords(member=["a", "b"])
    with pytest.raises(RecipeError, match="'nu': the run was trained with no conditions"):
        flow.scionwood.rollout("pde/dynamics", steps=1, conditions={"nu": 0.1})
    predicted = flow[["u_z", "u_x", "u_y"]].scionwood.rollout("pde/dynamics", steps=1)
    assert predicted["u_x"].dims == flow["u_x"].dims
    assert predicted.t.values.tolist() == [0.0, 0.04]  # the steps of the run
    for name in ("member", "nx", "ny", "nz"):
        xr.testing.assert_identical(predicted[name], flow[name])
    xr.testing.assert_equal(predicted["u_y"].isel(t=0), flow["u_y"].isel(t=0))
    first = flow.isel(member=[0]).scionwood.states()
    whole = pde.rollout(first, options=pde.RolloutOptions(run="pde/dynamics", steps=1))
    fields = whole.sel(channel="u_y").transpose("time", "sample", "z", "y", "x").values
    np.testing.assert_allclose(predicted["u_y"].values[:, :1], fields, rtol=1e-5, atol=1e-6)
    one = flow.isel(member=1)
    back = one.scionwood.encode(tile=16).scionwood.decode(tile=16, like=one)
    assert back["u_z"].dims == ("t", "nz", "ny", "nx")
    xr.testing.assert_identical(back.coords, one.coords)
    assert float((back - one)["u_z"].std() / one["u_z"].std()) < 1


def test_the_engine_opens_a_file_lazily(tmp_path):
    pde.write_states(pde.simulate(n=1, n_points=16, n_steps=1), tmp_path / "a.hdf5")
    data = xr.open_dataset(tmp_path / "a.hdf5", engine=ScionwoodBackend, drop_variables="u_y")
    assert list(data) == ["u_x", "u_z"]
    wanted = pde.open_states(tmp_path / "a.hdf5").sel(channel="u_x")
    np.testing.assert_array_equal(data["u_x"].isel(x=3).values, wanted.isel(x=3).values)
    lazy = xr.open_dataset(tmp_path / "a.hdf5", engine=ScionwoodBackend, chunks={"time": 1})
    assert lazy["u_x"].chunks[1] == (1, 1)
    np.testing.assert_array_equal(lazy["u_x"].values, wanted.values)


def test_the_name_of_the_engine_is_an_entry_point(tmp_path):
    info = tmp_path / "x-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: x\nVersion: 1\n")
    target = f"{ScionwoodBackend.__module__}:{ScionwoodBackend.__name__}"
    (info / "entry_points.txt").write_text(f"[xarray.backends]\nscionwood = {target}\n")
    pde.write_states(pde.simulate(n=1, n_points=16, n_steps=1), tmp_path / "a.zarr")
    code = "import sys, xarray; sys.path.insert(0, '.'); "
    code += "data = xarray.open_dataset('a.zarr', engine='scionwood'); "
    code += "assert 'torch' not in sys.modules; print(*data)"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["u_x", "u_y", "u_z"]


def test_a_recipe_places_and_renames(tmp_path):
    field = np.random.default_rng(0).standard_normal((3, 2, 16, 16, 16), np.float32)
    data = xr.Dataset({"q": (("run", "when", "c", "b", "a"), field)})
    data.to_netcdf(tmp_path / "own.nc", engine="h5netcdf")
    files = Files(
        files=[str(tmp_path / "own.nc")],
        dims={"time": "when", "x": "a", "y": "b", "z": "c"},
        rename={"q": "heat"},
        fields=["heat"],
    )
    assert files.normaliser.fields == ("heat",)
    batch = next(iter(files.train_dataloader()))
    assert batch["state"].shape == (1, 1, 16, 16, 16)


def test_results_stream_into_files(tmp_path):
    waves = np.random.default_rng(0).normal(size=(2, 16, 16, 32)).astype("float32")
    flow = xr.Dataset({"q": (("t", "nz", "ny", "nx"), waves, {"units": "m/s"})})
    latents = flow.scionwood.encode(tmp_path / "latents", tile=16, at_once=1)
    kept = latents.scionwood.decode(tile=16)
    made = latents.scionwood.decode(tile=16, at_once=1, target=tmp_path / "back.nc")
    np.testing.assert_allclose(made["q"].values, kept["q"].values, rtol=1e-5, atol=1e-6)
    assert made["q"].attrs["units"] == "m/s"
