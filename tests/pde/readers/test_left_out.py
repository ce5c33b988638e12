"""What lies on other points is named, never left out; and states in memory have no limit."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from case_table import table

from scionwood import ReadError, RecipeError
from scionwood_kit import replay
from scionwood_pde.data.files import Files
from scionwood_pde.readers import layout
from scionwood_pde.readers.meshes import VtkReader
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.states import layout_of


@pytest.fixture
def staggered(tmp_path: Path) -> Path:
    """A C-grid as ocean models write it: u and v lie on the faces of the cells."""
    points = {"time": [0.0, 1.0], "x": np.arange(6.0), "y": np.arange(5.0)}
    points |= {"xu": np.arange(7.0), "yv": np.arange(6.0)}
    random = np.random.default_rng(0)
    fields = {
        "temperature": ("time", "x", "y"),
        "u": ("time", "xu", "y"),
        "v": ("time", "x", "yv"),
        "vorticity": ("time", "xu", "yv"),
        "depth": ("x", "y"),
        "x_bnds": ("x", "ends"),
        "latitude": ("y",),
    }
    sizes = {name: len(values) for name, values in points.items()} | {"ends": 2}
    data = {
        name: (dims, random.random([sizes[dim] for dim in dims])) for name, dims in fields.items()
    }
    dataset = xr.Dataset(data, points)
    dataset["x"].attrs["bounds"] = "x_bnds"
    dataset.to_netcdf(tmp_path / "c.nc", engine="h5netcdf")
    return tmp_path / "c.nc"


def test_fields_of_a_staggered_grid_are_refused_by_name(staggered):
    with pytest.raises(ReadError, match=r"u .*v .*vorticity") as told:
        open_reader(staggered)
    assert "of temperature, depth" in str(told.value) or "of depth, temperature" in str(told.value)
    assert "x_bnds" not in str(told.value)
    assert "latitude" not in str(told.value)
    reader = open_reader(staggered, fields=["temperature"])
    assert [channel.name for channel in reader.layout.channels] == ["temperature"]
    assert reader.layout.sides == (6, 5)


@pytest.fixture
def darcy(tmp_path: Path) -> Path:
    """A file as PDEBench writes Darcy flow: the coefficient `nu` and the solution `tensor`."""
    random = np.random.default_rng(0)
    with h5py.File(tmp_path / "darcy.h5", "w") as file:
        file["nu"] = random.random((3, 8, 8), np.float32)
        file["tensor"] = random.random((3, 1, 8, 8), np.float32)
        for axis in "xy":
            file[f"{axis}-coordinate"] = (np.arange(8) + 0.5) / 8
    return tmp_path / "darcy.h5"


def test_the_input_of_darcy_flow_is_a_channel(darcy):
    reader = open_reader(darcy)
    assert [channel.name for channel in reader.layout.channels] == ["tensor", "nu"]
    with h5py.File(darcy) as file:
        np.testing.assert_array_equal(reader.state(1, 0), [file["tensor"][1, 0], file["nu"][1]])


def test_another_array_of_pdebench_is_refused_by_name(darcy):
    with h5py.File(darcy, "r+") as file:
        file["force"] = np.zeros((3, 9, 9))
    with pytest.raises(ReadError, match=r"other points than x, y, .*: force"):
        open_reader(darcy)
    assert len(open_reader(darcy, fields=["nu"]).layout.channels) == 1


def test_irregular_times_are_refused_for_steps(tmp_path):
    random = np.random.default_rng(0)
    states = random.random((6, 4, 8, 8, 8), np.float32)
    dims = ("sample", "time", "x", "y", "z")
    dataset = xr.Dataset({"a": (dims, states)}, {"time": [0.0, 1.0, 2.0, 10.0]})
    dataset.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(RecipeError, match="its times lie 1 to 8 apart"):
        Files(files=[str(tmp_path / "a.nc")], time_stride=1, crop=8)
    assert len(Files(files=[str(tmp_path / "a.nc")], time_stride=0, crop=8).sources) == 1


def test_the_size_of_a_file_does_not_limit_states_in_memory(states, monkeypatch):
    monkeypatch.setattr(layout, "_LARGE", 1)
    read = layout_of(states)
    assert read.sides == (4, 3, 2)
    with pytest.raises(ReadError, match="cannot hold"):
        read.check_stored(Path("no such file"))


CORPUS = Path(__file__).parents[2] / "core" / "fuzzing" / "corpus"


@table("mode", ["Ascii", "Binary", "Appended"])
@table("order", ["BigEndian", "LittleEndian"])
@table("codec", ["None", "ZLib", "LZ4", "LZMA"])
def test_every_encoding_of_vtk_itself_is_read(tmp_path, mode, order, codec):
    pyvista = pytest.importorskip("pyvista")
    vtk = pytest.importorskip("vtkmodules.vtkIOXML")
    for end, bits in ((".vti", 32), (".vtr", 64)):
        path = tmp_path / f"a{end}"
        VtkReader.write_sample(path)
        whole = [record.data for record in VtkReader(path)]
        writer = vtk.vtkXMLImageDataWriter() if end == ".vti" else vtk.vtkXMLRectilinearGridWriter()
        writer.SetInputData(pyvista.read(path))
        writer.SetFileName(str(path))
        getattr(writer, f"SetDataModeTo{mode}")()
        getattr(writer, f"SetByteOrderTo{order}")()
        getattr(writer, f"SetCompressorTypeTo{codec}")()
        getattr(writer, f"SetHeaderTypeToUInt{bits}")()
        writer.SetEncodeAppendedData(bits == 64)
        writer.Write()
        for again, record in zip(whole, VtkReader(path), strict=True):
            np.testing.assert_array_equal(again, record.data)


@table("case", sorted(CORPUS.glob("pde-vtk-*.json")), ids=lambda path: path.stem)
def test_a_file_that_killed_vtk_is_refused(case):
    pytest.importorskip("pyvista")
    reading = replay(case)
    assert reading.kind == "refused", reading


def test_the_error_names_the_array(tmp_path):
    pytest.importorskip("pyvista")
    path = tmp_path / "a.vti"
    VtkReader.write_sample(path)
    path.write_bytes(path.read_bytes().replace(b'Components="3"', b'Components="3000000000"', 1))
    with pytest.raises(ReadError, match="array 'u' has no number of components from 1 to 1024"):
        VtkReader(path)
