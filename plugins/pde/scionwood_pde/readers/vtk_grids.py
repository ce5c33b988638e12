"""Regular grids of VTK and OpenFOAM, read by pyvista, which is not among our dependencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np

from scionwood import ReadError
from scionwood_pde.readers.base import StatesReader
from scionwood_pde.readers.grids import COMPONENTS
from scionwood_pde.readers.layout import AXES, Layout
from scionwood_pde.readers.parts import Component, Part, ReadOnly, coordinate, named
from scionwood_pde.readers.variables import layout_from
from scionwood_pde.readers.write import sample_states

SUFFIXES = (".vti", ".vtr", ".vtk", ".vts", ".vtu", ".foam")


@final
class VtkReader(ReadOnly, StatesReader):
    """A reader of regular grids of VTK (`.vti`, `.vtr`, legacy `.vtk`) and OpenFOAM (`.foam`).

    A case of OpenFOAM, and an unstructured grid, is read if the centres of its cells form a regular
    grid. Grids whose lines are curves are refused. A file has one time; of a case it is the last.

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
        mesh = _mesh(self.path)
        lines, order, data = _grid(self.path, mesh)
        kept = [axis for axis in AXES if len(lines[axis]) > 1]
        sides = tuple(len(lines[axis]) for axis in AXES)
        parts: dict[str, Part] = {}
        for name in data:
            values = np.asarray(data[name])
            if values.dtype.kind not in "fiu" or len(values) != np.prod(sides):
                continue
            block = values[order].reshape(*sides, -1)
            block = block[tuple(slice(None) if a in kept else 0 for a in AXES)]
            endings = COMPONENTS.get(block.shape[-1])
            endings = endings or tuple(f"_{i}" for i in range(block.shape[-1]))
            for i, ending in enumerate(endings):
                parts[f"{name}{ending}"] = Part(Component(block, i), tuple(kept))
        yield named(parts | {axis: coordinate(lines[axis], axis) for axis in kept})

    def _layout(self, variables: Mapping[str, Any]) -> Layout:
        return layout_from(variables, self.path, self.format, self.placed)


def _flat(values: np.ndarray) -> np.ndarray:
    """Return (channel, x, y, z) as (channel, point), with x as the fastest axis, as in VTK."""
    return values.transpose(0, 3, 2, 1).reshape(len(values), -1)


def _mesh(path: Path) -> Any:
    """Return the mesh of a file, and of a case its internal mesh at the last time.

    Raises:
        ReadError: pyvista is missing.
    """
    try:
        import pyvista
    except ImportError as error:
        rule = "pyvista, which reads VTK and OpenFOAM, is not installed"
        raise ReadError(str(path), rule, "pip install 'scionwood-pde[formats]'") from error
    if path.suffix != ".foam":
        return pyvista.read(path)
    reader_of: Any = pyvista.get_reader  # untyped
    reader = reader_of(path)
    if reader.time_values:
        reader.set_active_time_value(reader.time_values[-1])
    return reader.read()["internalMesh"]


def _grid(path: Path, mesh: Any) -> tuple[dict[str, np.ndarray], np.ndarray, Any]:
    """Return the points of each axis, the order of the values in (x, y, z), and the data.

    Raises:
        ReadError: the grid is curvilinear, or no grid.
    """
    kind = type(mesh).__name__
    if kind == "StructuredGrid":
        rule = "it is a structured grid, whose lines may be curves: it is curvilinear"
        raise ReadError(str(path), rule, "Resample it to an image: mesh.sample in pyvista")
    on_points = len(mesh.point_data.keys()) > 0 and kind in ("ImageData", "RectilinearGrid")
    places = np.asarray(mesh.points if on_points else mesh.cell_centers().points, np.float64)
    extent = np.ptp(places, axis=0).max() or 1.0
    rounded = np.round(places / extent, 6)
    lines = {}
    for i, axis in enumerate(AXES):
        unique, first = np.unique(rounded[:, i], return_index=True)
        lines[axis] = places[first, i] if len(unique) else places[:0, i]
    if np.prod([len(line) for line in lines.values()]) != len(places):
        rule = f"the {len(places)} places of its values form no regular grid ({kind})"
        raise ReadError(str(path), rule, "Resample it to an image: mesh.sample in pyvista")
    order = np.lexsort((rounded[:, 2], rounded[:, 1], rounded[:, 0]))
    return lines, order, mesh.point_data if on_points else mesh.cell_data
