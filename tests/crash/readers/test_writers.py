"""Series are unchanged in every format, and writing needs the memory of one state."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pyvista
import zarr
from case_table import table

from scionwood import OutputExistsError, WriteError
from scionwood_crash.parts.mesh import CrashSeries, Frame, ShellMesh
from scionwood_crash.readers import open_series, write_series
from scionwood_crash.readers.sample import sample_series
from scionwood_crash.readers.store import write_zarr
from scionwood_crash.readers.vtk_write import time_labels, write_pvd, write_vtp

EXACT = ("run.pvd", "run.vtp", "run.zarr", "run.zip")


@pytest.fixture
def series() -> CrashSeries:
    """A series with two cell fields, one of them a vector, and a velocity on points."""
    base, rng = sample_series(states=4), np.random.default_rng(1)
    strain = base.cell_field("plastic_strain")
    return CrashSeries.from_arrays(
        base.mesh,
        base.times,
        base.displacement(),
        cell_fields={"plastic_strain": strain, "flux": rng.random((*strain.shape, 3))},
        point_fields={"velocity": rng.random((4, len(base.mesh.points), 3))},
        alive=base.alive(),
        features={"speed": 15.6},
    )


def assert_same(result: CrashSeries, wanted: CrashSeries) -> None:
    for name in ("points", "cells", "node_ids", "element_ids", "part_ids", "thickness"):
        assert np.array_equal(getattr(result.mesh, name), getattr(wanted.mesh, name)), name
    assert (result.mesh.units, result.mesh.rigid_parts) == (
        wanted.mesh.units,
        wanted.mesh.rigid_parts,
    )
    assert np.array_equal(result.times, wanted.times)
    for one, other in zip(result, wanted, strict=True):
        assert np.array_equal(one.displacement, other.displacement)
        assert np.array_equal(one.alive, other.alive)
        for fields in ("cell_fields", "point_fields"):
            left, right = getattr(one, fields), getattr(other, fields)
            assert left.keys() == right.keys()
            assert all(np.array_equal(left[name], right[name]) for name in left)


@table("name", EXACT)
def test_series_are_unchanged_by_writing_and_reading(series, tmp_path, name):
    write_series(tmp_path / name, series)
    result = open_series(tmp_path / name)
    assert_same(result, series)
    assert result.features == {"speed": 15.6}


def test_paraview_opens_the_list_from_any_folder(series, tmp_path, monkeypatch):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_series(Path("out/a run.pvd"), series)
    (tmp_path / "here" / "out").rename(tmp_path / "there" / "moved")
    monkeypatch.chdir(tmp_path)
    reader = pyvista.get_reader(str(tmp_path / "there" / "moved" / "a run.pvd"))
    assert reader.time_values == series.times.tolist()
    for time, frame in zip(series.times, series, strict=True):
        reader.set_active_time_value(time)
        grid = reader.read()[0]
        assert np.array_equal(grid.points, series.mesh.points + frame.displacement)
        assert np.array_equal(grid.point_data["displacement"], frame.displacement)
        assert np.array_equal(grid.cell_data["plastic_strain"], frame.cell_fields["plastic_strain"])
        assert np.array_equal(grid.cell_data["alive"], frame.alive)
        assert "plastic_strain" not in grid.point_data  # not smeared to nodes
        kinds = np.where(series.mesh.triangles, pyvista.CellType.TRIANGLE, pyvista.CellType.QUAD)
        assert np.array_equal(grid.celltypes, kinds)


def test_reads_other_encodings_of_paraview(series, tmp_path):
    write_pvd(series, tmp_path / "run.pvd")
    write_vtp(series, tmp_path / "run.vtp")
    for source in ("run.frames/0002.vtu", "run.vtp"):
        mesh = pyvista.read(tmp_path / source)
        wanted = open_series(tmp_path / source)
        for binary in (True, False):  # appended raw bytes, and text
            target = tmp_path / f"again-{binary}{Path(source).suffix}"
            mesh.save(target, binary=binary)
            result = open_series(target)
            assert np.array_equal(result.mesh.cells, wanted.mesh.cells)
            assert result.mesh.units == wanted.mesh.units
            assert result.displacement() == pytest.approx(wanted.displacement(), rel=1e-6)
            alive = np.stack([frame.alive for frame in result])
            assert np.array_equal(alive, wanted.alive())


@table("write", [write_pvd, write_vtp, write_zarr])
def test_writing_takes_the_memory_of_one_state(tmp_path, write):
    side = 80
    x, y = np.meshgrid(np.arange(side + 1.0), np.arange(side + 1.0), indexing="ij")
    first = (np.arange(side)[:, None] * (side + 1) + np.arange(side)).ravel()
    cells = np.stack([first, first + side + 1, first + side + 2, first + 1], 1)
    mesh = ShellMesh.build(np.stack([x, y, 0 * x], -1).reshape(-1, 3), cells, 1.0)

    def read(index: int) -> Frame:
        rng = np.random.default_rng(index)
        strain = rng.random(len(cells))
        moved = rng.random((len(mesh.points), 3))
        return Frame(moved, np.ones(len(cells), bool), {"plastic_strain": strain})

    def peak(states: int) -> int:
        tracemalloc.start()
        write(CrashSeries(mesh, np.arange(float(states)), read), tmp_path / f"{states}.out")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # imports
    few, many = peak(2), peak(12)
    assert many < 1.25 * few
    state = len(mesh.points) * 24 + len(cells) * 9
    assert many < 12 * state  # a dozen states would be more


@table("name", [*EXACT, "d3plot"])
def test_a_failure_leaves_nothing(series, tmp_path, name):
    def read(index: int) -> Frame:
        if index == 2:
            raise ArithmeticError("the solver fails")
        return series.read(index)

    with pytest.raises(ArithmeticError):
        write_series(tmp_path / name, replace(series, read=read))
    assert not list(tmp_path.iterdir())


@table("name", [*EXACT, "d3plot"])
def test_does_not_replace_files_unasked(series, tmp_path, name):
    write_series(tmp_path / name, series)
    with pytest.raises(OutputExistsError):
        write_series(tmp_path / name, series)
    shorter = replace(series, times=series.times[:2], features={})
    write_series(tmp_path / name, shorter, overwrite=True)
    result = open_series(tmp_path / name)
    assert len(result) == 2
    assert not result.features


def test_refuses_unknown_suffixes(series, tmp_path):
    with pytest.raises(WriteError, match=r"Choose one of \.pvd"):
        write_series(tmp_path / "run.xdmf", series)
    with pytest.raises(WriteError, match=r"one state.*\.pvd"):
        write_series(tmp_path / "run.vtu", series)


def test_vtp_has_the_layout_of_physicsnemo(series, tmp_path):
    write_series(tmp_path / "run.vtp", series)
    mesh = pyvista.read(tmp_path / "run.vtp")
    names = [name for name in mesh.point_data if name.startswith("displacement_t")]
    assert len(names) == len(series)
    assert np.array_equal(mesh.points, series.mesh.points)
    for name, frame in zip(names, series, strict=True):
        assert np.array_equal(mesh.point_data[name], frame.displacement)
    assert mesh.point_data["thickness"].shape == (len(series.mesh.points),)
    runs = json.loads((tmp_path / "global_features.json").read_text())
    assert runs == {"run": {"speed": 15.6}}


@table(
    ("times", "labels"),
    [
        ([0, 0.005, 0.01], ["0.000", "0.005", "0.010"]),
        # One name of the form t0.ddd would hide those from 1 on.
        ([0, 0.5, 1.0], ["0.000000", "0.500000", "1.000000"]),
        ([0, 1e-4, 2e-4], ["0.000000", "0.000100", "0.000200"]),
        ([0, 1e-8], ["0.000000000", "0.000000010"]),
    ],
)
def test_names_hide_no_time(times, labels):
    assert time_labels(np.array(times)) == labels


def test_zarr_has_the_layout_of_physicsnemo(series, tmp_path):
    write_series(tmp_path / "run.zarr", series)
    store = zarr.open_group(tmp_path / "run.zarr", mode="r")
    positions, nodes = store["mesh_pos"][:], len(series.mesh.points)
    assert np.array_equal(positions, series.mesh.points + series.displacement())
    assert np.array_equal(store["edges"][:], series.mesh.sides())
    others = [name for name in store if name not in ("mesh_pos", "edges")]
    for name in others:  # its reader takes any other array for a feature of the nodes
        assert name.startswith("mesh_connectivity_") or store[name].shape == (nodes,)
    assert "thickness" in others


def test_sides_of_triangles_and_quads():
    cells = np.array([[0, 1, 2, 3], [1, 4, 2, 2]])
    mesh = ShellMesh.build(np.zeros((5, 3)), cells, np.array([1.0, 3.0]))
    assert mesh.sides().tolist() == [[0, 1], [0, 3], [1, 2], [1, 4], [2, 3], [2, 4]]
    assert mesh.node_mean(mesh.thickness).tolist() == [1.0, 2.0, 2.0, 1.0, 3.0]
