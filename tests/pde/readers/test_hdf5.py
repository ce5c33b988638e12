from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from case_table import table

from scionwood import ReadError, WriteError
from scionwood_pde.readers.hdf5 import PDEBenchReader, WellReader
from scionwood_pde.readers.write import save_states


@pytest.fixture
def well(states: xr.DataArray, tmp_path: Path) -> Path:
    path = tmp_path / "states.hdf5"
    save_states(states, path)
    return path


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    path = tmp_path / "bench.h5"
    PDEBenchReader.write_sample(path)
    return path


def test_a_well_file_has_the_layout_of_the_well(well, states):
    with h5py.File(well) as file:
        assert file.attrs["n_spatial_dims"] == 3
        assert file.attrs["n_trajectories"] == 2
        assert file.attrs["grid_type"] == "cartesian"
        assert list(file["dimensions"].attrs["spatial_dims"]) == ["x", "y", "z"]
        velocity, density = file["t1_fields/u"], file["t0_fields/density"]
        np.testing.assert_array_equal(np.moveaxis(velocity[()], -1, 2), states.values[:, :, :3])
        np.testing.assert_array_equal(density[()], states.values[:, :, 3])
        assert velocity.attrs["dim_varying"].all()
        assert velocity.attrs["sample_varying"]
        condition = file["boundary_conditions/x_periodic"]
        assert condition.attrs["bc_type"] == "PERIODIC"
        assert condition["mask"][()].tolist() == [True, False, False, True]


def test_values_equal_those_of_h5py(bench):
    reader = PDEBenchReader(bench)
    assert [channel.name for channel in reader.layout.channels] == ["density", "V_x", "V_y", "V_z"]
    assert len(reader.layout.times) == 3  # the file also lists the end of the last interval
    with h5py.File(bench) as file:
        assert len(file["t-coordinate"]) == 4
        for row, name in enumerate(("density", "Vx", "Vy", "Vz")):
            assert reader.state(1, 2)[row].tobytes() == file[name][1, 2].tobytes()


def test_a_constant_well_field_is_repeated_and_not_written_over(well):
    with h5py.File(well, "r+") as file:
        terrain = np.arange(12, dtype=np.float32).reshape(4, 3)
        file["t0_fields/terrain"] = terrain
        varying = {"sample_varying": False, "time_varying": False}
        file["t0_fields/terrain"].attrs.update(dim_varying=[True, True, False], **varying)
    reader = WellReader(well, fields=["terrain"])
    for state in reader:
        np.testing.assert_array_equal(state.data, np.stack([terrain] * 2, axis=-1)[None])
    with pytest.raises(WriteError, match="stored once for every sample, time, z"):
        reader.rewrite(well.with_stem("target"), lambda record: record.data + 1)


def test_a_tensor_of_the_well_has_components(well):
    values = np.random.default_rng(1).standard_normal((2, 3, 4, 3, 2, 3, 3)).astype(np.float32)
    with h5py.File(well, "r+") as file:
        file["t2_fields/stress"] = values
    reader = WellReader(well, fields=["stress_xz", "stress_yy"])
    np.testing.assert_array_equal(
        reader.state(1, 1), values[1, 1][..., [0, 1], [2, 1]].transpose(3, 0, 1, 2)
    )


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(4,))
    file.create_virtual_dataset("view", layout)


def unwritten(file: h5py.File) -> None:
    file.create_dataset("t0_fields/density", (2, 3, 4, 3, 2), "f4", chunks=(1, 1, 4, 3, 2))
    file["t0_fields/density"][0] = 1


OUTSIDE = h5py.ExternalLink("/etc/passwd", "/x")
RAW = {"external": [("/etc/hostname", 0, 16)]}
WRONG = np.zeros((2, 3, 4, 2, 3), np.float32)
DAMAGES: dict[str, tuple[str, Callable[[h5py.File], object], str]] = {
    "external link": (
        "",
        lambda file: file.__setitem__("t0_fields/secret", OUTSIDE),
        "secret.* points to the file '/etc/passwd'",
    ),
    "external storage": (
        "",
        lambda file: file.create_dataset("raw", (4,), "f4", **RAW),
        "'raw' is stored in other files",
    ),
    "virtual dataset": ("", virtual, "'view' is stored in other files"),
    "wrong shape": (
        "t0_fields/density",
        lambda file: file.__setitem__("t0_fields/density", WRONG),
        "'density' has shape",
    ),
    "not all written": ("t0_fields/density", unwritten, "144 bytes stored|288 bytes stored"),
    "endless axis": (
        "dimensions/x",
        lambda file: file.create_dataset("dimensions/x", (10**12,), "f8", chunks=(100,)),
        "declares 7451 GiB",
    ),
    "curved grid": (
        "",
        lambda file: file.attrs.__setitem__("grid_type", "spherical"),
        "grid is spherical; only cartesian",
    ),
}
"""Kind of damage -> what is removed, what is written in its place, and the message."""


@table("kind", DAMAGES)
def test_refuses_hostile_and_unfinished_files(well, tmp_path, kind):
    removed, write, message = DAMAGES[kind]
    path = shutil.copy(well, tmp_path / "states.hdf5")
    with h5py.File(path, "r+") as file:
        if removed:
            del file[removed]
        write(file)
    with pytest.raises(ReadError, match=message):
        WellReader(path)


def test_refuses_pdebench_fields_of_two_shapes(bench):
    with h5py.File(bench, "r+") as file:
        file["pressure"] = np.zeros((2, 3, 4, 3, 5), np.float32)
    with pytest.raises(ReadError, match="all must have one"):
        PDEBenchReader(bench)


@table("share", [0.3, 0.6, 0.9, 0.999])
def test_refuses_a_truncated_file(well, bench, tmp_path, share):
    for path, reader in ((well, WellReader), (bench, PDEBenchReader)):
        whole, cut = path.read_bytes(), tmp_path / path.name
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ReadError, match=r"not a readable .* HDF5 file .*truncated"):
            reader(cut)
