"""VTKHDF: what VTK writes is read, and what is written is read by VTK."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest
from case_table import table

from scionwood import ReadError
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.readers import open_series, write_series
from scionwood_crash.readers.sample import sample_series

pv: Any = pytest.importorskip("pyvista")
vtk: Any = pytest.importorskip("vtk")


@pytest.fixture
def series() -> CrashSeries:
    return sample_series()


def test_steps_come_back_with_the_same_bits_and_vtk_reads_them(series, tmp_path):
    path = tmp_path / "run.vtkhdf"
    write_series(path, series)
    again = open_series(path)
    assert np.array_equal(again.displacement(), series.displacement())
    assert np.array_equal(again.alive(), series.alive())
    assert np.array_equal(again.cell_field("plastic_strain"), series.cell_field("plastic_strain"))
    assert (again.mesh.units, again.mesh.rigid_parts) == (series.mesh.units, {7})
    reader = vtk.vtkHDFReader()
    reader.SetFileName(str(path))
    for index in range(len(series)):
        reader.SetStep(index)
        reader.Update()
        grid = pv.wrap(reader.GetOutput())
        assert np.array_equal(grid.point_data["displacement"], series.read(index).displacement)
        assert np.array_equal(grid.cell_data["alive"] != 0, series.read(index).alive)


@pytest.mark.parametrize("kind", ["PolyData", "UnstructuredGrid"])
@pytest.mark.filterwarnings("ignore")
def test_files_of_vtk_with_times_in_names(series, tmp_path, kind):
    faces = [[3, *row[:3]] if row[2] == row[3] else [4, *row] for row in series.mesh.cells.tolist()]
    mesh = pv.PolyData(series.mesh.points.astype(float), np.concatenate(faces))
    for time, frame in zip(series.times, series, strict=True):
        mesh.point_data[f"displacement_t{time:.3f}"] = frame.displacement
    mesh.point_data["thickness"] = np.full(len(series.mesh.points), 1.2)
    writer = vtk.vtkHDFWriter()
    writer.SetFileName(str(tmp_path / "run.vtkhdf"))
    writer.SetInputData(mesh if kind == "PolyData" else mesh.cast_to_unstructured_grid())
    writer.Write()
    again = open_series(tmp_path / "run.vtkhdf")
    assert np.array_equal(again.displacement(), series.displacement())
    assert again.times.tolist() == series.times.tolist()
    assert np.array_equal(again.mesh.cells, series.mesh.cells)
    assert set(again.mesh.thickness.tolist()) == {1.2}


def test_damaged_files_are_refused(series, tmp_path):
    path = tmp_path / "run.vtkhdf"
    write_series(path, series)
    with h5py.File(path, "r+") as file:
        file["VTKHDF/Steps/PointDataOffsets/displacement"][2] = 10**6
    with pytest.raises(ReadError, match=r"displacement has .* rows, not"):
        open_series(path).displacement()
    with h5py.File(path, "r+") as file:
        file["VTKHDF/Steps/NumberOfParts"][1] = 2
    with pytest.raises(ReadError, match="2 partitions"):
        open_series(path)
    with h5py.File(path, "r+") as file:
        file["VTKHDF"].attrs["Type"] = "ImageData"
    with pytest.raises(ReadError, match="its type is ImageData"):
        open_series(path)


@table("version", [42, 51])
@table("kind", [1, 2], ids=["ascii", "binary"])
def test_legacy_polygons_are_read(series, tmp_path, version, kind):
    faces = [[3, *row[:3]] if row[2] == row[3] else [4, *row] for row in series.mesh.cells.tolist()]
    mesh = pv.PolyData(series.mesh.points.astype(float), np.concatenate(faces))
    mesh.cell_data["thickness"] = series.mesh.thickness
    writer = vtk.vtkPolyDataWriter()
    writer.SetFileVersion(version)
    writer.SetFileType(kind)
    writer.SetFileName(str(tmp_path / "a.vtk"))
    writer.SetInputData(mesh)
    writer.Write()
    again = open_series(tmp_path / "a.vtk").mesh
    assert sorted(map(tuple, again.cells.tolist())) == sorted(
        map(tuple, series.mesh.cells.tolist())
    )
    assert sorted(again.thickness.tolist()) == pytest.approx(sorted(series.mesh.thickness.tolist()))
