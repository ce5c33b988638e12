"""Regular grids of VTK and OpenFOAM, read by pyvista, which is not among our dependencies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np

from scionwood import ReadError
from scionwood.authoring import check_hdf5
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.grids import COMPONENTS
from scionwood_pde.readers.layout import AXES, Layout
from scionwood_pde.readers.parts import (
    Component,
    Part,
    ReadOnly,
    Stacked,
    coordinate,
    named_parts,
)
from scionwood_pde.readers.variables import layout_from
from scionwood_pde.readers.vtk_headers import check_headers
from scionwood_pde.readers.write import sample_states

PIECES = (".pvti", ".pvtr", ".pvts", ".pvtu")
SUFFIXES = (".vti", ".vtr", ".vtk", ".vts", ".vtu", ".vtkhdf", ".foam", *PIECES)
XML = (".vti", ".vtr", ".vts", ".vtu", *PIECES)
GRIDS = ("ImageData", "RectilinearGrid", "StructuredGrid")
LONGEST = 1 << 20
"""Bytes that a list of pieces may have."""


@final
class VtkReader(ReadOnly, StatesReader):
    """A reader of regular grids of VTK (`.vti`, `.vtr`, legacy `.vtk`) and OpenFOAM (`.foam`).

    A case of OpenFOAM, and an unstructured grid, is read if the centres of its cells form a regular
    grid. Grids whose lines are curves are refused. A file has one time; of a case all are read. Of
    values on points and on cells, those on points are read if they are chosen with `fields`.

    Args:
        path: the file, or the empty file `case.foam` in the folder of a case.
        fields: names of the channels to read, in the order wanted. `None` means all.

    Shapes: (channel, x, y, z) in the file's precision; a side of one point is dropped if it is z.

    Units: `unknown`, since these formats have none.

    Raises: ReadError: pyvista is missing, the file is damaged, the grid is not regular, or a field
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
        flat = _flat(state.values)
        grid.point_data["u"], grid.point_data["density"] = flat[:3].T, flat[3]
        (grid.cast_to_rectilinear_grid() if path.suffix == ".vtr" else grid).save(path)

    @contextmanager
    def _open(self) -> Iterator[Mapping[str, Any]]:
        meshes = _Meshes(self.path)
        lines, order, data, others = _grid(self.path, meshes.first)
        used_axes = [axis for axis in AXES if len(lines[axis]) > 1]
        sides = tuple(len(lines[axis]) for axis in AXES)
        dims = ("time", *used_axes)
        parts: dict[str, Part] = {}
        for name in data:
            first = np.asarray(data[name])
            if first.dtype.kind not in "fiu" or len(first) != np.prod(sides):
                continue
            count = 1 if first.ndim == 1 else first.shape[1]
            stacked = Stacked(
                [_Values(meshes, i, name, order, sides, count) for i in range(len(meshes.times))],
                self.path,
            )
            endings = COMPONENTS.get(count) or tuple(f"_{i}" for i in range(count))
            for i, ending in enumerate(endings):
                part = Component(stacked, i)
                parts[f"{name}{ending}"] = Part(_Thin(part, used_axes), dims)
        apart = {name: Part(values, ("place", "value")) for name, values in others.items()}
        parts |= {axis: coordinate(lines[axis], axis) for axis in used_axes}
        yield named_parts(parts | apart | {"time": coordinate(meshes.times, "time")})

    def _layout(self, variables: Mapping[str, Any]) -> Layout:
        return layout_from(variables, self.path, self.format, self.placed)


def _flat(values: np.ndarray) -> np.ndarray:
    """Return (channel, x, y, z) as (channel, point), with x as the fastest axis, as in VTK."""
    return values.transpose(0, 3, 2, 1).reshape(len(values), -1)


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
        self.reader: Any = None
        self.times = [0.0]
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
            self.first = pyvista.read(path)
        self.path, self.known = path, (len(self.times) - 1, self.first)

    def at(self, time: int) -> Any:
        """Return the mesh at a time, by its number."""
        if self.known[0] != time:
            self.known = (time, self._read(time))
        return self.known[1]

    def _read(self, time: int) -> Any:
        if self.reader.time_values:
            self.reader.set_active_time_value(self.times[time])
        return self.reader.read()["internalMesh"]


