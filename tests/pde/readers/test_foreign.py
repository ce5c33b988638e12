"""Structures of files of other libraries, as they write them (docs/fields/pde/layouts.md)."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from case_table import table

import scionwood_pde as pde
from scionwood import ReadError, WriteError
from scionwood_pde.readers.opening import open_reader

VALUES = np.random.default_rng(0).standard_normal((3, 4, 5, 6), np.float32)
"""(time, x, y, z)."""

BACK = VALUES.transpose(0, 3, 2, 1)
"""(time, z, y, x)."""


@table(
    ("name", "start", "what"),
    [
        ("a.grib", b"GRIB\0\0\0\2", "it is GRIB. Open it with cfgrib"),
        ("a.mat", b"MATLAB 5.0 MAT-file", "it is a file of MATLAB 5"),
        ("a0.f00001", b"#std 4  3  3  3", "it is Nek5000"),
        ("a.nc", b"CDF\x05\0\0\0\0", "it is CDF-5"),
        ("a.pt", b"\x80\x02}q\0.", "it is a pickle, which is never read"),
    ],
)
def test_known_formats_are_refused_by_name(name, start, what, tmp_path):
    (tmp_path / name).write_bytes(start)
    with pytest.raises(ReadError, match=what):
        open_reader(tmp_path / name)


def test_folders_and_archives_are_refused_by_name(tmp_path):
    (tmp_path / "T.0000000010.data").write_bytes(bytes(64))
    (tmp_path / "T.0000000010.meta").write_text("nDims = [ 3 ];")
    with pytest.raises(ReadError, match="raw numbers of MITgcm"):
        open_reader(tmp_path / "T.0000000010.data")
    (tmp_path / "run.bp").mkdir()
    with pytest.raises(ReadError, match="a folder of ADIOS"):
        open_reader(tmp_path / "run.bp")
    with zipfile.ZipFile(tmp_path / "darcy.pt", "w") as archive:
        archive.writestr("darcy/data.pkl", b"\x80\x02}q\0.")
    with pytest.raises(ReadError, match="a pickle of torch, which is never read"):
        open_reader(tmp_path / "darcy.pt")


def test_archives_of_numpy_are_read_with_their_axes_named(tmp_path):
    path = tmp_path / "fields.npz"
    np.savez(path, u=VALUES, v=2 * VALUES, t=0.1 * np.arange(3))
    with pytest.raises(ReadError, match=r"it holds u \(3, 4, 5, 6\), v .*t \(3,\)\. Name them"):
        open_reader(path)
    axes = {"u": "time x y z", "v": "time x y z", "t": "time"}
    states = pde.open_states(path, axes=axes)
    np.testing.assert_array_equal(states.values[0, :, 1], 2 * VALUES)
    assert states.time.values.tolist() == [0, 0.1, 0.2]
    np.savez(tmp_path / "objects.npz", u=np.array([{}], object))
    with pytest.raises(ReadError):
        open_reader(tmp_path / "objects.npz", axes={"u": "x"}).read(0)


def openpmd(path: Path, **changes: Any) -> Path:
    """Write two steps of a vector and a scalar, as openPMD does."""
    with h5py.File(path, "w") as file:
        file.attrs["openPMD"], file.attrs["meshesPath"] = np.bytes_("1.1.0"), np.bytes_("meshes/")
        for step in (100, 20):
            place = file.create_group(f"data/{step}")
            place.attrs["time"], place.attrs["timeUnitSI"] = 0.1 * step, 2.0
            meshes = place.create_group("meshes")
            for i, name in enumerate(("E/x", "E/y", "rho")):
                meshes[name] = BACK[i] * step
                meshes[name].attrs["position"] = [0.5, 0.0, 0.0]
                meshes[name].attrs["unitSI"] = 1e3 if name == "rho" else 1.0
            for mesh in meshes.values():
                mesh.attrs["axisLabels"] = [b"z", b"y", b"x"]
                mesh.attrs["gridSpacing"], mesh.attrs["gridUnitSI"] = [2.0, 1.0, 0.5], 0.1
                mesh.attrs["gridGlobalOffset"] = [1.0, 0.0, 0.0]
                mesh.attrs["unitDimension"] = [1.0, 0, -1, 0, 0, 0, 0]
            for key, value in changes.items():
                meshes["E/x" if key == "position" else "rho"].attrs[key] = value
    return path


def test_meshes_of_openpmd_have_points_times_and_units(tmp_path):
    states = pde.open_states(openpmd(tmp_path / "a.h5"))
    assert states.channel.values.tolist() == ["E_x", "E_y", "rho"]
    assert states.unit.values.tolist() == ["m s-1", "m s-1", "1000 m s-1"]
    np.testing.assert_array_equal(states.values[0, 1, 1], (BACK[1] * 100).T)
    np.testing.assert_allclose(states.time, [4.0, 20.0])
    np.testing.assert_allclose(states.z, 0.1 * (1 + 2 * (np.arange(6) + 0.5)))
    np.testing.assert_allclose(states.x, 0.05 * np.arange(4))


def test_the_times_of_openpmd_have_the_offset_that_most_fields_have(tmp_path):
    path = openpmd(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        for step in (20, 100):
            file[f"data/{step}/meshes/E"].attrs["timeOffset"] = -0.25
    with pytest.warns(UserWarning, match="rho are of other times than the rest"):
        states = pde.open_states(path)
    np.testing.assert_allclose(states.time, [3.5, 19.5])


def test_components_of_openpmd_on_faces_and_other_names_are_refused(tmp_path):
    path = openpmd(tmp_path / "a.h5", position=[0.5, 0.0, 0.5])
    with pytest.raises(ReadError, match=r"other points.*E_x \('offset \(0.5, 0.0, 0.5\)',\)"):
        open_reader(path)
    assert len(open_reader(path, fields=["E_y", "rho"]).layout.channels) == 2
    with pytest.raises(ReadError, match="its mesh rho is thetaMode; only cartesian"):
        open_reader(openpmd(tmp_path / "b.h5", geometry=np.bytes_("thetaMode")))
    with pytest.raises(ReadError, match="the grid of rho differs"):
        open_reader(openpmd(tmp_path / "c.h5", gridSpacing=[2.0, 1.0, 0.25]))
    with h5py.File(path, "a") as file:
        file.move("data/100", "data/late")
    with pytest.raises(ReadError, match="data/late is no time step"):
        open_reader(path)


def test_offsets_of_jax_cfd_are_refused_by_name(tmp_path):
    dims = ("time", "x", "y", "z")
    places = {"u": [1.0, 0.5, 0.5], "v": [0.5, 1.0, 0.5], "w": [0.5, 0.5, 1.0]}
    data = xr.Dataset({n: (dims, VALUES, {"offset": place}) for n, place in places.items()})
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(ReadError, match=r"u \('offset \(1.0, 0.5, 0.5\)'.*v .*w "):
        open_reader(tmp_path / "a.nc")
    states = pde.open_states(tmp_path / "a.nc", fields=["u", "v", "w"])
    np.testing.assert_array_equal(states.values[0, :, 2], VALUES)


def test_rows_along_y_are_told_by_the_lengths_of_the_grid(tmp_path):
    data = VALUES[..., :2]
    for name, order in (("xy.h5", (0, 1, 2, 3)), ("yx.h5", (0, 2, 1, 3))):
        with h5py.File(tmp_path / name, "w") as file:
            file["0000/data"] = data.transpose(order)
            for axis, n in (("t", 3), ("x", 4), ("y", 5)):
                file[f"0000/grid/{axis}"] = np.arange(float(n))
        states = pde.open_states(tmp_path / name)
        np.testing.assert_array_equal(states.values[0, :, 1], data[..., 1])


def test_fields_in_groups_of_netcdf_are_read_and_none_is_lost(tmp_path):
    path, dims = tmp_path / "a.nc", ("time", "z", "y", "x")
    lines = {axis: 0.5 * np.arange(n) for axis, n in zip("zyx", (6, 5, 4), strict=True)}
    xr.Dataset({"p": (dims, BACK)}, lines).to_netcdf(path, engine="h5netcdf")
    flow = xr.Dataset({"u": (dims, 2 * BACK), "p": (dims, 3 * BACK)})
    flow.to_netcdf(path, group="flow", mode="a", engine="h5netcdf")
    states = pde.open_states(path)
    assert states.channel.values.tolist() == ["p", "u", "flow/p"]
    np.testing.assert_array_equal(states.values[0, :, 2], 3 * VALUES)
    assert states.x.attrs["spacing"] == 0.5
    with pytest.raises(WriteError, match=r"fields in groups \(flow\) are read, and not written"):
        open_reader(path).rewrite(tmp_path / "b.nc", lambda record: record.data)
    coarse = xr.Dataset({"q": (dims, BACK[:, ::2, ::2, ::2])})
    coarse.to_netcdf(path, group="coarse", mode="a", engine="h5netcdf")
    with pytest.raises(ReadError, match=r"other points.*q \('time', 'coarse/z', 'coarse/y'"):
        open_reader(path)


def test_angles_beside_metres_are_no_globe(tmp_path):
    field = VALUES[:, :, :, 0]
    metres = {a: (a, np.arange(float(n)), {"units": "m"}) for a, n in (("x", 4), ("y", 5))}
    beside = {"lat": (("x", "y"), field[0], {"units": "degrees_north"})}
    beside["origin_latitude"] = (("time",), field[:, 0, 0], {"units": "degrees_north"})
    beside["radar_latitude"] = (("radar",), np.zeros(2), {"units": "degrees_north"})
    data = xr.Dataset({"heat": (("time", "x", "y"), field)} | beside, metres)
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    states = pde.open_states(tmp_path / "a.nc")
    assert states.channel.values.tolist() == ["heat", "lat"]
    assert states.x.attrs["units"] == "m"


def test_rotated_poles_cells_of_roms_and_meshes_are_refused(tmp_path):
    field = (("time", "b", "a"), VALUES[..., 0])
    for name, coordinate, rule in (
        ("pole", ("a", np.arange(5.0), {"standard_name": "grid_longitude"}), "is spherical"),
        ("lat_rho", (("b", "a"), VALUES[0, ..., 0]), "is curvilinear"),
        ("mesh", ((), 0, {"cf_role": "mesh_topology"}), "is unstructured: mesh is a mesh of UGRID"),
    ):
        data = xr.Dataset({"heat": (("time", "b", "a"), field[1]), name: coordinate})
        data.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
        with pytest.raises(ReadError, match=rule):
            open_reader(tmp_path / f"{name}.nc", dims={"y": "b"})


def test_vtk_reads_boxes_pieces_and_names_what_it_leaves_out(tmp_path):
    pyvista = pytest.importorskip("pyvista")
    image = pyvista.ImageData(dimensions=(4, 5, 6), spacing=(0.1, 0.2, 0.3))
    image.point_data["p"] = VALUES[0].T.ravel()
    image.cast_to_structured_grid().save(tmp_path / "box.vts")
    np.testing.assert_array_equal(pde.open_states(tmp_path / "box.vts").values[0, 0, 0], VALUES[0])
    image.cell_data["q"] = VALUES[0, 1:, 1:, 1:].T.ravel()
    image.save(tmp_path / "both.vti")
    with pytest.raises(ReadError, match="q of the cells"):
        open_reader(tmp_path / "both.vti")
    states = pde.open_states(tmp_path / "both.vti", fields=["p"])
    np.testing.assert_array_equal(states.values[0, 0, 0], VALUES[0])
    text = '<VTKFile type="PImageData"><PImageData WholeExtent="0 3 0 4 0 5" Spacing="1 1 1">'
    text += '<PPointData><PDataArray type="Float32" Name="p"/></PPointData>'
    text += '<Piece Extent="0 3 0 4 0 5" Source="{}"/></PImageData></VTKFile>'
    image.cell_data.clear()
    image.save(tmp_path / "both.vti")
    (tmp_path / "all.pvti").write_text(text.format("both.vti"))
    states = pde.open_states(tmp_path / "all.pvti")
    np.testing.assert_array_equal(states.values[0, 0, 0], VALUES[0])
    for source in ("../both.vti", "/etc/both.vti", "&#46;&#46;/both.vti"):
        (tmp_path / "all.pvti").write_text(text.format(source))
        with pytest.raises(ReadError, match="lies outside its folder"):
            open_reader(tmp_path / "all.pvti")


def test_images_of_vtk_in_hdf5_have_no_links_out(tmp_path):
    pytest.importorskip("pyvista")
    with h5py.File(tmp_path / "a.vtkhdf", "w") as file:
        file["VTKHDF"] = h5py.ExternalLink("/etc/hostname", "/data")
    with pytest.raises(ReadError, match="points to the file"):
        open_reader(tmp_path / "a.vtkhdf")
