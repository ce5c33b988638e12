"""Datasets of xarray as physicists have them: lazy, in many files, with dates, in a store."""

from __future__ import annotations

from typing import Any

import fsspec
import h5py
import numpy as np
import pytest
import xarray as xr

import scionwood_pde as pde
from scionwood import ReadError, RecipeError
from scionwood_pde.readers.dataset import DatasetSource
from scionwood_pde.readers.engine import ScionwoodBackend

pde.register()
RANDOM = np.random.default_rng(0)
DIMS = ("t", "nz", "ny", "nx")


def flow(times: Any, side: int = 16) -> xr.Dataset:
    """A temperature under dims in the order of C, with an auxiliary coordinate and attributes."""
    values = RANDOM.standard_normal((len(times), side, side, side)).astype(np.float32)
    attrs = {"units": "K", "long_name": "temperature", "cell_methods": "t: mean"}
    coords = {
        "t": ("t", times, {"axis": "T"}),
        "nx": ("nx", 0.5 * np.arange(side), {"units": "m", "axis": "X"}),
        "ny": ("ny", 0.5 * np.arange(side), {"units": "m", "axis": "Y"}),
        "nz": ("nz", 0.5 * np.arange(side), {"units": "m", "axis": "Z"}),
        "depth": (("ny", "nx"), RANDOM.random((side, side)), {"units": "m"}),
        "season": ("t", np.arange(len(times))),
    }
    data = xr.Dataset({"temp": (DIMS, values, attrs)}, coords, {"title": "a run"})
    data["temp"].encoding = {"dtype": "float32", "_FillValue": -9.0, "chunksizes": (1, 16, 16, 16)}
    return data


def dates(count: int) -> np.ndarray:
    return np.datetime64("2001-01-01", "ns") + 6 * np.arange(count) * np.timedelta64(1, "h")


def check_alike(result: xr.Dataset, source: xr.Dataset) -> None:
    """Check that a result has dims, coordinates, attributes and encodings of its source."""
    assert result["temp"].dims == source["temp"].dims
    assert result["temp"].attrs == source["temp"].attrs
    assert result["temp"].encoding["_FillValue"] == -9.0
    assert "chunksizes" not in result["temp"].encoding
    xr.testing.assert_identical(result.coords.to_dataset(), source.coords.to_dataset())
    assert result.attrs == source.attrs


def test_twenty_files_are_encoded_lazily_as_one(tmp_path):
    data = flow(dates(20))
    for i in range(20):
        data.isel(t=[i]).to_netcdf(tmp_path / f"{i:02d}.nc", engine="h5netcdf")
    paths = sorted(tmp_path.glob("*.nc"))
    how: Any = {"data_vars": "minimal", "coords": "minimal", "compat": "override"}
    with xr.open_mfdataset(paths, engine="h5netcdf", join="override", **how) as whole:
        latents = whole.scionwood.encode(tile=16)
        assert latents["latents"].chunks is not None
        assert latents["latents"].dims == ("t", "channel", "latent", "i", "j", "k")
        assert latents["k"].values.tolist() == [3.75]
        back = latents.scionwood.decode(tile=16)
        assert back["temp"].chunks is not None
        check_alike(back, data)
        eager = data.isel(t=[3, 19]).scionwood.encode(tile=16)
        assert eager["latents"].chunks is None
        near = {"rtol": 1e-5, "atol": 1e-5}
        lazy = latents["latents"].isel(t=[3, 19])
        np.testing.assert_allclose(lazy, eager["latents"], **near)
        wanted = eager.scionwood.decode(tile=16)
        np.testing.assert_allclose(back["temp"].isel(t=19), wanted["temp"].isel(t=1), **near)


def test_selected_latents_are_decoded_with_their_coordinates():
    data = flow(dates(4))
    latents = data.scionwood.encode(tile=16)
    some = latents.sel(t=slice("2001-01-01T06", "2001-01-01T12"))
    check_alike(some.scionwood.decode(tile=16), data.isel(t=[1, 2]))
    check_alike(latents.isel(t=3).scionwood.decode(tile=16), data.isel(t=3))
    with pytest.raises(RecipeError, match=r"have \(2, 1, 1\) cells; those of its states \(1, 1, 1"):
        latents.isel(i=[0, 0]).scionwood.decode(tile=16)


def test_latents_in_a_folder_keep_the_dataset(tmp_path):
    data = flow(dates(2))
    latents = data.scionwood.encode(tmp_path / "latents", tile=16)
    back = latents.scionwood.decode(tile=16)
    xr.testing.assert_identical(back.coords.to_dataset(), data.coords.to_dataset())
    assert back["temp"].attrs == data["temp"].attrs