@final
class _Values:
    """A field of one mesh, (x, y, z, component), read when it is used."""

    def __init__(
        self,
        meshes: _Meshes,
        time: int,
        name: str,
        order: np.ndarray,
        sides: tuple[int, ...],
        count: int,
    ) -> None:
        self.meshes, self.time, self.name, self.order = meshes, time, name, order
        self.shape = (*sides, count)
        self.dtype = np.asarray(_data(meshes.first, len(order))[0][name]).dtype

    def __getitem__(self, key: Any) -> np.ndarray:
        data, _ = _data(self.meshes.at(self.time), len(self.order))
        if self.name not in data:
            rule = f"field {self.name!r} lacks at time {self.meshes.times[self.time]:g}"
            raise ReadError(str(self.meshes.path), rule, "Name the fields to read")
        values = np.asarray(data[self.name])[self.order].reshape(self.shape)
        return np.asarray(values[key])


@final
class _Thin:
    """An array (time, x, y, z) without the axes of space that have one point."""

    def __init__(self, array: Any, used_axes: Sequence[str]) -> None:
        self.array, self.dtype = array, array.dtype
        self.whole = [True, *(axis in used_axes for axis in AXES)]
        self.shape = tuple(n for n, keep in zip(array.shape, self.whole, strict=True) if keep)

    def __getitem__(self, key: Any) -> np.ndarray:
        key_parts = iter(key if isinstance(key, tuple) else (key,))
        full = tuple(next(key_parts, slice(None)) if keep else 0 for keep in self.whole)
        return np.asarray(self.array[full])


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


def _data(mesh: Any, places: int) -> tuple[Any, Any]:
    """Return the data on the places that were chosen, and those on the others."""
    kind = type(mesh).__name__
    on_points = kind in GRIDS and len(mesh.point_data.keys()) > 0 and mesh.n_points == places
    pair = (mesh.point_data, mesh.cell_data)
    return pair if on_points else pair[::-1]


def _grid(path: Path, mesh: Any) -> tuple[dict[str, np.ndarray], np.ndarray, Any, dict[str, Any]]:
    """Return the points of each axis, the order of the values in (x, y, z), the data, and the rest.

    The values of points are taken if a grid has any; of other meshes, those of cells.

    Raises:
        ReadError: the grid is curvilinear, or no grid.
    """
    kind = type(mesh).__name__
    on_points = kind in GRIDS and len(mesh.point_data.keys()) > 0
    places = np.asarray(mesh.points if on_points else mesh.cell_centers().points, np.float64)
    extent = np.ptp(places, axis=0).max() or 1.0
    # Centres of cells are computed by VTK, so that those of one plane differ by rounding.
    rounded = np.round(places / extent, 6)
    lines = {}
    for i, axis in enumerate(AXES):
        unique, first = np.unique(rounded[:, i], return_index=True)
        lines[axis] = places[first, i] if len(unique) else places[:0, i]
    # On a regular grid each combination of coordinates occurs once.
    if np.prod([len(line) for line in lines.values()]) != len(places):
        rule = f"the {len(places)} places of its values form no regular grid ({kind})"
        if kind == "StructuredGrid":
            rule = "it is a structured grid whose lines are curves: it is curvilinear"
        raise ReadError(str(path), rule, "Resample it to an image: mesh.sample in pyvista")
    # `lexsort` sorts by its last key first: by x, then y, then z.
    order = np.lexsort((rounded[:, 2], rounded[:, 1], rounded[:, 0]))
    data, other_data = _data(mesh, len(places))
    derived = () if kind in GRIDS else data.keys()  # a reader of cases adds means on points
    which = "of the cells" if on_points else "of the points"
    others = {
        f"{n} {which}": np.asarray(other_data[n]) for n in list(other_data) if n not in derived
    }
    others = {n: values.reshape(len(values), -1) for n, values in others.items()}
    return lines, order, data, others
