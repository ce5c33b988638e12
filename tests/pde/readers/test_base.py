from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from case_table import table

from scionwood import ReadError, WriteError
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.hdf5 import PDEBenchReader, WellReader
from scionwood_pde.readers.labelled import NetCDFReader, ZarrReader
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.states import from_simulation
from scionwood_pde.solvers import simulate

READERS = (WellReader, PDEBenchReader, NetCDFReader, ZarrReader)


@pytest.fixture(params=READERS, ids=lambda reader: reader.format)
def sample(request: pytest.FixtureRequest, tmp_path: Path) -> StatesReader:
    kind: Any = request.param
    path = tmp_path / f"sample{kind.suffixes[0]}"
    kind.write_sample(path)
    reader = open_reader(path)
    assert isinstance(reader, kind)
    return reader


def test_every_format_gives_the_same_states(sample, states):
    array = sample.to_xarray()
    assert array.dims == ("sample", "time", "channel", "x", "y", "z")
    order = [0, 1, 2, 3] if sample.format != "PDEBench HDF5" else [3, 0, 1, 2]
    if sample.format == "Well HDF5":
        order = [3, 0, 1, 2]  # scalars before vectors
    np.testing.assert_array_equal(array.values, states.values[:, :, order])
    for index, record in enumerate(sample):
        time = index % 3
        assert dict(record.key) == {"sample": index // 3, "time": time}
        np.testing.assert_array_equal(record.data, array.values[index // 3, time])
        np.testing.assert_array_equal(sample.read(index).data, record.data)


@table("reader", [WellReader, NetCDFReader, ZarrReader])
def test_keeps_units_spacing_and_boundaries(reader, tmp_path):
    path = tmp_path / f"sample{reader.suffixes[0]}"
    reader.write_sample(path)
    with reader(path, fields=["u_y", "density"]) as opened:
        array = opened.to_xarray()
        assert opened.units["data"] == "m/s, kg/m^3"
    assert array.channel.values.tolist() == ["u_y", "density"]
    assert array.unit.values.tolist() == ["m/s", "kg/m^3"]
    assert array.time.values.tolist() == pytest.approx([0, 0.1, 0.2])
    assert array.time.attrs["units"] == "s"
    wanted = {"units": "m", "spacing": 0.5, "boundary": "periodic"}
    assert array.x.attrs == array.y.attrs == array.z.attrs == wanted


KEYS = [
    (0, 1),
    (slice(None), 2, 1, slice(1, 3), 0),
    (1, slice(None, None, 2), slice(1, 3), ..., slice(None, None, -1)),
    (slice(0, 1), -1, [2, 0], 1, slice(0, 3, 2), -1),
]


def test_lazy_states_are_indexed_like_an_array_and_read_by_windows(sample):
    lazy = sample.to_xarray()
    for key in KEYS:
        np.testing.assert_array_equal(lazy[key].values, lazy.load()[key].values)
    window = [slice(1, 4), slice(0, 3, 2), slice(1, 2)]
    whole = sample.state(1, 2)
    np.testing.assert_array_equal(sample.state(1, 2, window, [2, 0]), whole[[2, 0], 1:4, ::2, 1:2])
    with pytest.raises(ReadError, match=r"no field 'vorticity'; it has .*density"):
        type(sample)(sample.path, fields=["vorticity"])


def test_no_file_stays_open(sample):
    sample.state(0, 0)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        sample.state(0, 0)
    next(iter(sample))
    assert len(os.listdir("/proc/self/fd")) <= before


def test_rewrite_changes_only_the_values(sample, tmp_path):
    target = sample.path.with_stem("doubled")

    def double_first(record: Any) -> np.ndarray:
        factor = 2.0 if record.key == {"sample": 1, "time": 0} else 1.0
        return record.data * np.float32(factor)

    sample.rewrite(target, double_first)
    before, after = sample.to_xarray(), open_reader(target).to_xarray()
    np.testing.assert_array_equal(after[1, 0], 2 * before[1, 0])
    np.testing.assert_array_equal(after[0], before[0])
    xr.testing.assert_identical(after.drop_vars(()).isel(sample=0), before.isel(sample=0))


def test_dims_may_have_any_order_and_sample_may_be_missing(netcdf, states):
    path = netcdf(lambda data: data.isel(sample=1).transpose("z", "time", "y", "x"))
    array = open_reader(path, fields=["u_x", "density"]).to_xarray()
    np.testing.assert_array_equal(array.values, states.values[1:, :, [0, 3]])


def test_a_channel_axis_becomes_channels(netcdf, states):
    path = netcdf(
        lambda data: (
            data[["u_x", "u_y"]].to_dataarray("channel", "u").to_dataset().drop_vars("channel")
        )
    )
    reader = open_reader(path)
    assert [channel.name for channel in reader.layout.channels] == ["u_0", "u_1"]
    np.testing.assert_array_equal(reader.to_xarray().values, states.values[:, :, :2])


def test_keeps_double_precision(netcdf, states):
    with open_reader(netcdf(lambda data: data.astype(np.float64) / 3)) as reader:
        assert reader.dtype == "float64"
        wanted = states.sel(channel=[c.name for c in reader.layout.channels]).values
        np.testing.assert_array_equal(reader.to_xarray().values, wanted.astype(np.float64) / 3)


def test_reads_packed_values_but_refuses_to_rewrite_them(netcdf, tmp_path):
    def pack(data: xr.Dataset) -> xr.Dataset:
        for each in data.data_vars.values():
            each.encoding = {"dtype": "int16", "scale_factor": 0.001, "_FillValue": -32768}
        return data

    reader = open_reader(netcdf(pack))
    with pytest.raises(WriteError, match="packed"):
        reader.rewrite(tmp_path / "target.nc", lambda record: 2 * record.data)
    assert not (tmp_path / "target.nc").exists()


CHANGES: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str]] = {
    "a side of 1": (lambda data: data.isel(z=[0]), "axis z has a side of 1"),
    "axes in two units": (
        lambda data: data.assign_coords(y=data.y.assign_attrs(units="km")),
        "mixed units: x in m, y in km, z in m",
    ),
    "a vector in two units": (
        lambda data: data.assign(u_y=data.u_y.assign_attrs(units="cm/s")),
        "mixed units: .*u_y in cm/s",
    ),
    "other dims": (lambda data: data.rename(x="lon", y="lat"), "its axes are z, and x is none"),
    "one dim more": (lambda data: data.expand_dims(member=2), "'member'.*known are"),
    "irregular points": (
        lambda data: data.assign_coords(x=[0.0, 0.5, 1.0, 9.0]),
        "axis x lie 0.5 to 8 apart",
    ),
}


@table(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_refuses_states_that_are_not_on_a_regular_grid(netcdf, change, message):
    path = netcdf(change)
    with pytest.raises(ReadError, match=message) as caught:
        NetCDFReader(path)
    assert path.name in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_reports_the_place_of_nan_and_infinity(netcdf, value):
    def spoil(data: xr.Dataset) -> xr.Dataset:
        data["u_z"][1, 2, 0, 0, 0] = value
        return data

    reader = NetCDFReader(netcdf(spoil))
    assert np.isfinite(reader.read(4).data).all()
    with pytest.raises(ReadError, match="field 'u_z', sample 1, time 2 holds NaN or infinity"):
        reader.read(5)


def test_refuses_an_unknown_format(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Dear colleague")
    with pytest.raises(ReadError, match="not a readable HDF5"):
        open_reader(path)
    with pytest.raises(ReadError, match="no such file"):
        open_reader(tmp_path / "nothing")


@table(
    "equation, units",
    [("burgers", ["U", "U"]), ("wave", ["U", "U/T"]), ("navier_stokes", ["L/T", "L/T"])],
)
def test_simulated_states_have_the_units_of_their_equation(equation, units):
    run = simulate(equation, 16, 2, 1, 0.02, 1, torch.Generator().manual_seed(0))
    assert from_simulation(run).unit.values.tolist() == units
