"""Layouts of other programs: each is read with the values, axes and names that its writer means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from case_table import table

import scionwood_pde as pde
from scionwood import ReadError, WriteError
from scionwood_pde.readers.arrays import NumpyReader, SceneReader
from scionwood_pde.readers.hdf5 import GridReader
from scionwood_pde.readers.labelled import NetCDF3Reader
from scionwood_pde.readers.meshes import VtkReader
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.write import sample_states

VALUES = np.random.default_rng(0).standard_normal((2, 3, 2, 4, 5, 6), np.float32)
"""(sample, time, channel, x, y, z)."""


def hdf5(path: Path, arrays: dict[str, Any], attrs: dict[str, dict[str, Any]]) -> Path:
    """Write arrays and attributes by path."""
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
        for name, own in attrs.items():
            file.require_group(name).attrs.update(own)
    return path


def test_cutouts_of_jhtdb_have_a_time_in_each_name(tmp_path):
    run = VALUES[0].transpose(0, 4, 3, 2, 1)  # time, z, y, x, component
    arrays = {f"Velocity_{5 + t:04d}": run[t] for t in range(3)}
    arrays |= {f"Pressure_{5 + t:04d}": run[t, ..., :1] for t in range(3)}
    arrays |= {f"{a}coor": 0.1 * np.arange(n) for a, n in zip("xyz", (4, 5, 6), strict=True)}
    states = pde.open_states(hdf5(tmp_path / "cutout.h5", arrays, {}))
    assert states.channel.values.tolist() == ["pressure", "velocity_x", "velocity_y"]
    assert states.time.values.tolist() == [5, 6, 7]
    np.testing.assert_array_equal(states.values[0, :, 1:], VALUES[0])
    np.testing.assert_allclose(states.y, 0.1 * np.arange(5))


def test_cutouts_of_giverny_are_netcdf_with_the_same_names(tmp_path):
    dims = ("zcoor", "ycoor", "xcoor", "values")
    run = VALUES[0].transpose(0, 4, 3, 2, 1)
    data = {f"velocity_{t + 1:04d}": (dims, run[t]) for t in range(3)}
    lines = {d: np.arange(n) * 0.1 for d, n in zip(dims, (6, 5, 4), strict=False)}
    xr.Dataset(data, lines).to_netcdf(tmp_path / "giverny.h5", engine="h5netcdf")
    states = pde.open_states(tmp_path / "giverny.h5")
    np.testing.assert_array_equal(states.values[0], VALUES[0])


def test_files_of_pbdl_name_their_fields_and_equation(tmp_path):
    arrays = {f"sims/sim{i}": VALUES[i] for i in range(2)}
    attrs = {"sims": {"Fields": ["Velocity X", "Density"], "PDE": "burgers", "Dt": 0.5}}
    states = pde.open_states(hdf5(tmp_path / "pbdl.hdf5", arrays, attrs))
    assert states.channel.values.tolist() == ["velocity_x", "density"]
    assert states.attrs["equation"] == "burgers"
    assert states.time.values.tolist() == [0, 0.5, 1]
    np.testing.assert_array_equal(states.values, VALUES)


def test_states_of_fluidsim_lie_in_a_periodic_box(tmp_path):
    arrays = {f"state_phys/u{a}": VALUES[0, 0, i].T for i, a in enumerate("xy")}
    attrs = {"state_phys": {"time": 1.5}, "info_simul/params/oper": {"Lx": 1.0, "Ly": 2, "Lz": 3}}
    states = pde.open_states(hdf5(tmp_path / "state_phys_t1.5.nc", arrays, attrs))
    np.testing.assert_array_equal(states.values[0, 0], VALUES[0, 0])
    assert states.time.item() == 1.5
    assert states.y.attrs["boundary"] == "periodic"
    assert states.y.attrs["spacing"] == pytest.approx(0.4)


def test_every_set_of_pdebench_is_read(tmp_path):
    plane = VALUES[..., 0]
    grouped = {f"{i:04d}/data": plane[i].transpose(0, 2, 3, 1) for i in range(2)}
    grouped |= {f"{i:04d}/grid/x": np.arange(4.0) for i in range(2)}
    states = pde.open_states(hdf5(tmp_path / "diff-react.h5", grouped, {}))
    np.testing.assert_array_equal(states.values, plane)
    flow = {"velocity": plane.transpose(0, 1, 3, 4, 2), "particles": plane[:, :, 0, ..., None]}
    flow |= {"force": plane[:, 0].transpose(0, 2, 3, 1), "t": np.arange(6.0).reshape(2, 3)}
    states = pde.open_states(hdf5(tmp_path / "ns_incom.h5", flow, {}))
    names = ["velocity_x", "velocity_y", "particles", "force_x", "force_y"]
    assert states.channel.values.tolist() == names
    np.testing.assert_array_equal(states.values[:, :, :2], plane)
    np.testing.assert_array_equal(states.values[:, 2, 4], plane[:, 0, 1])
    line = {"tensor": plane[:, :, 0, :, 0], "x-coordinate": np.arange(4.0)}
    assert pde.open_states(hdf5(tmp_path / "advection.h5", line, {})).shape == (2, 3, 1, 4)


def test_plain_hdf5_is_read_with_its_axes_named(tmp_path):
    arrays = {"flow/u": VALUES[0, :, 0].transpose(0, 3, 2, 1), "grid/x": 0.5 * np.arange(4)}
    path = hdf5(tmp_path / "plain.h5", arrays, {})
    with pytest.raises(ReadError, match=r"unknown; it holds flow/u \(3, 6, 5, 4\).*axes="):
        open_reader(path)
    states = pde.open_states(path, axes={"flow/u": "time z y x", "grid/x": "x"})
    np.testing.assert_array_equal(states.values[0, :, 0], VALUES[0, :, 0])
    assert states.x.attrs["spacing"] == 0.5
    for axes, rule in (
        ({"flow/u": "time z y"}, r"shape \(3, 6, 5, 4\), and axes names 3"),
        ({"flow/v": "time z y x"}, "no array 'flow/v'"),
        ({"flow/u": "time z y q"}, "its axes are y, z, and x is none of them"),
    ):
        with pytest.raises(ReadError, match=rule):
            open_reader(path, axes=axes)


def test_npy_has_the_order_of_apebench_or_named_axes(tmp_path):
    cube = np.random.default_rng(1).standard_normal((2, 3, 2, 16, 16), np.float32)
    np.save(tmp_path / "ape.npy", cube)
    np.testing.assert_array_equal(pde.open_states(tmp_path / "ape.npy").values, cube)
    np.save(tmp_path / "other.npy", VALUES[0, :, 0])
    with pytest.raises(ReadError, match=r"Name its axes"):
        open_reader(tmp_path / "other.npy")
    states = pde.open_states(tmp_path / "other.npy", axes={"array": "time x y z"})
    np.testing.assert_array_equal(states.values[0, :, 0], VALUES[0, :, 0])
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ReadError):
        open_reader(tmp_path / "objects.npy")


def test_scenes_of_phiflow_are_read_without_their_pickles(tmp_path):
    scene = tmp_path / "sim_000000"
    scene.mkdir()
    (scene / "description.json").write_text(json.dumps({}))
    box = {"lower": np.zeros(2), "upper": np.array([1.0, 2.0])}
    pickled = {"extrapolation": np.array({"type": "periodic"}, object)}
    faces = np.random.default_rng(0).standard_normal((3, 5, 6, 2), np.float32)
    for t in range(3):
        file = scene / f"smoke_{t:06d}.npz"
        known = {"dim_names": ["x", "y"], "field_type": "CenteredGrid"} | box | pickled
        np.savez_compressed(file, data=VALUES[0, t, 0, :, :, 0], **known)
        known |= {"dim_names": ["x", "y", "vector"], "field_type": "StaggeredGrid"}
        np.savez_compressed(scene / f"velocity_{t:06d}.npz", data=faces[t], **known)
    states = pde.open_states(scene)
    assert states.channel.values.tolist() == ["smoke", "velocity_x", "velocity_y"]
    np.testing.assert_array_equal(states.values[0, :, 0], VALUES[0, :, 0, :, :, 0])
    mean = (faces[:, :4, :5, 0] + faces[:, 1:, :5, 0]) / 2
    np.testing.assert_allclose(states.values[0, :, 1], mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(states.x, [0.125, 0.375, 0.625, 0.875])
    (scene / "smoke_000002.npz").unlink()
    with pytest.raises(ReadError, match="another field has 2"):
        open_reader(scene)


@table("suffix", [".vti", ".vtk", ".vtr"])
def test_regular_grids_of_vtk_are_read(suffix, tmp_path):
    pyvista = pytest.importorskip("pyvista")
    path = tmp_path / f"grid{suffix}"
    if suffix == ".vtr":
        lines = [np.arange(n) * 0.5 for n in (4, 5, 6)]
        mesh = pyvista.RectilinearGrid(*lines)
        mesh.point_data["density"] = VALUES[0, 0, 0].T.ravel()
        mesh.save(path)
        wanted = VALUES[0, 0, :1]
    else:
        VtkReader.write_sample(path)
        wanted = sample_states().values[0, 0]
    states = pde.open_states(path)
    np.testing.assert_array_equal(states.values[0, 0], wanted)
    assert states.x.attrs["spacing"] == pytest.approx(0.5)
    if suffix == ".vtk":  # VTK itself only warns, and leaves undefined numbers
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(ReadError, match="Error reading"):
            open_reader(path)


def test_cells_that_form_a_grid_are_read_and_curves_are_refused(tmp_path):
    pyvista = pytest.importorskip("pyvista")
    image = pyvista.ImageData(dimensions=(5, 6, 7), spacing=(0.1, 0.2, 0.3))
    image.cell_data["p"] = VALUES[0, 0, 0].T.ravel()
    image.cast_to_unstructured_grid().save(tmp_path / "cells.vtu")
    states = pde.open_states(tmp_path / "cells.vtu")
    np.testing.assert_array_equal(states.values[0, 0, 0], VALUES[0, 0, 0])
    pyvista.Sphere().cast_to_unstructured_grid().save(tmp_path / "sphere.vtu")
    with pytest.raises(ReadError, match="form no regular grid"):
        open_reader(tmp_path / "sphere.vtu")
    curves = image.cast_to_structured_grid()
    curves.points[:, 1] += 0.1 * np.sin(9 * curves.points[:, 0])
    curves.save(tmp_path / "curves.vts")
    with pytest.raises(ReadError, match="it is curvilinear"):
        open_reader(tmp_path / "curves.vts")


def test_netcdf_3_is_read(tmp_path):
    NetCDF3Reader.write_sample(tmp_path / "classic.nc")
    assert (tmp_path / "classic.nc").read_bytes()[:3] == b"CDF"
    wanted = sample_states()
    states = pde.open_states(tmp_path / "classic.nc", fields=wanted.channel.values.tolist())
    np.testing.assert_array_equal(states.values, wanted.values)


@table(("reader", "name"), [(GridReader, "a.h5"), (NumpyReader, "a.npy"), (SceneReader, "scene")])
def test_these_formats_are_read_only(reader, name, tmp_path):
    reader.write_sample(tmp_path / name)
    opened = open_reader(tmp_path / name)
    assert type(opened) is reader
    with pytest.raises(WriteError, match="are read, and not written"):
        opened.rewrite(tmp_path / "new", lambda record: record.data)


def test_options_that_a_format_does_not_take_are_refused(tmp_path):
    pde.write_states(sample_states(), tmp_path / "a.hdf5")
    with pytest.raises(ReadError, match="Well HDF5 names its own axes, so that dims would be"):
        open_reader(tmp_path / "a.hdf5", dims={"x": "x"})
    pde.write_states(sample_states(), tmp_path / "a.zarr")
    with pytest.raises(ReadError, match="so that axes would be ignored"):
        open_reader(tmp_path / "a.zarr", axes={"u_x": "time x y z"})


def globe(**coordinates: Any) -> xr.Dataset:
    field = np.random.default_rng(0).standard_normal((2, 8, 9))
    return xr.Dataset({"t2m": (("time", "lat", "lon"), field)}, coordinates)


def test_spherical_and_curvilinear_grids_are_refused_with_their_reason(tmp_path):
    lines = {
        "lat": ("lat", np.arange(8.0), {"units": "degrees_north"}),
        "lon": ("lon", np.arange(9.0), {"units": "degrees_east"}),
    }
    globe(**lines).to_netcdf(tmp_path / "sphere.nc", engine="h5netcdf")
    with pytest.raises(ReadError, match="its grid is spherical: lat is in degrees"):
        open_reader(tmp_path / "sphere.nc")
    states = pde.open_states(tmp_path / "sphere.nc", dims={"x": "lon", "y": "lat"})
    assert states.shape == (1, 2, 1, 9, 8)
    assert states.x.attrs["units"] == "degree"
    curves = {"nav_lat": (("lat", "lon"), np.ones((8, 9)), {"units": "degrees_north"})}
    globe(**curves).to_netcdf(tmp_path / "curves.nc", engine="h5netcdf")
    with pytest.raises(ReadError, match="curvilinear: the coordinate nav_lat has the dims"):
        open_reader(tmp_path / "curves.nc")
