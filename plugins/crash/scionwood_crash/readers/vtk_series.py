"""Read the files of VTK: lists of states, single files, numbered files, and VTKHDF."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np

from scionwood import ReadError
from scionwood.authoring import atomic_path, check_hdf5
from scionwood_crash.parts.mesh import Frame, ShellMesh
from scionwood_crash.readers import vtk_write
from scionwood_crash.readers.base import CrashReader
from scionwood_crash.readers.folder import numbered, stated_time
from scionwood_crash.readers.sample import sample_series
from scionwood_crash.readers.vtk_checks import parse_xml
from scionwood_crash.readers.vtk_grid import Grid, vtk_errors

TIMED = re.compile(r"(.+)_t(-?[0-9.]+(?:e[+-]?[0-9]+)?)")
"""The name of a field and its time, as in PhysicsNeMo's `displacement_t0.005`."""
MESH_ARRAYS = ("node_id", "initial_coordinates", "displacement", "thickness")
"""Point arrays that describe the mesh."""
_UNDERSCORE = re.compile(r"(_t-?[0-9]+)_([0-9]+)$")
_RADIOSS = {"EROSION_STATUS": "alive", "TIME": "TimeValue"}
_OF_SHELLS = "2DELEM_"


@final
class VtkSeriesReader(CrashReader):
    """Reads PVD, VTU, VTP, legacy VTK and VTKHDF, as ParaView, PhysicsNeMo and OpenRadioss write.

    The states are the files that a PVD lists; the steps of a VTKHDF file; the arrays
    `displacement_t0.005` of one file; or files numbered from the named one on, such as
    `crashA001.vtk`, `crashA002.vtk`, which `anim_to_vtk` of OpenRadioss writes. The initial mesh is
    the array `initial_coordinates`, or else the points of the first state. In a state without the
    array `displacement` the points have moved. Cells other than shells are left out with a warning.

    Args:
        path: the file. A PVD file may only name files in its own folder and below.
        units: such as `mm, ms, kg`; `None` means the units of the file, which may be unknown.
        thickness: thickness of shells if the file has no array `thickness`, on cells or on points.

    Shapes: displacements, (node, xyz) float64.

    Units: those of the file.

    Raises: ReadError, for a damaged file, a document type, data stored in another file, unknown
        cells, a mesh that changes, several pieces of a state, mixed units, or NaN.

    Source: https://docs.vtk.org/en/latest/vtk_file_formats; pyvista 0.49.
    """

    suffixes = (".vtp", ".pvd", ".vtu", ".vtk", ".vtkhdf")
    beside = True
    format = "VTK (.vtp, .vtu, .pvd, .vtk, .vtkhdf)"
    stores = "displacement"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a small seeded mesh of parts that bends."""
        series, kind = sample_series(), path.suffix.lower()
        if kind in (".vtk", ".vtu"):
            series = replace(series, times=series.times[:1])
        vtk_write.writer_of(kind)(series, path, overwrite=True)

    def _open(self) -> tuple[ShellMesh, np.ndarray]:
        self._files, times = [self.path], np.empty(0)
        self._hdf: Any = None
        kind = self.path.suffix.lower()
        if not self.path.is_file():
            raise FileNotFoundError(self.path)
        if kind == ".pvd":
            self._files, times = listed(self.path)
        elif kind == ".vtkhdf" or self.path.read_bytes()[:4] == b"\x89HDF":
            times = self._open_hdf()
        elif kind == ".vtk":
            self._files = numbered(self.path)
        first = self._first = self._grid(0)
        if kind == ".vtk" and len(self._files) > 1:
            times = np.array([stated_time(file) for file in self._files], np.float64)
        self._labels: list[str] = []
        if kind != ".pvd" and not len(times):
            self._labels, times = _labels(first)
        return self._mesh(first), times if len(times) else np.zeros(1)

    def _open_hdf(self) -> np.ndarray:
        """Check a VTKHDF file, and return the times of its steps; without steps, none."""
        with h5py.File(self.path) as file:
            check_hdf5(self.path, file, self.format)
            root = file.get("VTKHDF")
            kind = root.attrs.get("Type", b"") if root is not None else b""
            kind = kind.decode() if isinstance(kind, bytes) else str(kind)
            if kind not in ("UnstructuredGrid", "PolyData"):
                rule = f"VTKHDF: its type is {kind or 'not stated'}"
                remedy = "Save it as UnstructuredGrid or PolyData; merge the blocks of an assembly"
                raise ReadError(str(self.path), rule, remedy)
            self._hdf = {name: np.atleast_1d(root.attrs[name]) for name in root.attrs}
            steps = root.get("Steps")
            parts = np.asarray(root["NumberOfPoints"] if steps is None else [1])
            if steps is not None and "NumberOfParts" in steps:
                parts = np.asarray(steps["NumberOfParts"])
            pieces = len(parts) if steps is None else int(parts.max())
            if pieces > 1:
                rule = f"VTKHDF: a state has {pieces} partitions"
                raise ReadError(
                    str(self.path), rule, "Merge its blocks into one, and save it again"
                )
            check_rows(self.path, root)
            return np.empty(0) if steps is None else np.asarray(steps["Values"], np.float64)

    def _grid(self, index: int) -> Grid:
        """Return the shells of a state, with the names of arrays as this package has them."""
        if self._hdf is None:
            return _renamed(Grid.open(self._files[index]))
        import pyvista
        from vtkmodules.vtkIOHDF import vtkHDFReader

        reader = vtkHDFReader()
        reader.SetFileName(str(self.path))
        reader.SetStep(index)
        with vtk_errors(self.path):
            reader.Update()
        grid = Grid.of(self.path, pyvista.wrap(reader.GetOutputDataObject(0)))
        return _renamed(replace(grid, facts={**grid.facts, **self._hdf}))

    def _mesh(self, first: Grid) -> ShellMesh:
        nodes, elements = len(first.points), len(first.cells)
        points = first.on_points.get("initial_coordinates", first.points)
        mesh = ShellMesh.build(
            points,
            first.cells,
            0.0,
            part_ids=first.on_cells.get("part_id"),
            node_ids=first.on_points.get("node_id"),
            element_ids=first.on_cells.get("element_id"),
            units=self._units(_units_text(first)),
            rigid_parts=frozenset(int(part) for part in first.numbers("rigid_parts")),
        )
        thickness = first.on_cells.get("thickness", np.zeros(elements))
        inside = elements and 0 <= mesh.cells.min() <= mesh.cells.max() < nodes
        if not (thickness > 0).any() and "thickness" in first.on_points and inside:
            thickness = first.on_points["thickness"][mesh.cells].mean(1)
        return self._with_thickness(mesh, thickness)

    def _frame(self, index: int) -> Frame:
        if self._labels:
            return self._timed_frame(self._labels[index])
        grid = self._first if len(self.times) == 1 else self._grid(index)
        if not np.array_equal(grid.cells, self.mesh.cells) or len(grid.points) != len(
            self.mesh.points
        ):
            which = self._files[index].name if len(self._files) > 1 else f"state {index}"
            rule = f"VTK: the mesh of {which} is not that of the first file"
            raise ReadError(str(self.path), rule, "Adaptive meshes are not supported")
        if _units_text(grid) != _units_text(self._first):
            rule = f"VTK: {self._files[index].name} is in {_units_text(grid)}, "
            rule += f"the first file in {_units_text(self._first)}"
            raise ReadError(str(self.path), rule, "Convert the files to one set of units")
        moved = grid.on_points.get("displacement")
        if moved is None:
            moved = grid.points.astype(np.float64) - self.mesh.points
        return Frame(
            moved,
            grid.on_cells.get("alive", np.ones(len(grid.cells))) != 0,
            _without(grid.on_cells, vtk_write.STATIC),
            _without(grid.on_points, MESH_ARRAYS),
        )

    def _timed_frame(self, label: str) -> Frame:
        def pick(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            matches = [(TIMED.fullmatch(name), values) for name, values in arrays.items()]
            return {match[1]: values for match, values in matches if match and match[2] == label}

        on_points, on_cells = pick(self._first.on_points), pick(self._first.on_cells)
        alive = on_cells.pop("alive", np.ones(len(self.mesh.cells)))
        return Frame(on_points.pop("displacement"), alive != 0, on_cells, on_points)

    def _replace(self, target: Path, states: Iterator[np.ndarray], overwrite: bool) -> None:
        kind = target.suffix.lower()
        if kind == ".pvd":
            series = vtk_write.with_displacement(self.series(), states)
            vtk_write.write_pvd(series, target, overwrite=overwrite)
            return
        after = list(states)  # a file of a whole series is in memory anyway
        before = [self.read(index).displacement for index in range(len(self))]
        if all(np.array_equal(x, y) for x, y in zip(before, after, strict=True)):
            with atomic_path(target, overwrite=overwrite) as part:
                shutil.copyfile(self.path, part)
            return
        series = vtk_write.with_displacement(self.series(), after)
        vtk_write.writer_of(kind)(series, target, overwrite=overwrite)


def listed(path: Path) -> tuple[list[Path], np.ndarray]:
    """Return the files that a PVD file lists, and their times.

    Raises:
        ReadError: the file is damaged, splits states into parts, or names files outside its folder.
    """
    root = parse_xml(path, path.read_bytes())
    entries = root.findall("Collection/DataSet")
    if not entries:
        raise ReadError(str(path), "VTK (.pvd): it lists no files", "Is it damaged? Copy it again")
    if len({entry.get("timestep") for entry in entries}) < len(entries):
        rule = "VTK (.pvd): it lists a time twice, for several parts"
        raise ReadError(str(path), rule, "Merge the parts of a state into one file")
    place = path.parent.resolve()
    files = []
    for entry in entries:
        file = (place / entry.get("file", "")).resolve()
        if not file.is_relative_to(place):
            rule = f"VTK (.pvd): it names {entry.get('file')}, outside its folder"
            raise ReadError(str(path), rule, "Move the files below it")
        if not file.is_file():
            rule = f"VTK (.pvd): a state is missing, {entry.get('file')}"
            raise ReadError(str(path), rule, "Copy the files beside it again")
        files.append(file)
    return files, np.array([float(entry.get("timestep", "nan")) for entry in entries])


def check_rows(path: Path, root: Any) -> None:
    """Refuse a VTKHDF file whose states lie outside of its arrays: VTK would read beyond them.

    Raises:
        ReadError: naming the array.
    """
    steps = root.get("Steps", {})
    points = root["Points"]
    starts = [(points, steps.get("PointOffsets", [0])), (points, root["NumberOfPoints"])]
    for section in ("PointData", "CellData"):
        offsets = steps.get(f"{section}Offsets", {})
        starts += [(root[section][name], offsets[name]) for name in offsets]
    for array, places in starts:
        first = np.asarray(places)
        if first.min() < 0 or first.max() > len(array):
            rule = f"VTKHDF: {array.name} has {len(array)} rows, not {int(first.max())} or more"
            raise ReadError(str(path), rule, "Is it truncated? Copy it again")


def _renamed(grid: Grid) -> Grid:
    """Return a state with the names of this package for those of OpenRadioss and VTKHDF."""

    def names(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {_name(name): values for name, values in arrays.items()}

    return replace(
        grid,
        on_points=names(grid.on_points),
        on_cells=names(grid.on_cells),
        facts=names(grid.facts),
    )


def _name(name: str) -> str:
    if name in _RADIOSS:
        return _RADIOSS[name]
    if name.startswith(_OF_SHELLS) or name.endswith("_ID"):
        return name.removeprefix(_OF_SHELLS).lower()
    return _UNDERSCORE.sub(r"\1.\2", name)  # VTKHDF has no point in a name


def _labels(grid: Grid) -> tuple[list[str], np.ndarray]:
    """Return the times in the names of the displacements, in order, as text and as numbers."""
    matches = [TIMED.fullmatch(name) for name in grid.on_points]
    labels = sorted((m[2] for m in matches if m and m[1] == "displacement"), key=float)
    exact, times = grid.numbers("times"), np.array([float(label) for label in labels])
    if not labels:
        return [], grid.numbers("TimeValue")
    return labels, exact if exact.shape == times.shape else times


def _without(arrays: Mapping[str, np.ndarray], names: Iterable[str]) -> dict[str, np.ndarray]:
    return {name: values for name, values in arrays.items() if name not in set(names)}


def _units_text(grid: Grid) -> str | None:
    text = grid.text("units")
    return None if text is None or "unknown" in text else text
