"""Write a series as VTKHDF: one mesh, and its fields over the steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scionwood.authoring import atomic_path, writing
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.readers.vtk_encode import QUAD, TRIANGLE


def write_vtkhdf(series: CrashSeries, target: Path, *, overwrite: bool = False) -> None:
    """Write VTKHDF 2.3 of the type UnstructuredGrid, with a step for each state.

    The points are those before the impact, and `displacement` is a point array. ParaView shows the
    deformed shape with the filter Warp By Vector.

    Args:
        series: the series to write; one state is in memory at a time.
        target: the `.vtkhdf` file.
        overwrite: replace an existing file.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the file cannot be written.

    Source: https://docs.vtk.org/en/latest/vtk_file_formats/vtkhdf_file_format/index.html
    """
    target = Path(target)
    with (
        writing(target),
        atomic_path(target, overwrite=overwrite) as part,
        h5py.File(part, "w") as file,
    ):
        root = file.create_group("VTKHDF")
        root.attrs["Version"] = (2, 3)
        root.attrs.create("Type", b"UnstructuredGrid", dtype=h5py.string_dtype("ascii", 16))
        root.attrs["units"] = str(series.mesh.units)
        root.attrs["rigid_parts"] = np.array(sorted(series.mesh.rigid_parts), np.int64)
        _write_mesh(root, series)
        _write_steps(root, series)


def _write_mesh(root: Any, series: CrashSeries) -> None:
    mesh = series.mesh
    real = np.ones_like(mesh.cells, bool)
    real[:, 3] = ~mesh.triangles
    nodes = mesh.cells[real]
    arrays = {
        "NumberOfPoints": np.array([len(mesh.points)]),
        "NumberOfCells": np.array([len(mesh.cells)]),
        "NumberOfConnectivityIds": np.array([len(nodes)]),
        "Points": mesh.points,
        "Connectivity": nodes,
        "Offsets": np.concatenate([[0], np.cumsum(real.sum(1))]),
        "Types": np.where(mesh.triangles, TRIANGLE, QUAD).astype(np.uint8),
        "PointData/node_id": mesh.node_ids,
        "CellData/part_id": mesh.part_ids,
        "CellData/element_id": mesh.element_ids,
        "CellData/thickness": mesh.thickness,
    }
    for name, values in arrays.items():
        root.create_dataset(name, data=values)


def _write_steps(root: Any, series: CrashSeries) -> None:
    count = len(series)
    zeros = np.zeros(count, np.int64)
    steps = root.create_group("Steps")
    steps.attrs["NSteps"] = count
    steps["Values"] = np.asarray(series.times, np.float64)
    steps["NumberOfParts"] = np.ones(count, np.int64)
    for name in ("PartOffsets", "PointOffsets"):
        steps[name] = zeros
    for name in ("CellOffsets", "ConnectivityIdOffsets"):
        steps[name] = zeros[:, None]
    for section in ("PointData", "CellData"):
        for name in root[section]:
            steps[f"{section}Offsets/{name}"] = zeros
    for index, frame in enumerate(series):
        on_points = {"displacement": frame.displacement, **frame.point_fields}
        on_cells = {"alive": frame.alive.astype(np.uint8), **frame.cell_fields}
        for section, fields in (("PointData", on_points), ("CellData", on_cells)):
            _append(root, steps, section, fields, index, count)


def _append(
    root: Any, steps: Any, section: str, fields: Mapping[str, np.ndarray], index: int, count: int
) -> None:
    for name, values in fields.items():
        size = len(values)
        place = f"{section}/{name}"
        if index == 0:
            shape = (count * size, *np.shape(values)[1:])
            root.create_dataset(place, shape=shape, dtype=np.asarray(values).dtype)
            steps[f"{section}Offsets/{name}"] = np.arange(count, dtype=np.int64) * size
        root[place][index * size : (index + 1) * size] = values
