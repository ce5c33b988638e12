"""Meshes whose points or cells form a regular grid: VTK, OpenFOAM, Exodus.

pyvista, which reads VTK and OpenFOAM, is not among our dependencies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np
import xarray as xr

from scionwood import ReadError
from scionwood.authoring import check_hdf5
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.layout import AXES, check_size
from scionwood_pde.readers.lazy import (
    COMPONENTS,
    dataset_of,
    gathered,
    line,
    on_grid,
    stacked,
    variable_of,
)
from scionwood_pde.readers.vtk_headers import check_headers
from scionwood_pde.readers.write import sample_states

PIECES = (".pvti", ".pvtr", ".pvts", ".pvtu")
SUFFIXES = (".vti", ".vtr", ".vtk", ".vts", ".vtu", ".vtkhdf", ".foam", *PIECES)
XML = (".vti", ".vtr", ".vts", ".vtu", *PIECES)
GRIDS = ("ImageData", "RectilinearGrid", "StructuredGrid")
LONGEST = 1 << 20
"""Bytes that a list of pieces may have."""


@final
class VtkReader(StatesReader):
    """A reader of regular grids of VTK (`.vti`, `.vtr`, legacy `.vtk`) and OpenFOAM (`.foam`).

    A case of OpenFOAM, and an unstructured grid, is read if the centres of its cells form a regular
    grid. Grids whose lines are curves are refused. A file has one time; of a case all are read. Of
    values on points and on cells, those on points are read if they are chosen with `fields`.

    Raises:
        ReadError: pyvista is missing, the file is damaged, the grid is not regular, or a field
            holds NaN.

    Source: https://docs.vtk.org/en/latest/vtk_file_formats; https://docs.pyvista.org.
    """

    suffixes = (".vti", ".vtr", ".vtk")
    beside = True
    format = "VTK"
    takes = ("dims",)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write one seeded state of a velocity and a density."""
        import pyvista

        state = sample_states()[0, 0]
        origin = [float(state[axis][0]) for axis in AXES]
        spacing = [float(state[axis][1] - state[axis][0]) for axis in AXES]
        grid = pyvista.ImageData(dimensions=state.shape[1:], spacing=spacing, origin=origin)
        flat = state.values.transpose(0, 3, 2, 1).reshape(len(state), -1)  # x is the fastest
        grid.point_data["u"], grid.point_data["density"] = flat[:3].T, flat[3]
        (grid.cast_to_rectilinear_grid() if path.suffix == ".vtr" else grid).save(path)

    @contextmanager
    def _open(self) -> Iterator[xr.Dataset]:
        meshes = _Meshes(self.path)
        mesh = meshes.first
        is_grid = type(mesh).__name__ in GRIDS
        on_points = is_grid and len(mesh.point_data.keys()) > 0
        places = np.asarray(mesh.points if on_points else mesh.cell_centers().points, np.float64)
        lines, order = gathered(self.path, places, type(mesh).__name__)
        variables: dict[str, xr.Variable] = {}
        data = _data(mesh, on_points=on_points)
        for name in data:
            values = np.asarray(data[name])
            if values.dtype.kind in "fiu" and len(values) == len(places):
                variables |= meshes.series(name, values, (lines, order), on_points=on_points)
        if is_grid:  # a reader of cases adds means on points
            others = _data(mesh, on_points=not on_points)
            which = "of the cells" if on_points else "of the points"
            for name in others:
                values = np.asarray(others[name])
                label, flat = f"{name} {which}", values.reshape(len(values), -1)
                variables[label] = variable_of(flat, (f"{label}, place", f"{label}, value"))
        used = {axis: line(values, axis) for axis, values in lines.items() if len(values) > 1}
        yield dataset_of(self.path, variables | used | {"time": line(meshes.times, "time")})


