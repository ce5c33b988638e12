"""Read VTKHDF files: unstructured grids and polygons, with or without steps in time."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np

from scionwood import ReadError
from scionwood.authoring import atomic_path, check_hdf5
from scionwood_crash.parts.mesh import Frame, ShellMesh
from scionwood_crash.readers.base import CrashReader
from scionwood_crash.readers.sample import sample_series
from scionwood_crash.readers.vtk_encode import QUAD, TRIANGLE
from scionwood_crash.readers.vtk_mesh import OTHERS
from scionwood_crash.readers.vtk_names import MESH_ARRAYS, STATIC, TIMED, timed
from scionwood_crash.readers.vtkhdf_write import write_vtkhdf

_ROOT = "VTKHDF"
_UNDERSCORE = re.compile(r"(_t-?[0-9]+)_([0-9]+)$")


@final
class VtkHdfReader(CrashReader):
    """Reads VTKHDF of the types UnstructuredGrid and PolyData, as ParaView and PhysicsNeMo use it.

    The states are the steps of the file, or the arrays `displacement_t0.005`. A step holds the
    array `displacement`, or its points have moved. Cells other than shells are left out with a
    warning.

    Args:
        path: the file.
        units: such as `mm, ms, kg`; `None` means the units of the file, which may be unknown.
        thickness: thickness of shells if the file has no array `thickness`, on cells or on points.

    Shapes: displacements or positions, (node, xyz), as the file holds them.

    Units: those of the file.

    Raises: ReadError, for a damaged file, data stored in another file, a mesh that changes, several
        partitions of a step, a type other than the two, or NaN.

    Source: https://docs.vtk.org/en/latest/vtk_file_formats/vtkhdf_file_format/index.html
    """

    suffixes = (".vtkhdf",)
    format = "VTKHDF"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a small seeded mesh of parts that bends."""
        write_vtkhdf(sample_series(), path, overwrite=True)

    def _open(self) -> tuple[ShellMesh, np.ndarray]:
        with self._root() as root:
            self._poly = self._kind(root) == "PolyData"
            self._labels: list[str] = []
            times = self._step_times(root)
            if times is None:
                names = map(_dotted, root.get("PointData", {}))
                self._labels, times = timed(names, "displacement")
            self._count = int(self._numbers(root, "NumberOfPoints")[0])
            cells = self._cells(root, 0)
            moved = "displacement" in root.get("PointData", {}) or bool(self._labels)
            self.stores = "displacement" if moved else "position"
            return self._mesh(root, cells), times

    def _mesh(self, root: Any, cells: np.ndarray) -> ShellMesh:
        on_points, on_cells = root.get("PointData", {}), root.get("CellData", {})
        points = self._points(root, 0)
        if "initial_coordinates" in on_points:
            points = self._field(root, "PointData", "initial_coordinates", 0)

        def field_or_default(section: str, name: str, default: np.ndarray) -> np.ndarray:
            field_names = on_points if section == "PointData" else on_cells
            return self._field(root, section, name, 0) if name in field_names else default

        units = root.attrs.get("units")
        mesh = ShellMesh.build(
            points,
            cells,
            0.0,
            part_ids=field_or_default("CellData", "part_id", np.ones(len(cells))),
            node_ids=field_or_default("PointData", "node_id", np.arange(1, len(points) + 1)),
            element_ids=field_or_default("CellData", "element_id", np.arange(1, len(cells) + 1)),
            units=self._units(None if units is None else str(units)),
            rigid_parts=frozenset(int(part) for part in root.attrs.get("rigid_parts", [])),
        )
        thickness = field_or_default("CellData", "thickness", np.zeros(len(cells)))
        inside = len(cells) and 0 <= cells.min() <= cells.max() < len(points)
        if not (thickness > 0).any() and "thickness" in on_points and inside:
            thickness = self._field(root, "PointData", "thickness", 0)[cells].mean(1)
        return self._with_thickness(mesh, thickness)

    def _frame(self, index: int) -> Frame:
        with self._root() as root:
            names = {section: list(root.get(section, {})) for section in ("PointData", "CellData")}
            fields = {
                section: self._fields(root, section, names[section], index) for section in names
            }
            on_points, on_cells = fields["PointData"], fields["CellData"]
            moved = on_points.pop("displacement", None)
            if moved is None:
                moved = self._points(root, index).astype(np.float64) - self.mesh.points
            if (
                not self._labels
                and index
                and not np.array_equal(self._cells(root, index), self._first)
            ):
                rule = f"VTKHDF: the mesh of step {index} is not that of the first"
                raise ReadError(str(self.path), rule, "Adaptive meshes are not supported")
            alive = on_cells.pop("alive", np.ones(len(self.mesh.cells)))
            return Frame(moved, alive != 0, on_cells, on_points)

    def _fields(
        self, root: Any, section: str, names: list[str], index: int
    ) -> dict[str, np.ndarray]:
        """Return the fields of a state by name, without those that describe the mesh."""
        if not self._labels:
            left = set(MESH_ARRAYS if section == "PointData" else STATIC) - {
                "displacement",
                "alive",
            }
            return {n: self._field(root, section, n, index) for n in names if n not in left}
        matches = [(TIMED.fullmatch(_dotted(name)), name) for name in names]
        label = self._labels[index]
        chosen = {match[1]: name for match, name in matches if match and match[2] == label}
        return {short: self._field(root, section, n, 0) for short, n in chosen.items()}

    def _field(self, root: Any, section: str, name: str, index: int) -> np.ndarray:
        first = self._offset(root, f"{section}Offsets/{name}", index)
        if section == "PointData":
            return self._slice(root[f"{section}/{name}"], first, self._count)
        values = self._slice(root[f"{section}/{name}"], first, self._all_cells)
        return np.asarray(values[self._shells])

    def _points(self, root: Any, index: int) -> np.ndarray:
        points = self._slice(root["Points"], self._offset(root, "PointOffsets", index), self._count)
        return points.reshape(-1, 3)

    def _cells(self, root: Any, index: int) -> np.ndarray:
        """Return the shells of a step, (element, 4), and note which cells they are."""
        place = root["Polygons"] if self._poly else root
        part = self._offset(root, "PartOffsets", index)
        at = self._offset(root, "CellOffsets", index)
        start = self._offset(root, "ConnectivityIdOffsets", index)
        count = int(self._numbers(place, "NumberOfCells")[part])
        ends = self._slice(place["Offsets"], at + part, count + 1).astype(np.int64)
        size = int(self._numbers(place, "NumberOfConnectivityIds")[part])
        nodes = self._slice(place["Connectivity"], start, size).astype(np.int64)
        sizes = np.diff(ends)
        if (sizes < 0).any() or (count and (ends[0] != 0 or ends[-1] != size)):
            raise ReadError(
                str(self.path), "VTKHDF: offsets of cells decrease", "Is it damaged? Copy it again"
            )
        kinds = np.where(sizes == 3, TRIANGLE, np.where(sizes == 4, QUAD, 0))
        if not self._poly:
            kinds = self._slice(place["Types"], at, count).astype(np.int64)
        shells = self._only_shells(kinds, sizes)
        if index == 0:
            self._shells, self._all_cells = shells, count
        starts = ends[:-1][shells]
        places = starts[:, None] + np.minimum(np.arange(4), sizes[shells][:, None] - 1)
        cells = nodes[places] if len(starts) else np.empty((0, 4), np.int64)
        if index == 0:
            self._first = cells
        return np.asarray(cells)

    def _only_shells(self, kinds: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        unknown = set(kinds.tolist()) - {TRIANGLE, QUAD, *OTHERS}
        wrong = ((kinds == TRIANGLE) & (sizes != 3)) | ((kinds == QUAD) & (sizes != 4))
        if unknown or wrong.any():
            rule = f"VTKHDF: cells of type {', '.join(map(str, sorted(unknown)))} are not supported"
            rule = rule if unknown else "VTKHDF: the offsets of cells do not match their types"
            raise ReadError(str(self.path), rule, "Export triangles and quads of four nodes")
        others = sorted({OTHERS[kind] for kind in set(kinds.tolist()) & set(OTHERS)})
        if others:
            text = f"{self.path.name}: {', '.join(others)} cells are left out"
            warnings.warn(text, stacklevel=2)
        return np.asarray((kinds == TRIANGLE) | (kinds == QUAD))

    def _step_times(self, root: Any) -> np.ndarray | None:
        """Return the times of the steps; `None` without steps."""
        if "Steps" not in root:
            return None
        parts = self._numbers(root["Steps"], "NumberOfParts", required=False)
        if (parts > 1).any():
            rule = f"VTKHDF: a step has {int(parts.max())} partitions"
            raise ReadError(str(self.path), rule, "Merge its blocks into one, and save it again")
        return np.asarray(root["Steps/Values"][:], np.float64)

    def _kind(self, root: Any) -> str:
        kind = root.attrs.get("Type", b"")
        kind = kind.decode() if isinstance(kind, bytes) else str(kind)
        if kind not in ("UnstructuredGrid", "PolyData"):
            rule = f"VTKHDF: its type is {kind or 'not stated'}"
            remedy = "Save it as UnstructuredGrid or PolyData; merge the blocks of an assembly"
            raise ReadError(str(self.path), rule, remedy)
        steps = "Steps" in root
        if not steps and len(self._numbers(root, "NumberOfPoints")) > 1:
            raise ReadError(str(self.path), "VTKHDF: it has several partitions", "Merge its blocks")
        return kind

    def _offset(self, root: Any, name: str, index: int) -> int:
        """Return where the data of a step begin; 0 without steps."""
        if "Steps" not in root or name not in root["Steps"]:
            return 0
        value = np.asarray(root["Steps"][name][index]).ravel()
        column = 2 if self._poly and len(value) == 4 else 0  # vertices, lines, polygons, strips
        return int(value[column])

    def _numbers(self, place: Any, name: str, *, required: bool = True) -> np.ndarray:
        if name not in place and not required:
            return np.zeros(1, np.int64)
        return np.asarray(place[name][:]).ravel()

    def _slice(self, data: Any, start: int, count: int) -> np.ndarray:
        if min(start, count) < 0 or start + count > len(data):
            rule = f"VTKHDF: {data.name} has {len(data)} rows, not {start + count}"
            raise ReadError(str(self.path), rule, "Is it truncated? Copy it again")
        return np.asarray(data[start : start + count])

    @contextmanager
    def _root(self) -> Iterator[Any]:
        with h5py.File(self.path) as file:
            check_hdf5(self.path, file, self.format)
            if _ROOT not in file:
                rule = "it is an HDF5 file without the group VTKHDF"
                raise ReadError(str(self.path), rule, "Save it as VTKHDF, or in another format")
            yield file[_ROOT]

    def _replace(self, target: Path, states: Iterator[np.ndarray], overwrite: bool) -> None:
        with atomic_path(target, overwrite=overwrite) as part:
            shutil.copyfile(self.path, part)
            with h5py.File(part, "r+") as file:
                root = file[_ROOT]
                for index, values in enumerate(states):
                    name, first = "Points", self._offset(root, "PointOffsets", index)
                    if self._labels:
                        label = f"displacement_t{self._labels[index]}"
                        stored_name = next(n for n in root["PointData"] if _dotted(n) == label)
                        name, first = f"PointData/{stored_name}", 0
                    elif self.stores == "displacement":
                        name = "PointData/displacement"
                        first = self._offset(root, "PointDataOffsets/displacement", index)
                    root[name][first : first + self._count] = values


def _dotted(name: str) -> str:
    """Return the name of an array with the point in its time, which VTK writes as an underscore."""
    return _UNDERSCORE.sub(r"\1.\2", name)
