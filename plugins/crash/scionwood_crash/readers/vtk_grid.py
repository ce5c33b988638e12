"""The shells and fields of one VTK dataset, which VTK itself reads through pyvista."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from scionwood import ReadError
from scionwood_crash.readers.vtk_checks import checked_kind
from scionwood_crash.readers.vtk_encode import QUAD, TRIANGLE

_OTHERS = {1: "vertex", 3: "line", 10: "tetra", 12: "hexahedron", 13: "wedge", 14: "pyramid"}
_OTHERS |= {2: "vertex", 4: "line"}


@final
@dataclass(frozen=True)
class Grid:
    """The shells of a dataset; cells of other kinds are left out with a warning.

    Attributes:
        points: (node, 3), in the precision of the file.
        cells: (element, 4) int64; a triangle repeats its last node.
        on_points: (node,) or (node, component) by name.
        on_cells: (element,) or (element, component) by name, of the shells.
        facts: numbers and texts of the whole file, by name.
    """

    points: np.ndarray
    cells: np.ndarray
    on_points: Mapping[str, np.ndarray]
    on_cells: Mapping[str, np.ndarray]
    facts: Mapping[str, np.ndarray]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read a `.vtu`, `.vtp` or legacy `.vtk` file.

        Raises:
            ReadError: the file is damaged, or holds cells of an unknown kind.
        """
        kind = checked_kind(path)
        import pyvista

        reader: Any = pyvista.get_reader  # untyped
        with vtk_errors(path):
            dataset: Any = reader(path, force_ext=kind).read()
        return cls.of(path, dataset)

    @classmethod
    def of(cls, path: Path, dataset: Any) -> Self:
        """Return the shells of a dataset of pyvista.

        Args:
            path: for messages.
            dataset: a `PolyData` or an `UnstructuredGrid`.

        Raises:
            ReadError: as `open`.
        """
        kind = type(dataset).__name__
        if kind not in ("PolyData", "UnstructuredGrid"):
            remedy = "Export its surface as .vtu or .vtp, in one piece"
            raise ReadError(str(path), f"it holds VTK data of type {kind}, not a mesh", remedy)
        poly = kind == "PolyData"
        if poly and dataset.n_strips:
            remedy = "Save it with the filter Triangulate"
            raise ReadError(str(path), "VTK: triangle strips are not supported", remedy)
        ends, nodes = _connectivity(dataset.GetPolys() if poly else dataset.GetCells())
        sizes = np.diff(ends)
        if (sizes < 0).any() or (len(ends) and (ends[0] != 0 or ends[-1] > len(nodes))):
            rule, remedy = "VTK: offsets of cells decrease", "Is it damaged? Copy it again"
            raise ReadError(str(path), rule, remedy)
        kinds = np.where(sizes == 3, TRIANGLE, np.where(sizes == 4, QUAD, 7))
        shells = _shells(path, kinds if poly else np.asarray(dataset.celltypes), sizes)
        first = ends[:-1][shells]
        # A triangle of Radioss has four nodes, and repeats the last one.
        at = first[:, None] + np.minimum(np.arange(4), sizes[shells][:, None] - 1)
        cells = nodes[at].astype(np.int64) if len(first) else np.empty((0, 4), np.int64)
        others = dataset.n_verts + dataset.n_lines if poly else 0
        cell_arrays = {name: np.asarray(dataset.cell_data[name]) for name in dataset.cell_data}
        short = [name for name, values in cell_arrays.items() if len(values) != others + len(sizes)]
        if short:
            rule = f"VTK: array {short[0]!r} has {len(cell_arrays[short[0]])} values"
            raise ReadError(str(path), rule, "Is it damaged? Copy it again")
        return cls(
            np.asarray(dataset.points),
            cells,
            {name: np.asarray(dataset.point_data[name]) for name in dataset.point_data},
            {name: values[others:][shells] for name, values in cell_arrays.items()},
            {name: np.asarray(dataset.field_data[name]) for name in dataset.field_data},
        )

    def text(self, name: str) -> str | None:
        """Return a text of the whole file, or `None`."""
        return str(self.facts[name][0]) if len(self.facts.get(name, [])) else None

    def numbers(self, name: str) -> np.ndarray:
        """Return numbers of the whole file; empty if there are none of that name."""
        return np.asarray(self.facts.get(name, np.empty(0)))


def _connectivity(cells: Any) -> tuple[np.ndarray, np.ndarray]:
    from pyvista import convert_array

    ends, nodes = (cells.GetOffsetsArray(), cells.GetConnectivityArray())
    return np.asarray(convert_array(ends)), np.asarray(convert_array(nodes))


def _shells(path: Path, kinds: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return which cells are triangles and quads, (cell,) bool."""
    if len(kinds) != len(sizes):
        rule, remedy = "VTK: its cells have no types", "Is it damaged? Copy it again"
        raise ReadError(str(path), rule, remedy)
    types = set(kinds.tolist())
    unknown = sorted(types - {TRIANGLE, QUAD, *_OTHERS})
    if unknown:
        rule = f"VTK: cells of type {', '.join(map(str, unknown))} are not supported"
        raise ReadError(str(path), rule, "Export triangles and quads of four nodes")
    other = sorted({_OTHERS[kind] for kind in types & set(_OTHERS)})
    if other:
        warnings.warn(f"{path.name}: {', '.join(other)} cells are left out", stacklevel=2)
    shells = (kinds == TRIANGLE) | (kinds == QUAD)
    wrong = (kinds == QUAD) & (sizes != 4) | (kinds == TRIANGLE) & ~np.isin(sizes, (3, 4))
    if wrong.any():
        rule = "VTK: the offsets of cells do not match their types"
        raise ReadError(str(path), rule, "Is it damaged? Copy it again")
    return np.asarray(shells)


@contextmanager
def vtk_errors(path: Path) -> Iterator[None]:
    """Turn what VTK prints inside the block into a `ReadError`.

    The end of a binary file in an array is a warning to VTK, which leaves the rest undefined.
    """
    from pyvista import VtkErrorCatcher
    from vtkmodules.vtkCommonCore import vtkLogger

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)  # it would print each error as well
    with VtkErrorCatcher(send_to_logging=False) as catcher:
        yield
    if catcher.events:
        text = " ".join(str(catcher.events[0].alert).split())[:200]
        raise ReadError(str(path), f"VTK: {text}", "Is it damaged? Copy it again")