@final
class _Meshes:
    """The meshes of a file, or of a case at all its times; the last one that was read is kept.

    Raises:
        ReadError: pyvista is missing, or a piece lies outside the folder of the file.
    """

    def __init__(self, path: Path) -> None:
        try:
            import pyvista
        except ImportError as error:
            rule = "pyvista, which reads VTK and OpenFOAM, is not installed"
            raise ReadError(str(path), rule, "pip install pyvista") from error
        pieces = _check_pieces(path) if path.suffix in PIECES else [path]
        for piece in pieces if path.suffix in XML else ():
            check_headers(piece)
        self.path, self.times = path, [0.0]
        self.reader: Any = None
        if path.suffix == ".foam":
            reader_of: Any = pyvista.get_reader  # untyped
            self.reader = reader_of(path)
            self.reader.skip_zero_time = False
            self.times = list(self.reader.time_values) or [0.0]
            self.first = self._read(len(self.times) - 1)  # which has the most fields
        else:
            if path.suffix == ".vtkhdf":
                with h5py.File(path) as file:
                    check_hdf5(path, file)
            # To VTK the end of a binary file in an array is a warning; the rest is undefined then.
            with pyvista.VtkErrorCatcher(send_to_logging=False) as catcher:
                self.first = pyvista.read(path)
            if catcher.events:
                text = " ".join(str(catcher.events[0].alert).split())[:200]
                raise ReadError(str(path), f"VTK: {text}", "Is it damaged? Copy it again")
        self.known = (len(self.times) - 1, self.first)

    def series(
        self,
        name: str,
        first: np.ndarray,
        grid: tuple[dict[str, np.ndarray], np.ndarray],
        *,
        on_points: bool,
    ) -> dict[str, xr.Variable]:
        """Return the components of a field over all times."""
        count = 1 if first.ndim == 1 else first.shape[1]

        def component(time: int, i: int) -> xr.Variable:
            def read() -> np.ndarray:
                data = _data(self._at(time), on_points=on_points)
                if name not in data:
                    rule = f"field {name!r} lacks at time {self.times[time]:g}"
                    raise ReadError(str(self.path), rule, "Name the fields to read")
                return np.asarray(data[name]).reshape(-1, count)[:, i]

            return on_grid(*grid, first.dtype, read)

        endings = COMPONENTS.get(count) or tuple(f"_{i}" for i in range(count))
        return {
            f"{name}{ending}": stacked(
                self.path, "time", [component(time, i) for time in range(len(self.times))]
            )
            for i, ending in enumerate(endings)
        }

    def _at(self, time: int) -> Any:
        """Return the mesh at a time, by its number."""
        if self.known[0] != time:
            self.known = (time, self._read(time))
        return self.known[1]

    def _read(self, time: int) -> Any:
        if self.reader.time_values:
            self.reader.set_active_time_value(self.times[time])
        return self.reader.read()["internalMesh"]


def _data(mesh: Any, *, on_points: bool) -> Any:
    return mesh.point_data if on_points else mesh.cell_data


def _check_pieces(path: Path) -> list[Path]:
    """Return the pieces; refuse those in another folder, and a list that is no short text.

    Raises:
        ReadError: naming the piece.
    """
    with path.open("rb") as file:
        text = file.read(LONGEST + 1)
    if len(text) > LONGEST:
        rule = f"its list of pieces is longer than {LONGEST} bytes"
        raise ReadError(str(path), rule, "Join the pieces into one file in ParaView")
    pieces: list[Path] = []
    for source in re.findall(rb"Source\s*=\s*[\"']([^\"']*)", text):
        place = Path(source.decode("utf-8", "replace"))
        inside = (path.parent / place).resolve().is_relative_to(path.parent.resolve())
        if place.is_absolute() or not inside or b"&" in source:
            rule = f"its piece {str(place)!r} lies outside its folder"
            raise ReadError(str(path), rule, "Put all pieces beside it")
        if (path.parent / place).is_file():  # VTK says which one is missing
            pieces.append(path.parent / place)
    return pieces


def exodus(path: Path, dataset: xr.Dataset) -> xr.Dataset:
    """Return the fields on the nodes of an Exodus file, if these form a regular grid.

    Source: https://sandialabs.github.io/seacas-docs, the Exodus II data model.
    """
    variables, count = dataset.variables, dataset.sizes["num_nodes"]
    check_size(path, (3, count), np.dtype(np.float64))
    columns = [variables[n].values for n in ("coordx", "coordy", "coordz") if n in variables]
    nodes = np.zeros((count, 3))
    points = np.stack(columns, 1) if columns else variables["coord"].values.T
    nodes[:, : points.shape[1]] = points
    try:
        lines, order = gathered(path, nodes, "nodes")
    except ReadError as error:
        rule = f"it is Exodus, an unstructured mesh: {error.rule}"
        raise ReadError(str(path), rule, "Interpolate it onto a regular grid") from None
    texts = [
        b"".join(np.atleast_1d(row)).decode("utf-8", "replace").strip("\0 ")
        for row in (variables["name_nod_var"].values if "name_nod_var" in variables else [])
    ]
    fields: dict[str, xr.Variable] = {}
    for number, name in enumerate(texts, start=1):
        values = variables[f"vals_nod_var{number}"]
        steps = [
            on_grid(lines, order, values.dtype, partial(np.asarray, values[i]))
            for i in range(len(values))
        ]
        fields[name] = stacked(path, "time", steps)
    used = {axis: line(values, axis) for axis, values in lines.items() if len(values) > 1}
    times = line(variables["time_whole"].values, "time") if "time_whole" in variables else None
    return dataset_of(path, fields | used | ({} if times is None else {"time": times}))
