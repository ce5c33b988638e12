"""NetCDF files of xdas: axes in all spellings, collections, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from case_table import table

from scionwood import ReadError
from scionwood_seismic.readers.netcdf_axes import axis_values, step_of
from scionwood_seismic.readers.opening import open_file
from scionwood_seismic.readers.xdas import XdasReader

NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
DATA = np.random.default_rng(0).standard_normal((600, 12)).astype(np.float32)
START = "2024-01-01T00:00:00.000000000"
DATE = "milliseconds since 2024-01-01 00:00:00"


def dimensions(group: h5py.Group, data: np.ndarray = DATA) -> h5py.Dataset:
    values = group.create_dataset("__values__", data=data)
    for axis, name in enumerate(("time", "distance")):
        if name not in group:
            group[name] = np.zeros(data.shape[axis], np.float32)
            group[name].make_scale(NO_VARIABLE)
        values.dims[axis].attach_scale(group[name])
    group.attrs["Conventions"] = "CF-1.13"
    return values


def tie_points(group: h5py.Group, times: dict[int, int]) -> None:
    """The spelling of CF; times in ms."""
    values = dimensions(group)
    values.attrs["coordinate_interpolation"] = (
        "time_values: time_interpolation distance_values: distance_interpolation"
    )
    for name in ("time", "distance"):
        group[f"{name}_interpolation"] = np.nan
        attrs = group[f"{name}_interpolation"].attrs
        attrs["interpolation_name"] = "linear"
        attrs["tie_point_mapping"] = f"{name}: {name}_indices {name}_points"
    group["time_indices"], group["time_values"] = list(times), list(times.values())
    group["time_values"].attrs["units"] = DATE
    group["distance_indices"], group["distance_values"] = [0, 11], [100.0, 155.0]


def old_tie_points(group: h5py.Group) -> None:
    """The spelling of xdas before 0.2."""
    values = dimensions(group)
    values.attrs["coordinate_interpolation"] = (
        "time: time_indices time_values distance: distance_indices distance_values"
    )
    group["time_indices"], group["time_values"] = [0, 599], [0, 4 * 599]
    group["time_values"].attrs["units"] = DATE
    group["distance_indices"], group["distance_values"] = [0, 11], [100.0, 155.0]


def parts(group: h5py.Group) -> None:
    """Starts and lengths of evenly sampled parts."""
    values = dimensions(group)
    values.attrs["coordinate_sampling"] = (
        "time_values: time_sampling distance_values: distance_sampling"
    )
    group["time_sampling"], group["distance_sampling"] = np.nan, np.nan
    group["time_sampling"].attrs.update(
        {
            "tie_point_mapping": "time: time_lengths time_points",
            "sampling_interval": [4],
            "sampling_interval_units": "milliseconds",
        }
    )
    group["distance_sampling"].attrs.update(
        {
            "tie_point_mapping": "distance: distance_lengths distance_points",
            "sampling_interval": [5.0],
        }
    )
    group["time_values"], group["time_lengths"] = [0, 1200], [300, 300]
    group["time_values"].attrs["units"] = DATE
    group["distance_values"], group["distance_lengths"] = [100.0], [12]


def plain(group: h5py.Group) -> None:
    """Axes as values, as xarray writes them too."""
    group["time"], group["distance"] = 4 * np.arange(600), 100 + 5.0 * np.arange(12)
    group["time"].attrs["units"] = DATE
    for name in ("time", "distance"):
        group[name].make_scale(name)
    dimensions(group)


WRITERS: dict[str, Callable[[h5py.Group], None]] = {
    "tie points": lambda group: tie_points(group, {0: 0, 599: 4 * 599}),
    "old tie points": old_tie_points,
    "parts": parts,
    "plain": plain,
}


def write(path: Path, *writers: Callable[[h5py.Group], None]) -> Path:
    with h5py.File(path, "w") as file:
        for i, writer in enumerate(writers):
            writer(file if len(writers) == 1 else file.create_group(f"collection/{i}"))
    return path


@table("name", WRITERS)
def test_reads_and_writes_axes_in_every_spelling(tmp_path, name):
    path, target = write(tmp_path / "in.nc", WRITERS[name]), tmp_path / "out.nc"
    with open_file(path) as reader:
        assert isinstance(reader, XdasReader)
        assert (reader.dims, reader.dt) == (("distance", "time"), pytest.approx(0.004))
        assert (reader.dx, reader.traces) == (pytest.approx(5), 12)
        (record,) = reader
        reader.rewrite(target, lambda record: record.data)
        assert target.read_bytes() == path.read_bytes()
        reader.rewrite(target, lambda record: 2 * record.data, overwrite=True)
    np.testing.assert_array_equal(record.data, DATA.T)
    np.testing.assert_allclose(record.coords["distance"], 100 + 5 * np.arange(12))
    assert record.key == {"patch": 0, "start": START}
    with h5py.File(target) as file:
        np.testing.assert_array_equal(file["__values__"][()], 2 * DATA)


def test_windows(tmp_path):
    path, target = write(tmp_path / "in.nc", WRITERS["tie points"]), tmp_path / "out.nc"
    with XdasReader(path, window=200) as reader:
        records = list(reader)
        reader.rewrite(target, lambda record: -record.data)
    assert [record.data.shape[1] for record in records] == [200, 200, 200, 75]
    assert records[1].key == {"patch": 0, "window": 1, "start": "2024-01-01T00:00:00.700000000"}
    with h5py.File(target) as file:
        np.testing.assert_array_equal(file["__values__"][()], -DATA)


def test_recordings_of_a_collection(tmp_path):
    with open_file(write(tmp_path / "in.nc", WRITERS["tie points"], parts)) as reader:
        assert [record.key["patch"] for record in reader] == [0, 1]
        assert reader.traces == 24


def test_gaps_and_tie_points_that_do_not_fit_are_refused(tmp_path):
    gap = {0: 0, 299: 4 * 299, 300: 60_000, 599: 60_000 + 4 * 299}
    for points, rule in (
        (gap, r"not evenly sampled: steps of 0\.004 to 58\.804 s.*Split"),
        ({0: 0, 500: 2000}, r"tie points of time do not span its 600 values"),
    ):
        path = write(tmp_path / "in.nc", lambda group, points=points: tie_points(group, points))
        with pytest.raises(ReadError, match=rule):
            open_file(path)


def test_virtual_files_are_refused(tmp_path):
    """Their values lie in other files, which HDF5 replaces by zeros if it cannot read them."""
    write(tmp_path / "a.nc", WRITERS["tie points"])

    def virtual(group: h5py.Group) -> None:
        tie_points(group, {0: 0, 599: 4 * 599})
        attrs = dict(group["__values__"].attrs)
        del group["__values__"]
        layout = h5py.VirtualLayout(DATA.shape, DATA.dtype)
        layout[:] = h5py.VirtualSource("a.nc", "__values__", DATA.shape)
        values = group.create_virtual_dataset("__values__", layout)
        values.attrs["coordinate_interpolation"] = attrs["coordinate_interpolation"]
        for axis, name in enumerate(("time", "distance")):
            values.dims[axis].attach_scale(group[name])

    def tiled(group: h5py.Group) -> None:
        tie_points(group, {0: 0, 599: 4 * 599})
        group["__values__"].attrs["__tiling__"] = "__tiles__"

    for writer in (virtual, tiled):
        path = write(tmp_path / "in.nc", writer)
        with pytest.raises(ReadError, match=r"__values__ is virtual.*load\(\)\.to_netcdf"):
            open_file(path)


def test_other_netcdf_is_refused(tmp_path):
    path = tmp_path / "in.nc"
    with h5py.File(path, "w") as file:
        file.attrs["Conventions"] = "CF-1.8"
        file["temperature"] = np.zeros((4, 5))
    for opener in (open_file, XdasReader):
        with pytest.raises(ReadError):
            opener(path)
    path.write_bytes(b"CDF\x01" + bytes(500))
    with pytest.raises(ReadError, match=r"in\.nc"):
        open_file(path)


@pytest.mark.slow
def test_xdas_reads_the_result(tmp_path):
    """The library that wrote the format; it is not a dependency of the project."""
    pytest.importorskip("xdas")
    path, target = write(tmp_path / "in.nc", WRITERS["tie points"]), tmp_path / "out.nc"
    with open_file(path) as reader:
        reader.rewrite(target, lambda record: 2 * record.data)
    code = "import sys, numpy, xdas; numpy.save(sys.argv[2], xdas.open_dataarray(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(target), str(tmp_path / "out.npy")]
    subprocess.run(command, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), 2 * DATA)


class TestJulia:
    def file(self, path: Path, *, das: bool) -> Path:
        """A JLD2 file: HDF5 behind 512 bytes that name Julia."""
        twice = np.dtype([("hi", "f8"), ("lo", "f8")])
        steps = np.dtype([("ref", twice), ("step", twice), ("len", "i8"), ("offset", "i8")])
        reference = h5py.ref_dtype
        kind = np.dtype(
            [("data", reference), ("time", steps), ("htime", reference), ("offset", steps)]
        )
        with h5py.File(path, "w", userblock_size=512) as file:
            values = file.create_dataset("_types/data", data=DATA[:40, :7].T)
            clock = file.create_dataset("_types/htime", data=[62135683200000 + 1577836800000])
            record = np.zeros((), kind)
            record["data"], record["htime"] = values.ref, clock.ref
            for name, first, step, count in (("time", 0, 0.004, 40), ("offset", 100, 5, 7)):
                record[name]["ref"]["hi"], record[name]["step"]["hi"] = first, step
                record[name]["len"], record[name]["offset"] = count, 1
            if das:
                file["dDAS"] = record
        with path.open("r+b") as raw:
            raw.write(b"HDF5-based Julia Data Format, version 0.1.1\0")
        return path

    @table("name", ["a.jld2", "a.h5", "a.bin"])
    def test_a_file_of_dasvader_is_read_and_written(self, tmp_path, name):
        path, target = self.file(tmp_path / name, das=True), tmp_path / f"out_{name}"
        with open_file(path) as reader:
            (record,) = reader
            reader.rewrite(target, lambda record: 2 * record.data)
        np.testing.assert_array_equal(record.data, DATA[:40, :7].T)
        with open_file(target) as reader:
            np.testing.assert_array_equal(next(iter(reader)).data, 2 * DATA[:40, :7].T)

    @table("name", ["a.jld2", "a.h5", "a.bin"])
    def test_another_is_named_as_one(self, tmp_path, name):
        path = self.file(tmp_path / name, das=False)
        with pytest.raises(ReadError, match=r"a JLD2 file of Julia that is no .*HDF5\.jl"):
            open_file(path)


@table(
    ("units", "start"),
    [
        ("seconds since 2024-01-01T06:00:00", "2024-01-01T06:00"),
        ("seconds since 2024-01-01 06:00:00 UTC", "2024-01-01T06:00"),
        ("seconds since 2024-01-01T06:00:00.5Z", "2024-01-01T06:00:00.5"),
        ("seconds since 2024-01-01 06:00:00 +02:00", "2024-01-01T04:00"),
        ("seconds since 2024-01-01 06:00:00 -0530", "2024-01-01T11:30"),
    ],
)
def test_times_since_a_date_have_its_zone_and_all_digits(units, start, tmp_path):
    with h5py.File(tmp_path / "a.nc", "w") as file:
        values = dimensions(file)
        del file["time"]
        file["time"] = np.arange(600) * 1e-5  # 100 kHz, a step of 40 roundings of a float64 date
        file["time"].attrs["units"] = units
        file["time"].make_scale("time")
        values.dims[0].attach_scale(file["time"])
        times = axis_values(values, "time")
    assert times[0] == np.datetime64(start, "ns")
    assert step_of(times) == pytest.approx(1e4)
