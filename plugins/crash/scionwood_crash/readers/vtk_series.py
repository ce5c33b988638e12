"""Read series of VTK files: PVD with VTU files, one VTU, or VTP in PhysicsNeMo's layout."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np

from scionwood import ReadError
from scionwood.authoring import atomic_path
from scionwood_crash.parts.mesh import Frame, ShellMesh
from scionwood_crash.readers import vtk_write
from scionwood_crash.readers.base import CrashReader
from scionwood_crash.readers.sample import sample_series
from scionwood_crash.readers.vtk_decode import parse_xml
from scionwood_crash.readers.vtk_mesh import VtkMesh
from scionwood_crash.readers.vtk_names import MESH_ARRAYS, TIMED, timed


@final
class VtkSeriesReader(CrashReader):
    """Reads PVD with VTU or VTP files, one VTU file, and VTP in PhysicsNeMo's layout.

    VTP holds a state in each array `displacement_t0.005`. In PVD, the initial mesh is the array
    `initial_coordinates`, or else the points of the first file. In a file without `displacement`
    the points have moved. Cells other than shells are left out with a warning.

    Args:
        path: the file. A PVD file may only name files in its own folder and below.
        units: such as `mm, ms, kg`; `None` means the units of the file, which may be unknown.
        thickness: thickness of shells if the file has no array `thickness`, on cells or on points.

    Shapes: displacements, (node, xyz) float64.

    Units: those of the file.

    Raises: ReadError, for a damaged file, a document type, unknown cells, a mesh that changes,
        mixed units, or NaN.

    Source: https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html
    """

    suffixes = (".vtp", ".pvd", ".vtu")
    beside = True
    format = "VTK (.vtp, .vtu, .pvd)"
    stores = "displacement"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a small seeded mesh of parts that bends."""
        vtk_write.write_vtp(sample_series(), path, overwrite=True)

    def _open(self) -> tuple[ShellMesh, np.ndarray]:
        self._files: list[Path] = [self.path]
        self._labels: list[str] = []
        times = np.zeros(1)
        if self.path.suffix.lower() == ".pvd":
            self._files, times = listed(self.path)
        first = self._first = VtkMesh.open(self._files[0])
        if self.path.suffix.lower() != ".pvd":
            self._labels, times = _labels(first, "displacement")
        return self._mesh(first), times

    def _mesh(self, first: VtkMesh) -> ShellMesh:
        elements = len(first.cells)
        points = first.points
        if first.has("PointData", "initial_coordinates"):
            points = first.on_points("initial_coordinates")
        mesh = ShellMesh.build(
            points,
            first.cells,
            0.0,
            part_ids=_or(first, "CellData", "part_id", np.ones(elements)),
            node_ids=_or(first, "PointData", "node_id", np.arange(1, len(points) + 1)),
            element_ids=_or(first, "CellData", "element_id", np.arange(1, elements + 1)),
            units=self._units(_units_text(first)),
            rigid_parts=frozenset(int(part) for part in first.file.numbers("rigid_parts")),
        )
        thickness = _or(first, "CellData", "thickness", np.zeros(elements))
        if not (thickness > 0).any() and first.has("PointData", "thickness"):
            thickness = first.on_points("thickness")[mesh.cells].mean(1)
        return self._with_thickness(mesh, thickness)

    def _frame(self, index: int) -> Frame:
        if self._labels:
            return self._timed_frame(self._first, self._labels[index])
        file = VtkMesh.open(self._files[index])
        if not np.array_equal(file.cells, self.mesh.cells) or file.nodes != len(self.mesh.points):
            rule = f"VTK: the mesh of {file.file.path.name} is not that of the first file"
            raise ReadError(str(self.path), rule, "Adaptive meshes are not supported")
        if _units_text(file) != _units_text(self._first):
            rule = f"VTK: {file.file.path.name} is in {_units_text(file)}, "
            rule += f"the first file in {_units_text(self._first)}"
            raise ReadError(str(self.path), rule, "Convert the files to one set of units")
        if file.has("PointData", "displacement"):
            displacement = file.on_points("displacement")
        else:
            displacement = file.points.astype(np.float64) - self.mesh.points
        point_names = [name for name in file.file.names("PointData") if name not in MESH_ARRAYS]
        cell_names = [n for n in file.file.names("CellData") if n not in vtk_write.STATIC]
        return Frame(
            displacement,
            _or(file, "CellData", "alive", np.ones(len(file.cells))) != 0,
            {name: file.on_cells(name) for name in cell_names},
            {name: file.on_points(name) for name in point_names},
        )

    def _timed_frame(self, file: VtkMesh, label: str) -> Frame:
        def pick(section: str) -> dict[str, str]:
            matches = [(TIMED.fullmatch(name), name) for name in file.file.names(section)]
            return {match[1]: name for match, name in matches if match and match[2] == label}

        on_points, on_cells = pick("PointData"), pick("CellData")
        alive = np.ones(len(file.cells))
        if "alive" in on_cells:
            alive = file.on_cells(on_cells.pop("alive"))
        displacement = file.on_points(on_points.pop("displacement"))
        return Frame(
            displacement,
            alive != 0,
            {name: file.on_cells(full) for name, full in on_cells.items()},
            {name: file.on_points(full) for name, full in on_points.items()},
        )

    def _replace(self, target: Path, states: Iterator[np.ndarray], overwrite: bool) -> None:
        if self.path.suffix.lower() == ".pvd":
            series = vtk_write.with_displacement(self.series(), states)
            vtk_write.write_pvd(series, target, overwrite=overwrite)
            return
        after = list(states)  # a file of a whole series is in memory anyway
        before = [self.read(index).displacement for index in range(len(self))]
        if all(np.array_equal(x, y) for x, y in zip(before, after, strict=True)):
            with atomic_path(target, overwrite=overwrite) as part:
                shutil.copyfile(self.path, part)
            return
        series = self.series()

        def read(index: int) -> Frame:
            frame = series.read(index)
            values = after[index].astype(frame.displacement.dtype)
            return Frame(values, frame.alive, frame.cell_fields, frame.point_fields)

        changed = type(series)(series.mesh, series.times, read, series.path, series.features)
        write = vtk_write.write_vtu if target.suffix == ".vtu" else vtk_write.write_vtp
        write(changed, target, overwrite=overwrite)


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


def _labels(file: VtkMesh, field: str) -> tuple[list[str], np.ndarray]:
    """Return the times in the names of a field's arrays, in order, as text and as numbers."""
    labels, times = timed(file.file.names("PointData"), field)
    if not labels:
        file_times = file.file.numbers("TimeValue")
        return [], file_times if len(file_times) else np.zeros(1)
    exact = file.file.numbers("times")
    return labels, exact if exact.shape == times.shape else times


def _units_text(file: VtkMesh) -> str | None:
    text = file.file.text("units")
    return None if text is None or "unknown" in text else text


def _or(file: VtkMesh, section: str, name: str, default: np.ndarray) -> np.ndarray:
    if not file.has(section, name):
        return default
    return file.on_points(name) if section == "PointData" else file.on_cells(name)