def test_times_of_another_calendar_are_selected_and_go_on():
    cftime = pytest.importorskip("cftime")
    times = xr.date_range("2000-02-28", periods=2, freq="D", calendar="noleap", use_cftime=True)
    data = flow(times.values)
    source = DatasetSource(data)
    assert source.layout.times.tolist() == [0, 86400]
    later = pde.as_dataset(source.states()).assign_coords(time=[0.0, 3600.0])
    restored = source.labels.restored(later, source.layout.times)
    assert isinstance(restored["t"].values[1], cftime.DatetimeNoLeap)
    assert str(restored["t"].values[1]) == "2000-02-28 01:00:00"
    latents = data.scionwood.encode(tile=16)
    back = latents.sel(t="2000-03-01").scionwood.decode(tile=16)
    check_alike(back, data.isel(t=[1]))


@pytest.mark.filterwarnings("ignore:.*Consolidated metadata")
def test_a_store_of_objects_and_open_files_are_read(tmp_path):
    data = flow([0.0, 1.0])
    data.to_zarr("memory://tests/flow.zarr", consolidated=False, mode="w")
    wanted = data.scionwood.states()
    states = pde.open_states("memory://tests/flow.zarr")
    assert states.chunks is not None
    xr.testing.assert_equal(states.compute(), wanted.compute())
    latents = pde.encode("memory://tests/flow.zarr", options=pde.EncodeOptions(tile=16))
    assert latents["latents"].chunks is not None
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    pde.write_states(wanted, tmp_path / "a.hdf5")
    for name in ("a.nc", "a.hdf5"):
        with (tmp_path / name).open("rb") as file:
            np.testing.assert_array_equal(pde.open_states(file).values, wanted.values)
        with fsspec.open(f"memory://tests/{name}", "wb") as file:
            file.write((tmp_path / name).read_bytes())
        opened = xr.open_dataset(f"memory://tests/{name}", engine=ScionwoodBackend)
        np.testing.assert_array_equal(opened["temp"].values, wanted.values[:, :, 0])
    with h5py.File(tmp_path / "out.h5", "w") as file:
        file["secret"] = h5py.ExternalLink("/etc/hostname", "/x")
    with (tmp_path / "out.h5").open("rb") as file, pytest.raises(ReadError, match="points to the"):
        pde.open_states(file)
    (tmp_path / "text").write_text("Dear colleague")
    with (tmp_path / "text").open("rb") as file, pytest.raises(ReadError, match="neither HDF5"):
        pde.open_states(file)


def test_the_engine_decodes_dates_of_what_a_run_wrote(tmp_path):
    data = flow(dates(2))
    data.to_netcdf(tmp_path / "own.nc", engine="h5netcdf")
    pde.encode(tmp_path / "own.nc", tmp_path / "latents", pde.EncodeOptions(tile=16))
    pde.decode(tmp_path / "latents", tmp_path / "back.nc", pde.DecodeOptions(tile=16))
    back = xr.open_dataset(tmp_path / "back.nc", engine=ScionwoodBackend, chunks={})
    assert back["time"].values.tolist() == data["t"].values.tolist()
    assert back["temp"].chunks is not None
    numbers = xr.open_dataset(tmp_path / "back.nc", engine=ScionwoodBackend, decode_times=False)
    assert numbers["time"].attrs["units"].startswith("hours since 2001-01-01")


def test_a_lazy_rollout_equals_that_of_numbers():
    data = pde.as_dataset(pde.simulate(n=2, n_points=32, n_steps=1))
    lazy = data.chunk({"sample": 1, "x": 16}).scionwood.rollout("pde/dynamics", steps=2)
    assert lazy["u_x"].chunks is not None
    eager = data.scionwood.rollout("pde/dynamics", steps=2)
    assert eager["u_x"].chunks is None
    np.testing.assert_allclose(lazy["u_x"], eager["u_x"], rtol=1e-5, atol=1e-5)


def test_nan_of_a_lazy_dataset_is_refused_when_it_is_read():
    data = flow([0.0]).chunk({"nx": 8})
    spoilt = data.assign(temp=data["temp"].where(data["nx"] > 1))
    latents = spoilt.scionwood.encode(tile=16)
    with pytest.raises(ReadError, match="field 'temp' holds NaN or infinity"):
        latents.compute()


def test_the_engine_names_what_it_opens():
    with pytest.raises(ReadError, match="opens paths, URLs, open files and stores"):
        xr.open_dataset(b"CDF", engine=ScionwoodBackend)
